"""What a run ran on."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path


def describe(command: str) -> dict[str, str]:
    """Machine, versions, date and command, in the words of the page."""
    description = {
        "Date": datetime.date.today().isoformat(),
        "Command": command,
        "Processor": f"{_processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f} at the start",
        "Memory": _first(r"MemTotal:\s+(\d+) kB", "/proc/meminfo", lambda kib: f"{int(kib) / 1048576:.1f} GiB"),
        "Kernel": f"{platform.system()} {platform.release()}",
        "Huge pages": _first(r"\[(\w+)\]", "/sys/kernel/mm/transparent_hugepage/enabled", str),
        "C++": _output("c++", "--version"),
        "Python": platform.python_version(),
    }
    for name in ("torch", "numpy", "pyzmq", "grpcio"):
        try:
            description[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            description[name] = "not installed"
    for name, package in (("libzmq", "libzmq"), ("gRPC C++", "grpc++")):
        description[name] = _output("pkg-config", "--modversion", package)
    return description


def _processor() -> str:
    return _first(r"model name\s*:\s*(.*)", "/proc/cpuinfo", str) or platform.processor()


def _first(pattern: str, path: str, turn: type[str] | object) -> str:
    try:
        found = re.search(pattern, Path(path).read_text())
    except OSError:
        return "unknown"
    return turn(found[1]) if found and callable(turn) else "unknown"


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "not installed"
    return done.stdout.splitlines()[0]

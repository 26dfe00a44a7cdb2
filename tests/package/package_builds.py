"""How the tests of the package run commands and build things."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
# Kept between runs, so that only what has changed is compiled again.
BUILD = REPOSITORY / "build" / "package"
DEV_BUILD = Path(os.environ.get("TR_BUILD_DIR", REPOSITORY / "build" / "dev"))
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
CONSUMER = Path(__file__).parent / "consumer"
VERSION = re.findall(r'"(.*)"', (REPOSITORY / "python/tech_renaissance/_version.py").read_text(encoding="utf-8"))[-1]


def run(*command: str | Path, **environment: str) -> str:
    """Runs a command to its end and gives what it printed; a failure shows all of it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TR_", "VIRTUAL"))}
    done = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**inherited, **environment},
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(f"{' '.join(map(str, command))}\nended with {done.returncode}:\n{done.stdout}", pytrace=False)
    return done.stdout


def cmake(source: Path, build: Path, **options: str | Path) -> Path:
    """Configures and builds unoptimised, which compiles fastest, and gives the build folder."""
    run("cmake", "-S", source, "-B", build, *(f"-D{name}={value}" for name, value in options.items()))
    run("cmake", "--build", build, "--parallel", "2")
    return build


def built_and_installed(prefix: Path, build: Path, **options: str) -> Path:
    """Builds the library alone and installs it under `prefix`; without symbols for a debugger, a fifth of the time."""
    cmake(REPOSITORY, build, CMAKE_BUILD_TYPE="None", TR_BUILD_TESTS="OFF", TR_BUILD_EXAMPLES="OFF", **options)
    run("cmake", "--install", build, "--prefix", prefix)
    return prefix


@dataclass(frozen=True)
class WheelEnvironment:
    """A fresh virtual environment with the wheel and nothing else in it."""

    python: Path
    wheel: Path

    def python_m(self, *arguments: str) -> str:
        """What `python -m tech_renaissance` prints for these arguments."""
        return run(self.python, "-m", "tech_renaissance", *arguments).strip()


def check_data(program: Path, tmp_path: Path, holds: str) -> None:
    """The program writes and reads a tensor and finds the expected build of the library."""
    assert run(program, tmp_path / "x.tsr").strip() == f"equal {VERSION} {holds}"


def check_hello(program: Path, **environment: str) -> None:
    """The program starts a worker from the package that was installed with the library, and hears from it."""
    assert "Hello" in run(program, TR_PYTHON=sys.executable, **environment)


def check_worker_beside(build: Path, prefix: Path) -> None:
    """What a program installs of the package is all that its worker needs."""
    run("cmake", "--install", build, "--prefix", prefix)
    beside = prefix / "share" / "tech_renaissance" / "python"
    assert [entry.name for entry in beside.iterdir()] == ["tech_renaissance"]
    check_hello(build / "hello", TR_PACKAGE_DIR=str(beside))

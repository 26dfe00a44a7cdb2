"""The host programs of a run: each row of the benchmark is a process that obeys commands and answers in JSON."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import time
from pathlib import Path
from typing import Any


class Absent(Exception):  # noqa: N818 - a state of a row, not a mistake
    """A row does not have what was asked for; the text says why."""


class Host:
    """One host program with its worker, which is started by the first command."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **environment},
        )
        self._rest = b""

    def ask(self, command: str, limit_s: float = 120) -> dict[str, Any]:
        """The answer to one command.

        Raises:
            Absent: the row does not have it, it failed, or there was no answer in time.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(command.encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise Absent(f"the host program has ended with {self._process.wait()}") from None
        answer: dict[str, Any] = json.loads(self._read_line(time.monotonic() + limit_s, command))
        for key in ("absent", "error"):
            if key in answer:
                raise Absent(("failed: " if key == "error" else "") + str(answer[key]).splitlines()[0])
        return answer

    def _read_line(self, end: float, command: str) -> bytes:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while b"\n" not in self._rest:
            if not select.select([descriptor], [], [], max(0.0, end - time.monotonic()))[0]:
                self.close()
                raise Absent(f"no answer to '{command}' in time")
            part = os.read(descriptor, 1 << 20)
            if not part:
                raise Absent(f"the host program ended with {self._process.wait()} in '{command}'")
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def close(self) -> None:
        """Ends it, and by that its worker."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def pin(pid: int, cores: set[int]) -> None:
    """Keeps every thread of a process on these cores, and those that it starts later."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), cores)


def cpu_seconds(pid: int) -> float:
    """What a process has used of the processor so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    """Memory of a process, shared pages counted in part (PSS)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def large_files(directory: str, bytes_at_least: int) -> int:
    """How many different files of this size or more a session keeps."""
    found = set()
    for entry in os.scandir(directory):
        with contextlib.suppress(FileNotFoundError):
            status = entry.stat(follow_symlinks=False)
            if status.st_size >= bytes_at_least:
                found.add(status.st_ino)
    return len(found)

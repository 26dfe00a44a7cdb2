"""What is shown: lines, and in a terminal a table below them that is kept true."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEADINGS = ("worker", "state", "pid", "at work", "queue", "calls", "failures", "restarts", "memory")
_MIB = 1 << 20


def table(services: Iterable[dict[str, Any]]) -> list[str]:
    """The workers of services, as `ServedService.describe` gives them, in lines."""
    rows = [_HEADINGS, *(_row(worker) for service in services for worker in service["workers"])]
    wide = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    return [
        "  ".join(_aligned(text, width, i) for i, (text, width) in enumerate(zip(row, wide))).rstrip() for row in rows
    ]


def _row(worker: dict[str, Any]) -> tuple[str, ...]:
    memory = f"{worker['memory'] / _MIB:.0f} MiB" if worker["memory"] else "-"
    counts = (str(worker[name]) for name in ("at_work", "queue", "calls", "failures", "restarts"))
    return (worker["session"], worker["state"], str(worker["pid"] or "-"), *counts, memory)


def _aligned(text: str, width: int, column: int) -> str:
    return text.ljust(width) if column < 2 else text.rjust(width)


class Screen:
    """Standard output and error, for any thread.

    Args:
        out: for lines about what happens, and the table where it is a terminal.
        error: for what workers print, and for what goes wrong.
        quiet: what goes wrong, and what workers print, alone.
    """

    def __init__(self, *, quiet: bool, out: TextIO = sys.stdout, error: TextIO = sys.stderr) -> None:
        self._out = out
        self._error = error
        self._quiet = quiet
        self.has_table = out.isatty() and not quiet
        self._shown: list[str] = []
        self._lock = threading.Lock()

    def say(self, line: str) -> None:
        """Something that has happened."""
        if not self._quiet:
            self._write(self._out, line)

    def complain(self, line: str) -> None:
        """Something that has gone wrong, or that a worker has printed."""
        self._write(self._error, line)

    def show(self, lines: list[str]) -> None:
        """Puts a table in the place of the one before."""
        with self._lock:
            if self.has_table and lines != self._shown:
                self._clear()
                self._shown = lines
                self._draw()

    def leave_table(self) -> None:
        """It is not kept true any more, and stays."""
        with self._lock:
            self._shown = []
            self.has_table = False

    def _write(self, stream: TextIO, line: str) -> None:
        with self._lock:
            self._clear()
            try:
                stream.write(f"{line}\n")
                stream.flush()
            except (OSError, ValueError):  # nobody listens any more, which is no reason to stop
                pass
            self._draw()

    def _clear(self) -> None:
        if self._shown:
            self._out.write(f"\x1b[{len(self._shown)}F\x1b[J")
            self._out.flush()

    def _draw(self) -> None:
        if self._shown:
            self._out.write("".join(f"{line}\n" for line in self._shown))
            self._out.flush()

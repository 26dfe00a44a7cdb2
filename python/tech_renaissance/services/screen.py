"""What is shown: lines, and in a terminal a table below them that is kept true."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable

_MIB = 1 << 20
_SECOND_US, _MILLISECOND_US = 1e6, 1e3


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _time(microseconds: float | None) -> str:
    """With three digits, as it is measured no better."""
    if microseconds is None:
        return "-"
    for unit, name in ((_SECOND_US, "s"), (_MILLISECOND_US, "ms")):
        if microseconds >= unit:
            return f"{microseconds / unit:.3g} {name}"
    return f"{microseconds:.3g} us"


def _memory(size: int) -> str:
    return f"{size / _MIB:.0f} MiB" if size else "-"


#: Headings, with what is shown below them and how.
_COLUMNS: dict[str, tuple[str, Any]] = {
    "worker": ("session", str),
    "state": ("state", str),
    "pid": ("pid", lambda pid: str(pid or "-")),
    "calls/s": ("calls_per_s", _number),
    "p50": ("p50_us", _time),
    "p95": ("p95_us", _time),
    "p99": ("p99_us", _time),
    "batch": ("mean_batch", _number),
    "at work": ("at_work", str),
    "queue": ("queue", str),
    "calls": ("calls", str),
    "failures": ("failures", str),
    "restarts": ("restarts", str),
    "memory": ("memory_bytes", _memory),
    "gpus": ("gpus", str),
}
_NAMES = ("session", "state")  # to the left of their columns


def table(services: Iterable[dict[str, Any]]) -> list[str]:
    """The workers of services, as `ServedService.describe` gives them; batches and GPUs where there are any."""
    workers = [worker for service in services for worker in service["workers"]]
    columns = dict(_COLUMNS)
    for heading in ("batch", "gpus"):
        if not any(worker[columns[heading][0]] for worker in workers):
            columns.pop(heading)
    cells = [[heading, *(shown(worker[key]) for worker in workers)] for heading, (key, shown) in columns.items()]
    aligned = [_aligned(column, left=key in _NAMES) for column, (key, _) in zip(cells, columns.values())]
    return ["  ".join(row).rstrip() for row in zip(*aligned)]


def _aligned(column: list[str], *, left: bool) -> list[str]:
    width = max(map(len, column))
    return [text.ljust(width) if left else text.rjust(width) for text in column]


def words(worker: dict[str, Any]) -> str:
    """One worker on a line, where there is no table."""
    known = {heading: shown(worker[key]) for heading, (key, shown) in _COLUMNS.items() if worker[key] not in (None, "")}
    name, state = known.pop("worker"), known.pop("state")
    return f"{name}: {state}, {', '.join(f'{heading} {text}' for heading, text in known.items())}"


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

"""Waiting until one of several descriptors can be read, and pipes that end such a wait.

Where there is no select.poll (Windows), a wait is for sockets alone, and so a pipe is a pair of them.
"""

from __future__ import annotations

import os
import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_POLLS = hasattr(select, "poll")
_LONG_SECONDS = 3600.0

#: For `register` of a wait.
READABLE: int = select.POLLIN if _POLLS else 1

_sockets: dict[int, Any] = {}  # the ends of pipes, by their descriptors


class _Select:
    """What is used of select.poll()."""

    def __init__(self) -> None:
        self._watched: list[int] = []

    def register(self, descriptor: int, _: int) -> None:
        self._watched.append(descriptor)

    def poll(self, timeout_ms: float | None = None) -> list[tuple[int, int]]:
        seconds = None if timeout_ms is None else max(timeout_ms, 0) / 1000
        if not self._watched:
            time.sleep(_LONG_SECONDS if seconds is None else seconds)
            return []
        return [(descriptor, READABLE) for descriptor in select.select(self._watched, [], [], seconds)[0]]


#: A wait for what is registered with it; it is for one thread at a time, and may end early.
new_wait: Any = select.poll if _POLLS else _Select


def is_readable(descriptor: int, timeout_ms: int | None) -> bool:
    """Whether it can be read within this time."""
    wait = new_wait()
    wait.register(descriptor, READABLE)
    return bool(wait.poll(timeout_ms))


def pipe() -> tuple[int, int]:
    """The ends to read and to write, neither of which makes anybody wait. For the functions below alone."""
    if _POLLS:
        ends = os.pipe()
        for end in ends:
            os.set_blocking(end, False)
        return ends
    import socket

    one, other = socket.socketpair()
    for opened in (one, other):
        opened.setblocking(False)
        _sockets[opened.fileno()] = opened
    return one.fileno(), other.fileno()


def ring(descriptor: int, what: bytes = b"!") -> None:
    """Writes to a pipe, unless it is full, when it rings already, or closed; any thread."""
    try:
        if _POLLS:
            os.write(descriptor, what)
        else:
            _sockets[descriptor].send(what)
    except (OSError, KeyError):
        return


def read(descriptor: int) -> bytes:
    """What has been written to a pipe, as far as it is short."""
    try:
        return os.read(descriptor, 64) if _POLLS else _sockets[descriptor].recv(64)
    except (OSError, KeyError):
        return b""


def close(descriptor: int) -> None:
    """Closes one end of a pipe."""
    if _POLLS:
        os.close(descriptor)
    else:
        _sockets.pop(descriptor).close()

"""Counts of a worker's calls, in a file that its supervisor reads: whoever makes them, they are counted here."""

from __future__ import annotations

import _thread
import mmap
import os
import struct

from ..platform.system import CLOEXEC, NOFOLLOW

_WORDS = struct.Struct("=QQQ")  # begun, ended, failed of these
#: The path of the file, in the environment of a worker whose calls are to be counted.
VARIABLE = "TR_TALLY"
#: Of the file's name, behind the session's id.
ENDING = ".calls"


class Tally:
    """The worker's side: counts on from what the file says, so that they outlive the worker."""

    def __init__(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDWR | CLOEXEC | NOFOLLOW)
        try:
            self._words = mmap.mmap(descriptor, _WORDS.size)
        finally:
            os.close(descriptor)
        _, self._ended, self._failed = _WORDS.unpack_from(self._words)
        self._begun = self._ended  # what a worker before was at has no end
        self._lock = _thread.allocate_lock()
        self._write()

    def begin(self) -> None:
        """A call has come."""
        with self._lock:
            self._begun += 1
            self._write()

    def end(self, failed: bool) -> None:
        """It has been answered."""
        with self._lock:
            self._ended += 1
            self._failed += failed
            self._write()

    def _write(self) -> None:
        _WORDS.pack_into(self._words, 0, self._begun, self._ended, self._failed)


class Counts:
    """What others see of it.

    Args:
        path: of the file.
        make: it is made, 0600; for the supervisor alone.
    """

    def __init__(self, path: str, *, make: bool = False) -> None:
        self.path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC if make else os.O_RDONLY
        descriptor = os.open(path, flags | CLOEXEC | NOFOLLOW, 0o600)
        try:
            if make:
                os.ftruncate(descriptor, _WORDS.size)
            self._words = mmap.mmap(descriptor, _WORDS.size, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)

    def read(self) -> tuple[int, int, int]:
        """How many calls are at work, have ended, and have failed; the first is of no use after a death."""
        begun, ended, failed = _WORDS.unpack_from(self._words)
        return max(0, begun - ended), ended, failed

    def close(self) -> None:
        """Reads no more."""
        self._words.close()

    def remove(self) -> None:
        """The same, and the file goes."""
        self.close()
        if os.path.lexists(self.path):
            os.unlink(self.path)


def tally_of_environment() -> Tally | None:
    """The one that this worker's environment names."""
    path = os.environ.get(VARIABLE)
    return Tally(path) if path else None

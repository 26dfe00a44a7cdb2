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
    """The supervisor's side: makes the file, which is 0600, and reads it."""

    def __init__(self, path: str) -> None:
        self.path = path
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | CLOEXEC | NOFOLLOW, 0o600)
        try:
            os.ftruncate(descriptor, _WORDS.size)
            self._words = mmap.mmap(descriptor, _WORDS.size)
        finally:
            os.close(descriptor)

    def read(self) -> tuple[int, int, int]:
        """How many calls are at work, have ended, and have failed; the first of a moment, and 0 after a death."""
        begun, ended, failed = _WORDS.unpack_from(self._words)
        return max(0, begun - ended), ended, failed

    def close(self) -> None:
        """Removes the file."""
        self._words.close()
        if os.path.lexists(self.path):
            os.unlink(self.path)


def tally_of_environment() -> Tally | None:
    """The one that this worker's environment names."""
    path = os.environ.get(VARIABLE)
    return Tally(path) if path else None

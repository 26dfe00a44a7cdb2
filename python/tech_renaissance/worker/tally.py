"""Counts of a worker's calls, in a file that its supervisor reads: whoever makes them, they are counted here.

The file holds 64-bit words of this machine, each with one writer: five counts, then how many calls took how long.
"""

from __future__ import annotations

import _thread
import mmap
import os
import struct
from math import log2
from time import monotonic_ns

from ..platform.system import CLOEXEC, NOFOLLOW

_BEGUN, _ENDED, _FAILED, _BATCHES, _ROWS, _FIRST_BUCKET = range(6)
#: A call of t ns, from when the worker takes it to its answer, is in bucket 4 log2(t) - 40: the first ends at 1.2 us,
#: each further one 2 ** (1 / 4) times as late, the last one never.
BUCKETS = 128
_BELOW = 40
_WORDS = struct.Struct(f"{_FIRST_BUCKET + BUCKETS}Q")
_CALLS = struct.Struct("3Q")
#: The path of the file, in the environment of a worker whose calls are to be counted.
VARIABLE = "TR_TALLY"
#: Of the file's name, behind the session's id.
ENDING = ".calls"


class Tally:
    """The worker's side: counts on from what the file says, so that they outlive the worker. For any thread."""

    def __init__(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDWR | CLOEXEC | NOFOLLOW)
        try:
            self._words = memoryview(mmap.mmap(descriptor, _WORDS.size)).cast("Q")
        finally:
            os.close(descriptor)
        self._words[_BEGUN] = self._words[_ENDED]  # what a worker before was at has no end
        self._lock = _thread.allocate_lock()

    def begin(self) -> int:
        """A call has come; what `end` is to be given."""
        with self._lock:
            self._words[_BEGUN] += 1
        return monotonic_ns()

    def end(self, since: int, failed: bool) -> None:
        """It has been answered."""
        bucket = int(4 * log2(monotonic_ns() - since | 1)) - _BELOW
        bucket = 0 if bucket < 0 else bucket if bucket < BUCKETS else BUCKETS - 1
        words = self._words
        with self._lock:
            words[_ENDED] += 1
            words[_FIRST_BUCKET + bucket] += 1
            if failed:
                words[_FAILED] += 1

    def add_batch(self, rows: int) -> None:
        """So many rows were run at once, of an endpoint with a `max_batch_size`."""
        with self._lock:
            self._words[_BATCHES] += 1
            self._words[_ROWS] += rows


class Counted:
    """All counts, at one moment.

    Attributes:
        ended: calls that have been answered.
        failed: how many of these with an error.
        batches: how many were run.
        rows: in all of them.
        buckets: how many calls took how long.
    """

    def __init__(self, words: tuple[int, ...]) -> None:
        self.ended, self.failed, self.batches, self.rows = words[_ENDED:_FIRST_BUCKET]
        self.buckets = words[_FIRST_BUCKET:]


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
        begun, ended, failed = _CALLS.unpack_from(self._words)
        return max(0, begun - ended), ended, failed

    def all(self) -> Counted:
        """Everything that is counted."""
        return Counted(_WORDS.unpack_from(self._words))

    def close(self) -> None:
        """Reads no more."""
        self._words.close()

    def remove(self) -> None:
        """The same, and the file goes."""
        self.close()
        if os.path.lexists(self.path):
            os.unlink(self.path)


def microseconds(bucket: int) -> float:
    """How long the calls of a bucket took, within 9 %."""
    return float(2 ** ((bucket + _BELOW + 0.5) / 4) / 1000)


def tally_of_environment() -> Tally | None:
    """The one that this worker's environment names."""
    path = os.environ.get(VARIABLE)
    return Tally(path) if path else None

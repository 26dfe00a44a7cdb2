"""What user code prints lands in worker.log; a disk that is full must not make it fail, nor the log fill the disk."""

from __future__ import annotations

import errno
import io
import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_MOST = 32 << 20  # bytes of worker.log, which may lie in memory
_KEPT = 4 << 20
_STEP = 1 << 20  # printed between looks at its size


class _Log(io.FileIO):
    """A log that loses text while there is no room for it, and says how much once there is room again.

    Args:
        descriptor: is appended to.
        path: of the log, when it is to be shortened to its end before it grows without bounds.
    """

    def __init__(self, descriptor: int, path: str | None) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._path = path
        self._lost = 0
        self._unseen = 0

    def write(self, data: Any) -> int:
        """All of it, as far as the caller is told."""
        size = memoryview(data).nbytes
        self._unseen += size
        if self._unseen > _STEP:
            self._unseen = 0
            self._shorten()
        if self._lost:
            note = f"\ntech_renaissance: {self._lost} bytes of output were lost, as there was no room for them\n"
            if self._try(note.encode()):
                self._lost = 0
        self._lost += size - self._try(data)
        return size

    def _try(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            if error.errno in _NO_ROOM:
                return 0
            raise

    def _shorten(self) -> None:
        """Leaves only the end of a log that has become long."""
        if self._path is None or os.fstat(self.fileno()).st_size <= _MOST:
            return
        try:
            with open(self._path, "rb") as log:
                if not os.path.samestat(os.fstat(log.fileno()), os.fstat(self.fileno())):
                    return
                size = log.seek(-_KEPT, os.SEEK_END) + _KEPT
                log.readline()
                end = log.read()
        except OSError:
            return
        os.ftruncate(self.fileno(), 0)
        self._try(
            b"tech_renaissance: the first %d bytes were removed, as the log had become long\n" % (size - len(end))
        )
        self._try(end)


def log_output(path: str) -> None:
    """Has sys.stdout and sys.stderr write to such logs, where they write to a file and nobody has replaced them.

    Args:
        path: of the worker's log; another file that they write to is not shortened.
    """
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None or stream is not getattr(sys, f"__{name}__"):
            continue
        try:
            file = os.fstat(number)
            if stream.fileno() != number or not stat.S_ISREG(file.st_mode):
                continue
            stream.flush()
        except (OSError, ValueError):
            continue
        log = _Log(number, path if _is(path, file) else None)
        setattr(sys, name, io.TextIOWrapper(log, stream.encoding, stream.errors, write_through=True))


def _is(path: str, file: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.lstat(path), file)
    except OSError:
        return False

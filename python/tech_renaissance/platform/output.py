"""What user code prints lands in worker.log; a disk that is full must not make it fail, nor the log fill the disk."""

from __future__ import annotations

import errno
import io
import os
import stat
import sys

from .system import CLOEXEC, IS_WINDOWS, NOFOLLOW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_MOST = 32 << 20  # bytes of worker.log, which may lie in memory
_KEPT = 4 << 20

_path: str | None = None  # of the worker's log


class _Log(io.FileIO):
    """A log that loses text while there is no room for it, and says how much once there is room again."""

    _lost = 0

    def write(self, data: Any) -> int:
        """All of it, as far as the caller is told."""
        shorten_log(self.fileno())
        size = memoryview(data).nbytes
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


def log_output(path: str) -> None:
    """Has sys.stdout and sys.stderr write to such logs, where they write to a file and nobody has replaced them.

    Args:
        path: of the worker's log; another file that they write to is not shortened.
    """
    global _path
    _path = os.path.abspath(path)
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None or stream is not getattr(sys, f"__{name}__"):
            continue
        try:
            if stream.fileno() != number or not stat.S_ISREG(os.fstat(number).st_mode):
                continue
            stream.flush()
        except (OSError, ValueError):
            continue
        log = _Log(number, "wb", closefd=False)
        setattr(sys, name, io.TextIOWrapper(log, stream.encoding, stream.errors, write_through=True))


def log(text: str) -> None:
    """A line in worker.log, after whatever user code has printed so far."""
    line = f"tech_renaissance: {text}\n".encode("utf-8", "backslashreplace")
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except Exception:  # User code may have put anything there, or closed it.
        line = b"\n" + line
    shorten_log(2)
    try:
        os.write(2, line)
    except OSError:
        return


def shorten_log(descriptor: int) -> None:
    """Leaves only the end of the worker's log when it has become long, if that is what the descriptor writes to.

    At each step the end is in the file, so a signal or a kill loses none of it.
    """
    try:
        written = os.fstat(descriptor)
        if written.st_size <= _MOST or _path is None or IS_WINDOWS:  # there it stays long
            return
        with open(os.open(_path, os.O_RDWR | CLOEXEC | NOFOLLOW), "r+b", buffering=0) as log:
            if os.path.samestat(os.fstat(log.fileno()), written):
                _keep_end(log)
                os.lseek(descriptor, 0, os.SEEK_END)  # for one that does not append
    except OSError:
        return  # it stays long


def _keep_end(log: io.FileIO) -> None:
    import fcntl

    # Its own open file, so this keeps out threads and forks alike; whoever holds it is shortening the log already.
    fcntl.flock(log.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    size = os.fstat(log.fileno()).st_size
    if size <= _MOST:
        return
    end = os.pread(log.fileno(), _KEPT, size - _KEPT)
    end = end[end.find(b"\n") + 1 :]
    note = b"tech_renaissance: the first %d bytes were removed, as the log had become long\n" % (size - len(end))
    if os.pwrite(log.fileno(), note + end, 0) == len(note) + len(end):
        os.ftruncate(log.fileno(), len(note) + len(end))

"""What user code prints lands in worker.log; a disk that is full must not make it fail."""

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


class _Log(io.FileIO):
    """A log that loses text while there is no room for it, and says how much once there is room again."""

    _lost = 0

    def write(self, data: Any) -> int:
        """All of it, as far as the caller is told."""
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


def lossy_output() -> None:
    """Has sys.stdout and sys.stderr write to such a log, where they write to a file and nobody has replaced them."""
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

"""The sign of life of a worker: a thread that answers means that the interpreter runs, whatever the server is doing."""

from __future__ import annotations

import os
import stat

from ..platform.system import CAREFUL

_ALL = 4096  # a multiple of what one question is, and written in one piece


class Ping:
    """The worker's ends of the FIFOs `ping` and `pong` of the session directory.

    Attributes:
        descriptor: readable when the host asks; -1 where it cannot.
    """

    def __init__(self, directory: str) -> None:
        # Both ends of both: a host that comes or goes is no event, and an answer needs no descriptor, of which there
        # may be none left by then.
        self.descriptor = _open(f"{directory}/ping")
        self._answers = _open(f"{directory}/pong") if self.descriptor >= 0 else -1

    def answer(self) -> None:
        """Writes back what the host has written."""
        try:
            os.write(self._answers, os.read(self.descriptor, _ALL))
        except OSError:
            return  # nobody has read for long, or user code has closed them

    def close(self) -> None:
        """Releases what it holds."""
        for descriptor in (self.descriptor, self._answers):
            if descriptor >= 0:
                os.close(descriptor)
        self.descriptor = self._answers = -1


def _open(path: str) -> int:
    """A descriptor of the FIFO of this path, -1 when there is none."""
    try:
        descriptor = os.open(path, os.O_RDWR | CAREFUL)
    except OSError:
        return -1
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return -1

"""The sign of life of a worker: a thread that answers means that the interpreter runs, whatever the server is doing."""

from __future__ import annotations

import os
import stat

_ALL = 4096  # a multiple of what one question is, and written in one piece


class Ping:
    """The worker's ends of the FIFOs `ping` and `pong` of the session directory.

    Attributes:
        descriptor: readable when the host asks; -1 where it cannot.
    """

    def __init__(self, directory: str) -> None:
        self._answers = f"{directory}/pong"
        # For writing as well, or the descriptor would stay readable once the host had asked and left.
        self.descriptor = _open(f"{directory}/ping", os.O_RDWR)

    def answer(self) -> None:
        """Writes back what the host has written."""
        try:
            questions = os.read(self.descriptor, _ALL)
        except OSError:
            return
        descriptor = _open(self._answers, os.O_WRONLY)
        if descriptor < 0:
            return  # the host waits no longer
        try:
            os.write(descriptor, questions)
        except OSError:
            return
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Releases what it holds."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _open(path: str, mode: int) -> int:
    """A descriptor of the FIFO of this path, -1 when there is none or it has no other end."""
    try:
        descriptor = os.open(path, mode | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return -1
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return -1

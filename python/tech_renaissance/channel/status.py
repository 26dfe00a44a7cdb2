"""Keeping `status.txt` true without slowing requests down."""

from __future__ import annotations

import _thread

from ..protocol import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_STATUS_SECONDS = 0.05


class StatusKeeper:
    """Keeps status.txt true within 50 ms, from a thread of its own, so that a request need not wait for the file.

    A request that is over sooner may never show in it. The thread sleeps while the file tells the truth.

    Args:
        write: puts a text into the file.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._text = self._written = messages.READY
        self._writing = _thread.allocate_lock()
        self._asleep = True
        self._told = False
        self._closing = False
        self._wake = _thread.allocate_lock()
        self._wake.acquire()
        self._done = _thread.allocate_lock()
        self._done.acquire()
        self._pause = _thread.allocate_lock()
        self._pause.acquire()
        # Not through the module threading, which takes the thread that first imports it for the main one.
        _thread.start_new_thread(self._run, ())

    def set(self, text: str) -> None:
        """What the file is to say."""
        self._text = text
        if self._asleep:
            self._asleep = False
            self._ring()

    def tell(self, text: str) -> None:
        """The server says how the request is coming on."""
        self._told = True
        self.set(text)

    def finish(self, text: str) -> None:
        """A request ends. What its server has told of it must not stand there when the next begins."""
        if self._told:
            self._told = False
            self.settle(text)
        else:
            self.set(text)

    def begin(self) -> None:
        """A request begins. That the last one went well may stand in the file a little longer, but nothing else."""
        if self._written == messages.OK:
            self.set(messages.BUSY)
        else:
            self.settle(messages.BUSY)

    def settle(self, text: str) -> None:
        """What the file is to say from now on, at once."""
        self._text = text
        with self._writing:
            if self._written != text:
                self._write(text)
                self._written = text

    def close(self) -> None:
        """Writes what is left to write, and ends the thread."""
        self._closing = True
        self._pause.release()
        self._ring()
        self._done.acquire()

    def _ring(self) -> None:
        try:
            self._wake.release()
        except RuntimeError:
            return  # rung already

    def _run(self) -> None:
        try:
            while not self._closing:
                self._wake.acquire()
                while not self._asleep or self._closing:
                    if not self._closing:
                        self._pause.acquire(True, _STATUS_SECONDS)
                    self._catch_up()
                    if self._closing:
                        return
        finally:
            self._done.release()

    def _catch_up(self) -> None:
        with self._writing:
            text = self._text
            if text != self._written:
                try:
                    self._write(text)
                except OSError:
                    return  # no room, or the directory has gone: tried again, or noticed elsewhere
                self._written = text
                return
            self._asleep = True
        if self._text != self._written:
            self._asleep = False

"""Keeping `status.txt` true without slowing requests down."""

from __future__ import annotations

import _thread

from ..protocol import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_STATUS_SECONDS = 0.05


class StatusLine:
    """What the `status.txt` of one channel is to say; the keeper sees to it within 50 ms.

    A request that is over sooner may never show in it. What the server says itself is there at once: it may be about to
    call native code that keeps the keeper's thread from running, or ends the worker.

    Args:
        keeper: of the worker.
        write: puts a text into the file.
    """

    def __init__(self, keeper: StatusKeeper, write: Callable[[str], None]) -> None:
        self._keeper = keeper
        self._write = write
        self._text = self._written = messages.READY
        self._told = False
        self._writing = _thread.allocate_lock()
        keeper.lines.append(self)

    def set(self, text: str) -> None:
        """What the file is to say."""
        self._text = text
        if self._keeper.asleep:
            self._keeper.wake()

    def tell(self, text: str) -> None:
        """The server says how the request is coming on."""
        self._told = True
        self.settle(text)

    def finish(self, text: str) -> None:
        """A request ends. What its server has told of it must not stand there when the next begins."""
        if self._told:
            self._told = False
            self.settle(text)
        else:
            self._text = text
            if self._keeper.asleep:
                self._keeper.wake()

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

    def catch_up(self) -> bool:
        """Writes what has changed; whether there may be more to write before long."""
        with self._writing:
            text = self._text
            if text == self._written:
                return False
            try:
                self._write(text)
                self._written = text
            except OSError:
                return True  # no room, or the directory has gone: tried again, or noticed elsewhere
        return True

    def is_true(self) -> bool:
        """The file says what it is to say."""
        return self._text == self._written

    def close(self) -> None:
        """The keeper need not look at it any more."""
        self._keeper.lines.remove(self)


class StatusKeeper:
    """Keeps the status lines of a worker true from a thread of its own, so that no request need wait for the file.

    The thread sleeps while the files tell the truth.

    Attributes:
        lines: those that it keeps.
        asleep: it has to be woken when a line changes.
    """

    def __init__(self) -> None:
        self.lines: list[StatusLine] = []
        self.asleep = True
        self._closing = False
        self._wake = _thread.allocate_lock()
        self._wake.acquire()
        self._done = _thread.allocate_lock()
        self._done.acquire()
        self._pause = _thread.allocate_lock()
        self._pause.acquire()
        # Not through the module threading, which takes the thread that first imports it for the main one.
        _thread.start_new_thread(self._run, ())

    def wake(self) -> None:
        """Has it look at the lines."""
        self.asleep = False
        try:
            self._wake.release()
        except RuntimeError:
            return  # woken already

    def close(self) -> None:
        """Writes what is left to write, and ends the thread."""
        self._closing = True
        self._pause.release()
        self.wake()
        self._done.acquire()

    def _run(self) -> None:
        try:
            while not self._closing:
                self._wake.acquire()
                while not self.asleep or self._closing:
                    if not self._closing:
                        self._pause.acquire(True, _STATUS_SECONDS)
                    self._catch_up()
                    if self._closing:
                        return
        finally:
            self._done.release()

    def _catch_up(self) -> None:
        # Not any(…), which would stop at the first.
        if True in [line.catch_up() for line in list(self.lines)]:
            return
        self.asleep = True
        if not all(line.is_true() for line in list(self.lines)):  # one has changed while this fell asleep
            self.asleep = False

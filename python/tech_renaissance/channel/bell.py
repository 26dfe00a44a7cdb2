"""What a worker sleeps on, whatever channel the news is in.

A ring is a hint: who waits looks at the truth before, and again afterwards. What `look` gives is to be asked for before
that, so that a ring that comes while somebody looks is not slept over.
"""

from __future__ import annotations

import _thread

from ..platform.waits import READABLE, new_wait
from .doorbell import RECHECK_MS, Doorbell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..platform.process import ProcessWatch
    from ..platform.stop_signals import StopSignals
    from .mailbox import Messages

_PAUSE_MS = 100
# While a call is at work its host may cancel it, which has to be noticed even where no ring is heard.
_AT_WORK_MS = 50


class Bell:
    """The bell of a worker.

    Attributes:
        wake_up: its tier, in hello.json.
        descriptor: readable when it rings; -1 where it has none.
    """

    wake_up = ""
    descriptor = -1

    def __init__(self, stop: StopSignals, host: ProcessWatch) -> None:
        self._stop = stop
        self._watched = [descriptor for descriptor in (stop.descriptor, host.descriptor) if descriptor >= 0]

    def look(self) -> int:
        """What `wait` compares with; to be asked for before looking for news."""
        raise NotImplementedError

    def wait(self, seen: int, timeout_ms: int) -> None:
        """Blocks until it rings, unless it has since `look` gave `seen`; any thread. A signal ends it as well."""
        raise NotImplementedError

    def timeout_ms(self, *, at_work: bool = False) -> int:
        """The longest that the next wait may take; `at_work`: while a call is at work, which may be cancelled."""
        return RECHECK_MS

    def expect(self) -> None:
        """Something has just happened, so that more is likely soon."""

    def ring(self) -> None:
        """Rings it; any thread."""
        raise NotImplementedError

    def watch(self, directory: str, *, comings: bool = False) -> None:
        """Rings for another directory as well; see Doorbell."""

    def unwatch(self, directory: str) -> None:
        """The end of that."""

    def listen(self) -> None:
        """From now on the serving thread never stops to hear it, and other threads are told by its `look`."""

    def pause(self) -> None:
        """Waits a moment for the system to be able to do what it has refused."""
        self._new_poll().poll(_PAUSE_MS)

    def close(self) -> None:
        """Releases what it holds."""

    def _new_poll(self) -> Any:
        poll = new_wait()
        for descriptor in self._watched:
            poll.register(descriptor, READABLE)
        return poll


class MailboxBell(Bell):
    """A word of the first channel's mailbox, on which any number of threads may sleep."""

    wake_up = "futex"

    def __init__(self, box: Messages, stop: StopSignals, host: ProcessWatch) -> None:
        super().__init__(stop, host)
        self.look = box.bell  # type: ignore[method-assign]
        self.wait = box.wait  # type: ignore[assignment, method-assign]
        self.ring = box.ring_self  # type: ignore[method-assign]


class FilesBell(Bell):
    """A doorbell of the files. Who looks makes the others deaf to what it has rung for."""

    def __init__(self, doorbell: Doorbell, stop: StopSignals, host: ProcessWatch) -> None:
        super().__init__(stop, host)
        self._doorbell = doorbell
        self.wake_up = doorbell.tier
        self.descriptor = doorbell.descriptor
        if doorbell.descriptor >= 0:
            self._watched.append(doorbell.descriptor)
        self._serving = _thread.get_ident()
        self._poll = self._new_poll()
        self._listening = False
        self._heard = 0
        self._sleepers: list[Any] = []  # locks, each of a thread that waits to be told

    def listen(self) -> None:
        """See Bell."""
        self._listening = True

    def look(self) -> int:
        """See Bell."""
        if not self._listening:
            self._doorbell.clear()
        elif self._serving == _thread.get_ident():
            self._doorbell.clear()
            self._heard += 1
            sleepers, self._sleepers = self._sleepers, []
            for lock in sleepers:
                lock.release()
        return self._heard

    def wait(self, seen: int, timeout_ms: int) -> None:
        """See Bell."""
        serving = self._serving == _thread.get_ident()
        if self._listening and not serving:
            lock = _thread.allocate_lock()
            lock.acquire()
            self._sleepers.append(lock)
            if self._heard == seen:  # else it is the list of before that the lock may be in
                lock.acquire(True, timeout_ms / 1000)
            return
        poll = self._poll if serving else self._new_poll()  # as one is for one thread at a time
        ready = poll.poll(timeout_ms)
        if len(ready) != 1 or ready[0][0] != self.descriptor:
            self._stop.clear()

    def timeout_ms(self, *, at_work: bool = False) -> int:
        """See Bell."""
        limit = self._doorbell.timeout_ms()
        deaf = self.descriptor < 0 or not self._listening
        return min(limit, _AT_WORK_MS) if at_work and deaf else limit

    def expect(self) -> None:
        """See Bell."""
        self._doorbell.expect()

    def ring(self) -> None:
        """See Bell."""
        self._stop.wake()

    def watch(self, directory: str, *, comings: bool = False) -> None:
        """See Bell."""
        self._doorbell.watch(directory, comings=comings)

    def unwatch(self, directory: str) -> None:
        """See Bell."""
        self._doorbell.unwatch(directory)

    def pause(self) -> None:
        """See Bell."""
        self._doorbell.clear()
        super().pause()

    def close(self) -> None:
        """See Bell."""
        self._doorbell.close()

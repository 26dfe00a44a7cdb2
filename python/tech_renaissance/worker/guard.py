"""What sees to it that a worker ends when it is told to, or when its host has died."""

from __future__ import annotations

import _thread
import os

from ..platform.stop_signals import send_stop
from ..platform.waits import READABLE, new_wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable

    from ..platform.process import ProcessWatch
    from ..platform.stop_signals import StopSignals
    from .ping import Ping
else:
    import _signal as signal  # see stop_signals

_GRACE_SECONDS = 0.5
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
_LOOK_MS = 1000  # at a host of which no descriptor tells
_KILL: int = getattr(signal, "SIGKILL", 9)  # with any number, Windows ends a process at once


class Guard:
    """A thread that sees to it that signals and the host's death are heeded, whatever user code is doing.

    A signal that comes just before a blocking call goes unseen until that call returns, so it is sent again until the
    serving thread has left. After the host's death there is half a second for that; then `sweep` is called and the
    process killed, together with its group when it leads one. It also answers the host's pings, and tells of the death
    of other hosts.

    Attributes:
        serving: the thread that is guarded.

    Not through the module threading, which takes the thread that first imports it for the main one.
    """

    def __init__(
        self, stop: StopSignals, host: ProcessWatch, ping: Ping, tell_where: Callable[[], None],
        sweep: Callable[[], None],
    ) -> None:  # fmt: skip
        self._stop = stop
        self._host = host
        self._ping = ping
        self._tell_where = tell_where
        self._sweep = sweep
        self.serving = 0
        self._mutex = _thread.allocate_lock()
        self._gone = False
        self._others: list[ProcessWatch] = []
        self._tell: Callable[[], None] = lambda: None
        self._left = _thread.allocate_lock()
        self._left.acquire()

    def start(self) -> None:
        """Guards the calling thread."""
        self.serving = _thread.get_ident()
        _thread.start_new_thread(self._run, ())

    def watch(self, others: list[ProcessWatch], tell: Callable[[], None]) -> None:
        """Calls `tell` once when one of these, the hosts of further channels, has died."""
        with self._mutex:
            self._others = others
            self._tell = tell
        self._stop.wake_guard()

    def leave(self) -> None:
        """The serving thread is on its way out: from here nothing is sent to it."""
        with self._mutex:
            self._gone = True
        if self._left.locked():
            self._left.release()
        self._stop.unhook()
        if self.serving:
            self._stop.wake_guard()
        else:
            self._stop.close_noticed()

    def _run(self) -> None:
        try:
            while not self._gone:
                poll = new_wait()
                watched = self._others
                unseen = self._host.descriptor < 0 and self._host.pid
                others = [other.descriptor for other in watched]
                for descriptor in (self._stop.noticed, self._host.descriptor, self._ping.descriptor, *others):
                    if descriptor >= 0:
                        poll.register(descriptor, READABLE)
                ready = [descriptor for descriptor, _ in poll.poll(_LOOK_MS if unseen else None)]
                if any(descriptor in ready for descriptor in others):
                    with self._mutex:
                        if self._others is watched:
                            self._others = []  # until the next `watch`
                    self._tell()
                if self._ping.descriptor in ready:
                    try:
                        self._tell_where()  # first, as the host looks as soon as it has the answer
                    finally:
                        self._ping.answer()
                signalled = self._stop.noticed in ready and self._stop.relay()
                lost = self._host.gone() if unseen else self._host.descriptor in ready
                if lost or (signalled and not self._insist()):
                    self._end()
                    return
        finally:
            self._ping.close()
            self._stop.close_noticed()

    def _insist(self) -> bool:
        """Sends the signal until the serving thread has left; False when the host died meanwhile."""
        pause = _FIRST_PAUSE
        while not self._left.acquire(True, pause):
            if self._host.gone():
                return False
            self._send()
            pause = min(2 * pause, _LONGEST_PAUSE)
        return True

    def _end(self) -> None:
        # Again and again, as one that comes while a wait looks before it sleeps is slept over like any other.
        for _ in range(int(_GRACE_SECONDS / _FIRST_PAUSE)):
            self._send()
            if self._left.acquire(True, _FIRST_PAUSE):
                return
        try:
            self._sweep()
        finally:
            end_group()

    def _send(self) -> None:
        with self._mutex:  # Once the thread has left, the signal would be answered by whoever had it before.
            if not self._gone:
                send_stop(self.serving)


def end_group() -> None:
    """Ends this process, its threads, and what it has started: nobody is left to do so once the host is gone."""
    if hasattr(os, "killpg") and os.getpgid(0) == os.getpid():
        os.killpg(0, _KILL)
    os.kill(os.getpid(), _KILL)

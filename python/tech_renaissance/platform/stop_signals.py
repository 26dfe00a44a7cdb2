"""The signals that end a worker: SIGINT, SIGTERM and SIGHUP, and what Windows has of them.

While a worker waits, they wake it through a descriptor. While user code runs, `Cancelled` is raised in it.
"""

from __future__ import annotations

import _thread
import time

from ..errors import Cancelled
from . import waits

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from types import FrameType
    from typing import Any
else:
    import _signal as signal  # without the enums, which take a while to make

# SIGHUP is what the kernel sends for the host (Linux), a moment before the host is quite gone. SIGBREAK is how a host
# asks a worker to end on Windows.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
_SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
# For a host that is about to take the part of a stream before the last answer. One that has been idle is not waited for
# so long that it would wonder what keeps the worker.
_LAST_SECONDS = 0.2


class StopSignals:
    """Turns SIGINT and SIGTERM into a clean end of the serving loop. Signals come to the main thread alone.

    Attributes:
        descriptor: readable after a signal, for the serving thread; -1 when this is not the main thread.
        noticed: readable as soon as a signal comes, for the guard, which passes it on; -1 likewise.
        requested: a signal came.
        armed: a signal raises Cancelled; see `arm`. Set to False, it is only noted.
        hung_up: it was the one for a host that is about to be gone.
    """

    def __init__(self) -> None:
        self.descriptor = self.noticed = -1
        self.requested = self.hung_up = False
        self._bell = self._relay = -1
        self.armed = False
        self._previous: list[tuple[int, Any]] = []
        self._previous_wakeup = -1
        self._leave_at: float | None = None
        self._thread = _thread.get_ident()
        self._masks: dict[int, set[signal.Signals | int]] = {}  # of threads that are about to fork

    def install(self) -> None:
        """Takes the signals over, when this is the main thread."""
        self.noticed, self._bell = waits.pipe()
        self.descriptor, self._relay = waits.pipe()
        try:
            self._previous = [(number, signal.signal(number, self._handle)) for number in _SIGNALS]
            self._previous_wakeup = signal.set_wakeup_fd(self._bell, warn_on_full_buffer=False)
        except ValueError:  # Not the main thread.
            self._close()
            self.close_noticed()

    def unhook(self) -> None:
        """From here on a signal does not ring for the guard, which is about to close its end."""
        if self.descriptor >= 0:
            signal.set_wakeup_fd(self._previous_wakeup)

    def restore(self) -> None:
        """Gives the signals back."""
        self.armed = False
        if self.descriptor >= 0:
            self.unhook()
            for number, handler in self._previous:
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
            self._close()

    def hold(self) -> None:
        """Before a fork: until the child has given the signals back, one to it would be taken for one to the worker."""
        if hasattr(signal, "pthread_sigmask"):
            self._masks[_thread.get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)

    def let_go(self) -> None:
        """After it, in both."""
        mask = self._masks.pop(_thread.get_ident(), None)
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def relay(self) -> bool:
        """Called by the guard: tells the serving thread of what came. Whether that was one of these signals."""
        numbers = waits.read(self.noticed)
        if any(numbers):  # and not from wake_guard alone
            waits.ring(self._relay)
        return any(number in numbers for number in _SIGNALS)

    def wake(self) -> None:
        """Ends the serving thread's wait; any thread."""
        waits.ring(self._relay)

    def wake_guard(self) -> None:
        """Ends the guard's wait."""
        waits.ring(self._bell, b"\0")

    def close_noticed(self) -> None:
        """Releases the guard's end."""
        if self.noticed >= 0:
            waits.close(self.noticed)
            self.noticed = -1

    def clear(self) -> None:
        """Makes the descriptor wait again."""
        waits.read(self.descriptor)

    def patience_ms(self, longest: int) -> int:
        """How long to wait at most for what the host has yet to do: after a signal what is left of a moment, else this.

        After a signal it makes the descriptor wait again as well.
        """
        if not self.requested:
            return longest
        self.clear()
        now = time.monotonic()
        if self._leave_at is None:
            self._leave_at = now + _LAST_SECONDS
        return min(longest, int((self._leave_at - now) * 1000) + 1) if now < self._leave_at else 0

    def disarm(self) -> bool:
        """From here on a signal is only noted, on the serving thread; whether it would have raised."""
        if _thread.get_ident() != self._thread:
            return False
        armed, self.armed = self.armed, False
        return armed

    def arm(self) -> None:
        """From here on a signal raises Cancelled, as long as `armed` stays true; so does one that came before."""
        self.armed = True
        if self.requested:
            self.armed = False
            raise Cancelled

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        self.hung_up = self.hung_up or number == getattr(signal, "SIGHUP", 0)
        if self.armed:
            self.armed = False
            raise Cancelled

    def _close(self) -> None:
        for descriptor in (self.descriptor, self._bell, self._relay):
            waits.close(descriptor)
        self.descriptor = self._bell = self._relay = -1


def send_stop(thread: int) -> None:
    """Sends such a signal to the thread that serves, which is the main one where it heeds them."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(thread, signal.SIGTERM)
    else:
        _thread.interrupt_main()  # which ends no call that blocks

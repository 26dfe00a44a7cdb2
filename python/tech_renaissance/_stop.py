"""What ends a worker from outside: SIGINT, SIGTERM and the death of its host.

While a worker waits, both wake it through a descriptor. While user code runs, `Cancelled` is raised in it.
"""

from __future__ import annotations

import _thread
import os
import select
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_GRACE_SECONDS = 0.5


class Cancelled(BaseException):
    """Raised in user code to end it, past its `except Exception`."""


class StopSignals:
    """Turns SIGINT and SIGTERM into a clean end of the serving loop. Signals come to the main thread alone.

    Attributes:
        descriptor: readable after a signal; -1 when this is not the main thread.
        requested: a signal came.
    """

    def __init__(self) -> None:
        self.descriptor = -1
        self.requested = False
        self._bell = -1
        self._armed = False
        self._previous: list[tuple[int, Any]] = []
        self._previous_wakeup = -1

    def install(self) -> None:
        """Takes the signals over, when this is the main thread."""
        self.descriptor, self._bell = os.pipe()
        os.set_blocking(self.descriptor, False)
        os.set_blocking(self._bell, False)
        try:
            self._previous = [(number, signal.signal(number, self._handle)) for number in _SIGNALS]
            self._previous_wakeup = signal.set_wakeup_fd(self._bell, warn_on_full_buffer=False)
        except ValueError:  # Not the main thread.
            self._close()

    def restore(self) -> None:
        """Gives the signals back."""
        if self.descriptor >= 0:
            signal.set_wakeup_fd(self._previous_wakeup)
            for number, handler in self._previous:
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
            self._close()

    def clear(self) -> None:
        """Makes the descriptor wait again."""
        try:
            os.read(self.descriptor, 64)
        except OSError:
            return

    def arm(self) -> None:
        """From here to `disarm` a signal raises Cancelled; so does one that came before."""
        self._armed = True
        if self.requested:
            self._armed = False
            raise Cancelled

    def disarm(self) -> bool:
        """Signals are only noted from here. Returns whether they raised before."""
        armed, self._armed = self._armed, False
        return armed

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        if self._armed:
            self._armed = False
            raise Cancelled

    def _close(self) -> None:
        os.close(self.descriptor)
        os.close(self._bell)
        self.descriptor = self._bell = -1


class HostWatch:
    """Whether the host lives: the process of this pid that started at this time.

    Args:
        pid: of the host; 0 when it is not known, and then it is taken to live.
        start_time: field 22 of its /proc/<pid>/stat; "" when it is not known.

    Attributes:
        descriptor: readable once the host is dead; -1 when this system has no such thing.
    """

    def __init__(self, pid: int, start_time: str = "") -> None:
        self.pid = 0 if pid == os.getpid() else pid
        self._start_time = start_time
        self.descriptor = -1
        self._dead = False
        self._left = _thread.allocate_lock()
        self._left.acquire()
        if self.pid:
            try:
                self.descriptor = os.pidfd_open(self.pid)
            except ProcessLookupError:
                self._dead = True
            except (AttributeError, OSError):
                pass
            # Only now, as the descriptor must be of the process whose start was looked at.
            if not self._is_same():
                self._dead = True

    def gone(self) -> bool:
        """The host is dead."""
        if not self._dead and self.pid:
            if self.descriptor >= 0:
                self._dead = _ended(self.descriptor, 0)
            else:
                self._dead = not self._is_same()
        return self._dead

    def _is_same(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:
            pass
        found = start_time(self.pid)
        return not self._start_time or not found or found == self._start_time

    def guard(self, sweep: Callable[[], None]) -> None:
        """Has a thread see to it that this process does not outlive its host, whatever user code is doing.

        The calling thread gets SIGTERM. When it has not left by half a second later, `sweep` is called and the process
        killed, together with its group when it leads one.
        """
        if self.descriptor >= 0:
            _thread.start_new_thread(self._wait_for_end, (sweep, _thread.get_ident()))

    def leave(self) -> None:
        """The worker is on its way out by itself."""
        if self._left.locked():
            self._left.release()

    def _wait_for_end(self, sweep: Callable[[], None], serving: int) -> None:
        # Not through the module threading, which takes the thread that first imports it for the main one.
        _ended(self.descriptor, None)
        if self._left.acquire(False):
            return
        signal.pthread_kill(serving, signal.SIGTERM)
        if self._left.acquire(True, _GRACE_SECONDS):
            return
        try:
            sweep()
        finally:
            if os.getpgid(0) == os.getpid():
                os.killpg(0, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)


def start_time(pid: int) -> str:
    """When a process started, in clock ticks since boot (Linux); "" when it cannot be told."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return ""


def _ended(descriptor: int, timeout_ms: int | None) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout_ms))

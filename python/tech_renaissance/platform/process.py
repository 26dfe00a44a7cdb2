"""Whether a process lives: for workers and the guardian, which watch their host. Imports little, to be small."""

from __future__ import annotations

import os

from .waits import is_readable


class ProcessWatch:
    """Whether a process lives: the one of this pid that started at this time.

    Args:
        pid: 0 when it is not known, and then it is taken to live.
        start_time: field 22 of its /proc/<pid>/stat; "" when it is not known.

    Attributes:
        pid: 0 also for this process itself.
        start_time: as given.
        descriptor: readable once the process is dead; -1 when this system has no such thing.
    """

    def __init__(self, pid: int, start_time: str = "") -> None:
        self.pid = 0 if pid == os.getpid() else pid
        self.start_time = start_time
        self.descriptor = -1
        self._dead = False
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

    def gone(self, within_ms: int = 0) -> bool:
        """It is dead, or dies within this time."""
        if not self._dead and self.pid:
            if self.descriptor >= 0:
                self._dead = is_readable(self.descriptor, within_ms)
            else:
                self._dead = not self._is_same()
        return self._dead

    def close(self) -> None:
        """Nobody asks any more."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.pid = 0
        self.descriptor = -1

    def _is_same(self) -> bool:
        if os.name == "nt":  # where os.kill would end it
            from .windows import find_process

            runs, found = find_process(self.pid)
            return runs and (not self.start_time or not found or found == self.start_time)
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:
            pass
        found = start_time(self.pid)
        return not self.start_time or not found or found == self.start_time


def start_time(pid: int) -> str:
    """When a process started, in clock ticks since boot (Linux), or as Windows tells it; "" when it cannot be told."""
    if os.name == "nt":
        from .windows import find_process

        return find_process(pid)[1]
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return ""

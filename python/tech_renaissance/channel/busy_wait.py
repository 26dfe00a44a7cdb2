"""How a wait looks for a moment before it sleeps, where the host's library does not do it (docs/decisions/0008)."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_AUTOMATIC_US = 100
_MOST_US = 10_000
_LONG_YIELD, _SHORTEST_PAUSE, _LONGEST_PAUSE = 700e-6, 0.1, 2.0


def busy_wait_us() -> int:
    """For how long a wait may look before it sleeps, as the host says; negative: as long as it pays."""
    text = os.environ.get("TR_BUSY_WAIT_US", "")
    return min(int(text), _MOST_US) if text.lstrip("-").isdigit() else -1


class BusyWait:
    """Looks at a word of shared memory, with the core yielded in between. One thread.

    Simpler than that of the library, which measures what is shorter.

    Args:
        word: its memory.
    """

    def __init__(self, word: Any) -> None:
        microseconds = busy_wait_us()
        self._word = word
        self._window = (microseconds if microseconds > 0 else _AUTOMATIC_US) * 1e-6
        # Waits that may look and fail before no other one does; and what others that want the core have cost.
        self._credit = 1 if microseconds else 0
        self._pause = _SHORTEST_PAUSE
        self._not_before = 0.0
        self._debt = 0
        self.on = microseconds != 0

    def look(self, seen: int, begin: float, most: float) -> bool:
        """Whether the word has changed from what was seen soon after the wait began; `most` in seconds."""
        if self._credit <= 0 or begin < self._not_before:
            return False
        word, step, now = self._word, os.sched_yield, begin
        end = begin + min(self._window, most)
        while word[0] == seen:
            if now > end:
                self._credit -= 2
                return False
            before = now
            step()
            now = time.monotonic()
            if now - before > _LONG_YIELD:
                self._debt += 400
                if self._debt >= 800:
                    self._not_before = now + self._pause
                    self._pause = min(2 * self._pause, _LONGEST_PAUSE)
                    self._debt = 400
                return bool(word[0] != seen)
        self._credit = min(self._credit + 1, 4)
        self._debt = max(self._debt - 1, 0)
        return True

    def slept(self, begin: float) -> None:
        """A wait that had begun then has slept: where that was short, the next may look."""
        if self._credit <= 0 and time.monotonic() - begin < 1.5 * self._window:
            self._credit = 1

"""How busy a worker has been lately, from the counts that it keeps."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from ..worker.tally import microseconds

if TYPE_CHECKING:
    from ..worker.tally import Counted, Counts

_RATE_SECONDS = 10.0
#: Over which all but the rate is told.
WINDOW_SECONDS = 60.0
#: How often `look` is to be called.
PERIOD_SECONDS = 1.0
_QUANTILES = {"p50_us": 0.5, "p95_us": 0.95, "p99_us": 0.99}


class Measures:
    """Calls a second, how long they took, and the size of batches, of one worker. For any thread.

    Args:
        counts: of its calls.
    """

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._seen = deque([(time.monotonic(), counts.all())])  # the oldest first
        self._lock = threading.Lock()

    def look(self) -> None:
        """Remembers what has been counted so far, and forgets what is too old to be of use."""
        now = time.monotonic()
        with self._lock:
            if now - self._seen[-1][0] < PERIOD_SECONDS / 2:
                return
            self._seen.append((now, self._counts.all()))
            while now - self._seen[1][0] > WINDOW_SECONDS:
                self._seen.popleft()

    def describe(self) -> dict[str, Any]:
        """Calls a second in the last 10 s, and of the last minute quantiles and the mean rows of a batch, or None."""
        with self._lock:
            now, counted = time.monotonic(), self._counts.all()
            before = next((seen for seen in self._seen if now - seen[0] <= _RATE_SECONDS), self._seen[-1])
            oldest = self._seen[0][1]
        batches = counted.batches - oldest.batches
        return {
            "calls_per_s": round((counted.ended - before[1].ended) / max(now - before[0], 0.001), 1),
            **_quantiles(oldest, counted),
            "mean_batch": round((counted.rows - oldest.rows) / batches, 1) if batches else None,
        }


def _quantiles(oldest: Counted, newest: Counted) -> dict[str, float | None]:
    """Microseconds by name; None where there was no call."""
    counts = [new - old for old, new in zip(oldest.buckets, newest.buckets)]
    calls, below = sum(counts), 0
    found: dict[str, float | None] = dict.fromkeys(_QUANTILES)
    for bucket, count in enumerate(counts):
        below += count
        for name, part in _QUANTILES.items():
            if count and found[name] is None and below >= part * calls:
                found[name] = float(f"{microseconds(bucket):.3g}")
    return found

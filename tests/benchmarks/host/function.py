"""What the rows of function_calls.py have in common."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, Callable

WORKERS = Path(__file__).resolve().parents[1] / "workers"
sys.path.insert(0, str(WORKERS))

from commands import AbsentError  # noqa: E402
from functions import compute, double  # noqa: E402

__all__ = ["STEPS", "WORKERS", "Function", "compute", "double", "rate"]
STEPS = 100_000  # some 5 ms of a core


class Function:
    """One way to have `double` called in another process, ready when it has been made."""

    def value_call(self, value: Any) -> Any:
        """`double(value)`, in the worker."""
        raise NotImplementedError

    def array_call(self, array: Any) -> Any:
        """The same with a NumPy array."""
        return self.value_call(array)

    def computed_per_second(self, workers: int, milliseconds: int) -> float:
        """Calls of `compute` a second, with so many workers that all have something to do."""
        raise AbsentError("not measured in calls a second")

    def close(self) -> None:
        """Ends the worker."""

    def way(self, name: str) -> Callable[[Any], Any]:
        ways = {"value": self.value_call, "array": self.array_call}
        if name not in ways:
            raise AbsentError("not a way of this row")
        return ways[name]


def rate(workers: int, milliseconds: int, run: Callable[[int], Any]) -> float:
    """Calls a second of `run(count)`, which makes that many; about as long as asked for."""
    count = max(1, milliseconds // 5) * workers
    before = time.perf_counter()
    run(count)
    return count / (time.perf_counter() - before)

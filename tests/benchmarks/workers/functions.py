"""What every way to call a function in another process has called; loads next to nothing."""

from __future__ import annotations

from typing import Any


def double(value: Any) -> Any:
    """Of a number or an array."""
    return value * 2


def compute(steps: int) -> int:
    """Keeps a core busy, with the same work each time."""
    total = 0
    for i in range(steps):
        total += i * i
    return total

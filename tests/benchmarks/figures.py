"""From nanoseconds to the figures that tables and checks show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Rounds = Sequence[Sequence[int]]


def percentile(samples: Sequence[float], share: float) -> float:
    """The value that this share of the samples does not exceed."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def pooled(rounds: Rounds) -> list[int]:
    """The samples of all rounds together."""
    return [sample for turn in rounds for sample in turn]


def percentiles_us(rounds: Rounds) -> tuple[float, float, float]:
    """p50, p95 and p99 of all rounds together, microseconds."""
    samples = pooled(rounds)
    return percentile(samples, 0.5) / 1e3, percentile(samples, 0.95) / 1e3, percentile(samples, 0.99) / 1e3


def median_us(rounds: Rounds) -> float:
    """The median of all rounds together, microseconds."""
    return percentile(pooled(rounds), 0.5) / 1e3


def mean_us(rounds: Rounds) -> float:
    """The mean of all rounds together, microseconds: what decides calls a second."""
    samples = pooled(rounds)
    return sum(samples) / len(samples) / 1e3


def ratio(rounds: Rounds | None, floor: Rounds | None) -> float | None:
    """The median of one over that of the other; None without both."""
    if not rounds or not floor:
        return None
    return median_us(rounds) / median_us(floor)


def difference_us(rounds: Rounds | None, other: Rounds | None) -> float | None:
    """By how much one is slower than the other: the median of what their turns, which alternate, differ by."""
    if not rounds or not other:
        return None
    return percentile([median_us([one]) - median_us([two]) for one, two in zip(rounds, other)], 0.5)


def hand_over(graph: dict[str, Rounds], whole: str, stage: str, count: int) -> float | None:
    """What it costs to hand 64 MiB from one stage to the next, as a share of a memcpy of them.

    That of `whole` without three times `stage`, divided by the `count` of times that the tensor changes hands.
    """
    if not graph.get(whole) or not graph.get(stage) or not graph.get("memcpy"):
        return None
    return (median_us(graph[whole]) - 3 * median_us(graph[stage])) / count / median_us(graph["memcpy"])


def tensor(results: dict[str, Any], operation: str, size: int, row: str) -> Rounds | None:
    """The rounds of one row with tensors of one size."""
    found: Rounds | None = results.get("tensors", {}).get(operation, {}).get(str(size), {}).get(row)
    return found


def size_text(size: int) -> str:
    """`16 KiB`."""
    for unit, factor in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor:
            return f"{size // factor} {unit}"
    return f"{size} B"


def time_text(microseconds: float) -> str:
    """Three digits and a unit: `5.48 µs`, `13.3 ms`."""
    for unit, factor in (("s", 1e6), ("ms", 1e3)):
        if microseconds >= factor:
            return f"{_three_digits(microseconds / factor)} {unit}"
    return f"{_three_digits(microseconds)} µs"


def _three_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"

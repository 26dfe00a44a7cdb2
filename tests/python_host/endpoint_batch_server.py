"""Endpoints that take calls in batches."""

from __future__ import annotations

from typing import NamedTuple

import numpy

from tech_renaissance import TechRenaissanceServer, Tensor, endpoint


class Named(NamedTuple):
    """Rows of both kinds."""

    twice: Tensor["f64", "b n"]  # type: ignore
    words: list[str]


class Padded(NamedTuple):
    """What is cut back, and what is not."""

    scaled: Tensor["f64", "b n"]  # type: ignore
    ends: Tensor["i64", "b"]  # type: ignore
    each: list[Tensor["f64", "k"]]  # type: ignore


class Server(TechRenaissanceServer):
    """Tells how many rows it was given at a time."""

    framework = "numpy"

    @endpoint(max_batch_size=16, max_queue_delay_ms=20)
    def double(self, x: Tensor["f64", "b n"], by: float = 2.0) -> Tensor["f64", "b n"]:  # type: ignore
        if (x < 0).any():
            raise ValueError("negative")
        return x * by

    @endpoint(max_batch_size=64, max_queue_delay_ms=60_000)
    def patient(self, x: Tensor["f64", "b"]) -> Tensor["f64", "b"]:  # type: ignore
        return numpy.full(len(x), float(len(x)))

    @endpoint(max_batch_size=4, max_queue_delay_ms=60_000)
    def four(self, x: Tensor["f64", "b"]) -> Tensor["f64", "b"]:  # type: ignore
        return numpy.full(len(x), float(len(x)))

    @endpoint(max_batch_size=8, max_queue_delay_ms=20)
    def named(self, x: Tensor["f64", "b n"]) -> Named:  # type: ignore
        return Named(2 * x, [f"row {row[0]:.0f}" for row in x])

    @endpoint(max_batch_size=8, max_queue_delay_ms=20)
    def short(self, x: Tensor["f64", "b n"]) -> Tensor["f64", "b n"]:  # type: ignore
        return x[:1]

    @endpoint(max_batch_size=16, max_queue_delay_ms=100, pad={"x": -1})
    def padded(self, x: Tensor["f64", "b n"], scale: Tensor["f64", "b"]) -> Padded:  # type: ignore
        ends = (x >= 0).sum(1)
        return Padded(x * scale[:, None], ends, [numpy.full(2, float(end)) for end in ends])

    @endpoint
    def plain(self) -> str:
        return "plain"


if __name__ == "__main__":
    Server().run()

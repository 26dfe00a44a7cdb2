"""Endpoints of all kinds that typed functions are written for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, Optional

import numpy

from tech_renaissance import TechRenaissanceServer, Tensor, endpoint


class Found(NamedTuple):
    """Named results."""

    mask: Tensor["f32", "h w"]  # type: ignore
    score: float
    label: str
    count: Optional[int] = None  # noqa: UP045 - as users write it


class Server(TechRenaissanceServer):
    """Everything."""

    framework = "numpy"

    @endpoint
    def scale(self, x: Tensor["f32", "..."], by: float = 2.0) -> Tensor["f32", "..."]:  # type: ignore
        """Multiplies."""
        return x * numpy.float32(by)

    @endpoint
    def find(self, x: Tensor["f32", "h w"], *, mode: Literal["fast", "best"], above: float = 0.5) -> Found:  # type: ignore
        return Found(x, above, mode, 3 if mode == "best" else None)

    @endpoint
    def greet(self, name: str, times: Optional[int] = None) -> str:  # noqa: UP045
        return f"hello {name}" * (times or 1)

    @endpoint
    def total(self, numbers: list[int], start: int = 0) -> int:
        return sum(numbers, start)

    @endpoint
    def join(self, first: Tensor, *rest: Tensor) -> Tensor:
        return numpy.concatenate([first, *rest])

    @endpoint
    def masked(self, x: Tensor, mask: Optional[Tensor] = None) -> Optional[Tensor]:  # noqa: UP045
        return None if mask is None else x * mask

    @endpoint
    def nothing(self) -> None: ...

    @endpoint
    def anything(self, value: Any) -> Any:
        return value

    @endpoint
    def both(self, x: Tensor) -> tuple[Tensor, bool]:
        return x, True

    @endpoint(name="delete")
    def remove(self, register: str) -> str:
        return register

    @endpoint
    def boxes(self, n: int) -> list[Tensor]:
        return [numpy.full(1, place, "f4") for place in range(n)]

    @endpoint
    def count(self, until: int) -> Iterator[Tensor]:
        for place in range(until):
            yield numpy.full(1, place, "f4")


if __name__ == "__main__":
    Server().run()

"""Endpoints for test_endpoint_calls.py."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np

from tech_renaissance import TechRenaissanceServer, Tensor, endpoint


@dataclasses.dataclass
class Options:
    depth: int
    name: str = "x"


class Found(NamedTuple):
    label: str
    score: float
    mask: Tensor["float32", "h w"] | None


class Server(TechRenaissanceServer):
    framework = "numpy"
    told = ""

    @endpoint
    def scale(
        self, image: Tensor["float32", "3 h w"], factor: int = 3, *, kind: Literal["a", "b"] = "a"
    ) -> Tensor["float32", "3 h w"]:
        """Multiplies.

        And says so.
        """
        return image * np.float32(factor)

    @endpoint
    def classify(self, image: Tensor["float32", "h w"], mask: Tensor["float32", "h w"] | None = None) -> Found:
        return Found("cat", 0.5, mask)

    @endpoint
    def repeat(self, text: str, n: int) -> str:
        return text * n

    @endpoint
    def nothing(self) -> None:
        pass

    @endpoint
    def back(self, x, **more):  # type: ignore[no-untyped-def]
        return [x, more] if more else x

    @endpoint
    def add(self, options: Options, sizes: list[int]) -> dict[str, int]:
        return {options.name: options.depth, "a": sum(sizes)}

    @endpoint
    def put_together(self, *parts: Tensor["float32", "n"], times: int = 1) -> Tensor["float32"]:
        return np.concatenate(parts * times) if parts else np.zeros(0, np.float32)

    @endpoint
    def frames(self, n: int) -> Iterator[Tensor["float32"]]:
        for i in range(n):
            yield np.full(2, i, np.float32)

    @endpoint
    def words(self, text: str) -> Iterator[str]:
        yield from text.split()

    @endpoint
    def steps(self, n: int) -> Iterator[Found]:
        for i in range(n):
            yield Found(f"step {i}", i / 2, np.full((1, i), i, np.float32) if i else None)

    @endpoint
    def boxes(self, sizes: list[int]) -> list[Tensor["float32", "_ 4"]]:
        return [np.full((size, 4), size, np.float32) for size in sizes]

    @endpoint
    def boxed(self, n: int) -> tuple[list[Tensor], int, list[Tensor]]:
        return [np.full(1, i) for i in range(n)], n, []

    @endpoint
    def wrong_boxes(self) -> list[Tensor["float32"]]:
        return [np.zeros(1, np.float32), np.zeros(1)]

    @endpoint
    def wrong_words(self) -> Iterator[str]:
        yield "one"
        yield 2  # type: ignore[misc]

    @endpoint
    def be(self, health: str) -> None:
        self.told = health

    def health(self) -> str | None:
        if self.told == "raise":
            raise OSError("the disk is gone")
        return self.told or None

    @endpoint(name="stats")
    def not_the_stats(self) -> str:
        return "the endpoint"

    @endpoint(name="a-b.c")
    def odd(self) -> tuple[int, str]:
        return 1, "x"

    @endpoint
    def self_and_endpoint(self, endpoint: int, session: int) -> Any:
        return endpoint + session


Server().run()

"""Endpoints for endpoint_call_test.cpp; KIND: "logic", with a main_logic too, or "threads"."""

import os
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np

from tech_renaissance import TechRenaissanceServer, Tensor, endpoint
from tech_renaissance.worker.context import find_call

KIND = os.environ.get("KIND", "")


class Found(NamedTuple):
    label: str
    score: float
    mask: Tensor["float32", "h w"]


class Server(TechRenaissanceServer):
    framework = "numpy"
    threads = 3 if KIND == "threads" else 0

    @endpoint
    def scale(
        self, image: Tensor["float32", "b 3 h w"], factor: int = 3, *, kind: Literal["a", "b"] = "a"
    ) -> Tensor["float32", "b 3 h w"]:
        """Multiplies.

        And says so.
        """
        return image * np.float32(factor)

    @endpoint
    def classify(self, image: Tensor["float32", "h w"]) -> Found:
        return Found("cat", 0.5, image)

    @endpoint
    def repeat(self, text: str, n: int) -> str:
        return text * n

    @endpoint
    def nothing(self) -> None:
        pass

    @endpoint
    def back(self, x: Any) -> Any:
        return x

    @endpoint
    def join(self, *parts: Tensor["float32", "n"]) -> Tensor["float32"]:
        return np.concatenate(parts)

    @endpoint
    def wrong(self) -> Tensor["float32"]:
        return np.zeros(3)

    @endpoint
    def frames(self, n: int) -> Iterator[Tensor["float32"]]:
        for i in range(n):
            yield np.full(2, i, np.float32)

    @endpoint
    def steps(self, n: int) -> Iterator[Found]:
        for i in range(n):
            yield Found(f"step {i}", i / 2, np.full((1, i), i, np.float32))

    @endpoint
    def boxes(self, n: int) -> list[Tensor["float32"]]:
        return [np.full(i, i, np.float32) for i in range(n)]

    @endpoint(max_batch_size=4 if KIND == "batches" else 1)
    def batched(self, x: Tensor["float32", "b n"]) -> Tensor["float32", "b n"]:
        return x

    def health(self) -> str | None:
        return "out of sorts" if KIND == "unwell" else None

    @endpoint(name="wait_until_cancelled")
    def waits(self) -> None:
        self.wait_until_cancelled()

    @endpoint
    def die(self) -> None:
        os._exit(3)


if KIND == "logic":

    def main_logic(self: Any, command: str, parameters: str) -> bool:
        call: Any = find_call()
        self.write_response(command, f"{command} {parameters} {call.request.arguments}")
        return True

    Server.main_logic = main_logic

Server().run()

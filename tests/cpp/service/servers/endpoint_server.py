"""A server of endpoints for the tests of pools."""

import os
import signal
from collections.abc import Iterator
from typing import Annotated

import numpy as np

from tech_renaissance import TechRenaissanceServer, Tensor, endpoint

Row = Annotated[np.ndarray, Tensor["float32", "n"]]


class EndpointServer(TechRenaissanceServer):
    @endpoint
    def scale(self, x: Row, factor: float = 2.0) -> Row:
        """Multiplies."""
        return x * np.float32(factor)

    @endpoint
    def pid(self) -> int:
        return os.getpid()

    @endpoint
    def die(self) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    @endpoint
    def count(self, to: int) -> Iterator[Row]:
        for number in range(to):
            yield np.full(1, number, np.float32)


if __name__ == "__main__":
    EndpointServer().run()

"""Worker of the rows about endpoints and pools; $BENCH_KIND says with which of both servers."""

from __future__ import annotations

import os
from typing import Annotated

import numpy as np
from functions import compute, double

from tech_renaissance import TechRenaissanceServer, Tensor, endpoint

Rows = Annotated[np.ndarray, Tensor["float32", "n m"]]


class Bare(TechRenaissanceServer):
    """A server without endpoints, which does the same by hand."""

    framework = "numpy"

    def main_logic(self, command: str, parameters: str) -> bool:
        """One request."""
        if command == "double":
            self.write_response(command, str(double(float(parameters))))
        elif command == "same":
            self.send_tensors(self.get_tensors(parameters, 1))
        elif command == "scale":
            self.send_tensors(self.get_tensors(parameters, 1) * np.float32(2.0))
        else:
            return False
        return True


class Server(TechRenaissanceServer):
    """The endpoints."""

    framework = "numpy"

    @endpoint
    def twice(self, value):  # type: ignore[no-untyped-def]
        """Of anything."""
        return double(value)

    @endpoint
    def compute(self, steps: int) -> int:
        """Keeps a core busy."""
        return compute(steps)

    @endpoint
    def untyped(self, image):  # type: ignore[no-untyped-def]
        """What came."""
        return image

    @endpoint
    def typed(self, image: Rows, by: float = 2.0) -> Rows:
        """With a dtype, dims and a default."""
        return image * np.float32(by)

    @endpoint
    def step(self, image: Rows) -> Rows:
        """One stage of a graph: a new tensor where the host can see it, of which it writes the ends."""
        result = self.empty(image.shape, "float32")
        result[0, 0], result[-1, -1] = image[0, 0] + 1, image[-1, -1] + 1
        return result


if __name__ == "__main__":
    {"bare": Bare, "endpoints": Server}[os.environ.get("BENCH_KIND", "endpoints")]().run()

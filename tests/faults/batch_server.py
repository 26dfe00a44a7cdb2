"""The server of the fault tests' pools with batches: every byte's complement, of several callers' rows at once."""

import points

points.install()

import sys  # noqa: E402 - what is imported before would not be watched
from typing import Annotated  # noqa: E402

import numpy as np  # noqa: E402

from tech_renaissance import TechRenaissanceServer, Tensor, endpoint  # noqa: E402

Rows = Annotated[np.ndarray, Tensor["uint8", "n width"]]


class Server(TechRenaissanceServer):
    framework = "numpy"

    @endpoint(max_batch_size=64, max_queue_delay_ms=1)
    def flip(self, rows: Rows) -> Rows:
        points.reached("batch at work")
        return 255 - rows

    def main_logic(self, command: str, parameters: str) -> bool:
        if command != "echo":
            return False
        self.write_response(command, parameters)
        return True


if __name__ == "__main__":
    Server().run(sys.argv[1])
    points.write_trace()

"""The server of the soak's pools: rows of any number, those of several callers at once; texts and streams besides."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from tech_renaissance import TechRenaissanceServer, Tensor, endpoint

Rows = Annotated[np.ndarray, Tensor["int64", "n width"]]


class Server(TechRenaissanceServer):
    framework = "numpy"

    @endpoint(max_batch_size=256, max_queue_delay_ms=1)
    def triple(self, rows: Rows) -> Rows:
        if (rows < 0).any():
            raise ValueError("a negative one")
        return rows * 3

    def main_logic(self, command: str, parameters: str) -> bool:
        if command == "echo":
            self.write_response(command, parameters)
        elif command == "copy":
            self.send_tensors(self.get_tensors(parameters, 1).copy())
        elif command == "repeat":
            tag, count = parameters.split()
            array = self.get_tensors(tag)
            for _ in range(int(count)):
                self.stream_tensors(array.copy())
            self.send_tensors(array)
        else:
            return False
        return True


if __name__ == "__main__":
    Server().run()

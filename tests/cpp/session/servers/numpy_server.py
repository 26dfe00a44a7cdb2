"""What the tests of sessions ask of a worker that has NumPy."""

import os
import sys

import numpy as np

from tech_renaissance import TechRenaissanceServer


class NumpyServer(TechRenaissanceServer):
    framework = "numpy"

    def __init__(self):
        super().__init__()
        self.kept = []

    def main_logic(self, command: str, parameters: str) -> bool:
        if command == "echo":
            self.send_tensors(*self.get_tensors(parameters, None))
        elif command == "twice":
            self.send_tensors(self.get_tensors(parameters, 1) * 2)
        elif command == "add":
            pair = self.get_tensors(parameters, 2)
            if pair is not None:
                self.send_tensors(pair[0] + pair[1])
        elif command == "split":
            self.send_tensors(*self.get_tensors(parameters, 1))
        elif command == "transposed":
            self.send_tensors(self.get_tensors(parameters, 1).T)
        elif command == "keep":
            self.kept.append(self.get_tensors(parameters, 1))
        elif command == "sum_of_kept":
            self.send_tensors(np.array([kept.sum() for kept in self.kept], dtype=np.float64))
        elif command == "count":
            # As many tensors as asked for, each of 1000 times its number; then fails, or sends a last one.
            how_many, _, ending = parameters.partition(" ")
            for number in range(int(how_many)):
                self.stream_tensors(np.full(1000, number, dtype=np.float32))
                self.streamed = number + 1
            if ending == "fail":
                raise RuntimeError("no more")
            if ending == "last":
                self.send_tensors(np.full(1000, -1, dtype=np.float32))
        elif command == "streamed":
            self.write_response(command, str(self.streamed))
        elif command == "environment":
            self.write_response(command, os.environ.get(parameters, ""))
        elif command == "overwrite_input":
            array = self.get_tensors(parameters, 1)
            array[...] = -1
            self.send_tensors(np.asarray(array.sum()))
        else:
            return False
        return True


if __name__ == "__main__":
    NumpyServer().run(sys.argv[1])

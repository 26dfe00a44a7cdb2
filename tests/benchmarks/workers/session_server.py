"""Worker of this project's rows. PyTorch is imported by the first request that needs it."""

from __future__ import annotations

from typing import Any

from tech_renaissance import TechRenaissanceServer

# Every byte of it is 0x3f, as host/transport.h says of what workers send.
WORKERS_VALUE = 0.7470588088035583


class Server(TechRenaissanceServer):
    """Answers each operation of host/transport.h as a user's server would."""

    _mine: Any = None
    _matrix: Any = None

    def main_logic(self, command: str, parameters: str) -> bool:
        """One request."""
        if command == "hello":
            self.write_response(command, "hello to_the_other_end")
        elif command == "echo":
            self.send_tensors(self.get_tensors(parameters))
        elif command == "in":
            tensor = self.get_tensors(parameters)
            self.write_response(command, str(tensor[-1].item() if len(tensor) else 0))
        elif command == "out":
            self.send_tensors(self._own_tensor(int(parameters)))
        elif command == "in_place":
            tensor = self.get_tensors(parameters)
            result = self.empty(tuple(tensor.shape), "float32")
            result[:1] = tensor[:1]
            self.send_tensors(result)
        elif command == "relu":
            import torch

            self.send_tensors(torch.relu(self.get_tensors(parameters)))
        elif command == "compute":
            self._compute(int(parameters))
        else:
            return False
        return True

    def _compute(self, size: int) -> None:
        """A product of matrices, on two threads."""
        import torch

        if self._matrix is None or len(self._matrix) != size:
            torch.set_num_threads(2)
            self._matrix = torch.rand(size, size)
        torch.mm(self._matrix, self._matrix)

    def _own_tensor(self, elements: int) -> Any:
        import torch

        if self._mine is None or len(self._mine) != elements:
            self._mine = torch.full((elements,), WORKERS_VALUE)
        return self._mine


if __name__ == "__main__":
    Server().run()

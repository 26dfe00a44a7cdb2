"""Sends tensors of each kind that are no plain block of memory; counts what goes through the library."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from tech_renaissance import TechRenaissanceServer
from tech_renaissance.platform import library


class QuickServer(TechRenaissanceServer):
    """$framework is what `use` says."""

    framework = "torch"
    kept: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}

    def _counting(self, name: str, function: Any) -> Any:
        def counted(*args: Any) -> Any:
            result = function(*args)
            self.counts[name] += result is not None and result is not False
            return result

        return counted

    def main_logic(self, command: str, parameters: str) -> bool:
        """One request."""
        if not self.counts:
            self.counts = {"read_tensor": 0, "write_tensor": 0}
            for name in self.counts:
                setattr(library.module, name, self._counting(name, getattr(library.module, name)))
        if command == "use":
            self.framework = parameters
            self.kept = None
        elif command == "counts":
            self.write_response(command, " ".join(map(str, self.counts.values())))
        elif command == "keep":
            self.kept = self.get_tensors(parameters)
            self.kept += 1
            self.send_tensors(self.kept)
        else:
            tensor = self.get_tensors(parameters)
            self.send_tensors(self._torch(command, tensor) if self.framework == "torch" else _numpy(command, tensor))
        return True

    def _torch(self, command: str, tensor: Any) -> Any:
        made = {
            "echo": lambda: tensor,
            "transposed": lambda: tensor.T,
            "every_other": lambda: tensor[:, ::2],
            "grad": lambda: tensor.clone().requires_grad_(),
            "parameter": lambda: torch.nn.Parameter(tensor.clone()),
            "conj": lambda: torch.complex(tensor, tensor).conj(),
            "neg": lambda: torch.complex(tensor, tensor).conj().imag,
            "strided_one": lambda: torch.as_strided(tensor, (2, 1, 3), (3, 77, 1)),
            "scalar": lambda: tensor.sum(),
            "sparse": lambda: tensor.to_sparse(),
            "meta": lambda: tensor.to("meta"),
            "fake": lambda: torch._subclasses.FakeTensorMode().from_tensor(tensor),
        }
        return made[command]()


def _numpy(command: str, array: Any) -> Any:
    made = {
        "echo": lambda: array,
        "transposed": lambda: array.T,
        "every_other": lambda: array[:, ::2],
        "reversed": lambda: array[::-1],
        "swapped": lambda: array.astype(array.dtype.newbyteorder(">")),
        "read_only": lambda: np.broadcast_to(array, array.shape),
        "scalar": lambda: array.sum(),
        "matrix": lambda: array.view(np.matrix),
        "masked": lambda: np.ma.masked_array(array),
    }
    return made[command]()


if __name__ == "__main__":
    QuickServer().run()

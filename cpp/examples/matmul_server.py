"""A server with one command: the product of two matrices."""

from __future__ import annotations

import torch

from tech_renaissance import TechRenaissanceServer


class MatmulServer(TechRenaissanceServer):
    """Answers `matmul a b`."""

    def main_logic(self, command: str, parameters: str) -> bool:
        """Handle one request; `parameters` holds the tags of the tensors."""
        if command != "matmul":
            return False  # not ours: the host gets a NotFoundError
        tensors = self.get_tensors(parameters, 2)
        if tensors is None:
            return True  # the host has been told that two tensors are needed
        a, b = tensors
        self.send_tensors(torch.matmul(a, b))
        return True


if __name__ == "__main__":
    MatmulServer().run()

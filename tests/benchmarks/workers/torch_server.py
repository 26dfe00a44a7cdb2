"""A server that imports PyTorch, for the time that a worker takes to start."""

from __future__ import annotations

import torch  # noqa: F401 - what is measured

from tech_renaissance import TechRenaissanceServer


class Server(TechRenaissanceServer):
    """Has no commands."""

    def main_logic(self, command: str, parameters: str) -> bool:
        """Refuses everything."""
        return False


if __name__ == "__main__":
    Server().run()

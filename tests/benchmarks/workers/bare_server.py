"""A server that imports nothing but the package, for the time that a worker takes to start."""

from __future__ import annotations

from tech_renaissance import TechRenaissanceServer


class Server(TechRenaissanceServer):
    """Has no commands."""

    def main_logic(self, command: str, parameters: str) -> bool:
        """Refuses everything."""
        return False


if __name__ == "__main__":
    Server().run()

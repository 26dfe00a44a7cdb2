"""A server that fails in three ways on request. It needs no packages."""

from __future__ import annotations

import os
import signal
import threading

from tech_renaissance import TechRenaissanceServer


class FragileServer(TechRenaissanceServer):
    """Answers `divide x y`, `stall` (never) and `crash` (by dying)."""

    def main_logic(self, command: str, parameters: str) -> bool:
        """Handle one request."""
        if command == "divide":
            x, y = map(float, parameters.split())
            self.write_response(command, str(x / y))
        elif command == "stall":
            threading.Event().wait()
        elif command == "crash":
            print("about to crash")
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            return False
        return True


if __name__ == "__main__":
    FragileServer().run()

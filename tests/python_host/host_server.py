"""The server of these tests."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from tech_renaissance import TechRenaissanceServer


class HostServer(TechRenaissanceServer):
    """Answers what the tests ask; arrays rather than tensors, as NumPy is quick to start."""

    framework = "numpy"

    def main_logic(self, command: str, parameters: str) -> bool:
        """Serves one request."""
        if command == "echo":
            for array in self.get_tensors(parameters, -1):
                self.send_tensors(array)
        elif command == "text":
            self.write_response(command, parameters)
        elif command == "fail":
            raise ValueError(parameters)
        elif command == "die":
            os._exit(int(parameters))
        elif command == "wait_for_fifo":
            # Returns when somebody has opened the other end for writing.
            self.write_response(command, Path(parameters).read_text())
        elif command == "busy_for_ever":
            Path(parameters).write_text("busy")
            threading.Event().wait()
        else:
            return False
        return True


if __name__ == "__main__":
    HostServer().run()

"""The worker of test_last_release.py: what every release can do. Only the public names of the package."""

from __future__ import annotations

import os
import time

from tech_renaissance import TechRenaissanceServer


class Server(TechRenaissanceServer):
    """Answers what release_host.cpp asks."""

    framework = "numpy"

    def main_logic(self, command: str, parameters: str) -> bool:
        if command == "echo":
            self.write_response(command, parameters)
        elif command == "double":
            self.send_tensors(self.get_tensors(parameters) * 2)
        elif command == "named":  # which this package may know, and the host does not
            start = self.get_tensors(parameters)
            self.send_tensors(start * 2, start=start)
        elif command == "count":
            (start,) = self.get_tensors(parameters, 1).reshape(1)
            for number in range(5):
                self.stream_tensors(start + number)
        elif command == "late":
            time.sleep(0.3)
            self.write_response(command, "too late")
        elif command == "fail":
            raise ValueError(parameters)
        elif command == "crash":
            os._exit(3)
        else:
            return False
        return True


Server().run()

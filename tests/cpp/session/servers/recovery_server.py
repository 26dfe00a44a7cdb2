"""What the tests of liveness and recovery ask of a worker, without numpy or torch."""

import ctypes
import os
import signal
import sys

from tech_renaissance import TechRenaissanceServer


class RecoveryServer(TechRenaissanceServer):
    state = ""

    def on_start(self) -> None:
        self.state = "rebuilt"

    def main_logic(self, command: str, parameters: str) -> bool:
        if command == "state":
            self.write_response(command, self.state)
        elif command == "hold_gil":
            # Opening a FIFO blocks until the test opens its other end; through PyDLL with the GIL held.
            ctypes.PyDLL(None).open(parameters.encode(), os.O_RDONLY)
        elif command == "wait_for_fifo":
            self.write_status("a third done")
            with open(parameters, encoding="utf-8") as fifo:
                self.write_response(command, fifo.read())
        elif command == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        elif command == "kill":
            print("about to be killed")
            os.kill(os.getpid(), signal.SIGKILL)
        elif command == "echo":
            self.write_response(command, parameters)
        else:
            return False
        return True


if __name__ == "__main__":
    RecoveryServer().run(sys.argv[1])

"""What the tests of sessions ask of a worker, without numpy or torch."""

import atexit
import os
import signal
import subprocess
import sys
import time

from tech_renaissance import TechRenaissanceServer


def leave_slowly(path: str) -> None:
    """What this process does at its end takes a moment, and leaves a file; a SIGTERM leaves another at once."""
    handler = signal.getsignal(signal.SIGTERM)

    def note(*signalled: object) -> None:
        open(path + ".sigterm", "w").close()
        handler(*signalled)

    signal.signal(signal.SIGTERM, note)
    atexit.register(lambda: (time.sleep(0.3), open(path, "w").close()))


class TextServer(TechRenaissanceServer):
    def main_logic(self, command: str, parameters: str) -> bool:
        if command == "echo":
            self.write_response(command, parameters)
        elif command == "pid":
            self.write_response(command, str(os.getpid()))
        elif command == "parent":
            self.write_response(command, str(os.getppid()))
        elif command == "modules":
            self.write_response(command, str(parameters in sys.modules))
        elif command == "numpy_random":
            self.write_response(command, str(sys.modules["numpy"].random.random()))
        elif command == "environment":
            self.write_response(command, os.environ.get(parameters, "(not set)"))
        elif command == "working_directory":
            self.write_response(command, os.getcwd())
        elif command == "arguments":
            self.write_response(command, repr(sys.argv[1:]))
        elif command == "wait_for_fifo":
            # Opening a FIFO blocks until the test opens its other end: a request as long as the test wants.
            with open(parameters, encoding="utf-8") as fifo:
                self.write_response(command, fifo.read())
        elif command == "raise":
            raise ValueError(parameters)
        elif command == "answer_twice":
            self.write_response(command, "first")
            self.write_response(command, "second")
        elif command == "print":
            print("printed: " + parameters)
            print("to stderr: " + parameters, file=sys.stderr)
            os.write(1, b"raw bytes to descriptor 1\n")
        elif command == "exit" and parameters:
            os._exit(int(parameters))
        elif command == "sys_exit":
            sys.exit(int(parameters))
        elif command == "leave_slowly":
            leave_slowly(parameters)
        elif command == "kill":
            print("about to be killed")
            os.kill(os.getpid(), getattr(signal, parameters))
        elif command == "hold_the_gil":
            child = subprocess.Popen(["sleep", "600"])
            with open(parameters + ".new", "w", encoding="utf-8") as file:
                file.write(str(child.pid))
            os.rename(parameters + ".new", parameters)
            max(range(10**12))  # native code for hours: no thread of this process runs Python, no handler either
        elif command == "start_and_wait":
            with open(parameters, "w", encoding="utf-8"):
                signal.pause()
        elif command == "ignore_sigterm":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        else:
            return False
        return True


if __name__ == "__main__":
    TextServer().run(sys.argv[1])

"""The server of the fault tests: no library but the standard one, so that a worker starts in milliseconds."""

import points

points.install()

import os  # noqa: E402 - what is imported before would not be watched
import sys  # noqa: E402
import threading  # noqa: E402

from tech_renaissance import TechRenaissanceServer  # noqa: E402

_FLIPPED = bytes(255 - value for value in range(256))


class Server(TechRenaissanceServer):
    framework = "numpy"
    threads = int(os.environ.get("TR_FAULT_THREADS", "0"))
    meeting = threading.Barrier(max(threads, 1))

    def main_logic(self, command: str, parameters: str) -> bool:
        points.reached("main_logic entered")
        if command == "echo":
            self.write_response(command, parameters)
            points.reached("main_logic about to return")
        elif command == "flip":
            array = self.get_tensors(parameters)
            points.reached("tensors at hand")
            self.send_tensors(flip(array))
        elif command == "back":
            self.send_tensors(self.get_tensors(parameters))
        elif command == "parts":
            # As many as asked for, each what the one before is, flipped.
            tag, count = parameters.split()
            array = self.get_tensors(tag)
            for _ in range(int(count)):
                array = flip(array)
                self.stream_tensors(array)
            self.send_tensors(flip(array))
        elif command == "meet":
            self.meeting.wait()
            self.write_response(command, "")
        elif command == "pid":
            self.write_response(command, str(os.getpid()))
        elif command == "disturb":
            import doorbells

            self.write_response(command, doorbells.command(parameters))
        else:
            return False
        return True


def flip(array):
    """Every byte's complement."""
    import numpy

    return numpy.frombuffer(bytes(memoryview(array.view("uint8"))).translate(_FLIPPED), "uint8")


if __name__ == "__main__":
    Server().run(sys.argv[1])
    points.write_trace()

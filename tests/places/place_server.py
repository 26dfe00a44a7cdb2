"""The server of these tests: does what a full, limited or odd place makes hard."""

from __future__ import annotations

import os
import resource
import sys
import time

import numpy as np

from tech_renaissance import TechRenaissanceServer


class PlaceServer(TechRenaissanceServer):
    """Arrays of bytes, so that sizes are what they say."""

    framework = "numpy"

    def on_start(self) -> None:
        """What is held over requests."""
        self.taken: list[int] = []

    def main_logic(self, command: str, parameters: str) -> bool:
        """Serves one request."""
        words = parameters.split()
        if command == "text":
            self.write_response(command, parameters)
        elif command == "pid":
            self.write_response(command, str(os.getpid()))
        elif command == "echo":
            self.send_tensors(*[array + 0 for array in self.get_tensors(parameters, -1)])
        elif command == "make":
            self.send_tensors(np.full(int(words[0]), 7, np.uint8))
        elif command == "make_in_place":
            array = self.empty((int(words[0]),), "uint8")
            array[:] = 7
            self.send_tensors(array)
        elif command == "fill_and_make":
            fill(words[0])
            self.send_tensors(np.full(int(words[1]), 7, np.uint8))
        elif command == "frames":
            for word in words:
                if word.startswith("/"):
                    fill(word)
                else:
                    self.stream_tensors(np.full(int(word), 7, np.uint8))
        elif command == "long":
            self.write_response(command, "x" * int(words[0]))
        elif command == "print":
            print("printed " * int(words[0]))
            print("to stderr", file=sys.stderr)
        elif command == "take_descriptors":
            self.take_descriptors()
        elif command == "give_descriptors":
            for descriptor in self.taken:
                os.close(descriptor)
            self.taken.clear()
        elif command == "limit_memory":
            resource.setrlimit(resource.RLIMIT_AS, (mapped_bytes() + int(words[0]), resource.RLIM_INFINITY))
        elif command == "lift_memory":
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        elif command == "fail":
            raise FileNotFoundError(f"{self.session_dir}/nothing")
        elif command == "name":
            self.write_response(command, f"{os.environb[b'NAME']!r} {os.getcwdb()!r}")
        elif command == "clock":
            self.write_response(command, str(time.time()))
        else:
            return False
        return True

    def take_descriptors(self) -> None:
        """All that this process may have."""
        try:
            while True:
                self.taken.append(os.open("/", os.O_RDONLY))
        except OSError:
            return


def fill(path: str) -> None:
    """Takes all room that is left on a file system, to the last page."""
    with open(path, "ab", buffering=0) as file:
        for size in (1 << 16, 1 << 9, 1):
            try:
                while True:
                    file.write(b"f" * size)
            except OSError:
                continue


def mapped_bytes() -> int:
    """The address space that this process takes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    PlaceServer().run()

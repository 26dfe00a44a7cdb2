"""Tells where its inputs lie, writes to them and keeps them; for the tests of tensors that another session lends."""

import sys

import numpy as np

from tech_renaissance import TechRenaissanceServer


def mapping_of(array: np.ndarray) -> tuple[str, str]:
    """Permissions and inode of what an array lies in, as the system tells them."""
    address = array.__array_interface__["data"][0]
    with open("/proc/self/maps") as maps:
        for line in maps:
            extent, permissions, _, _, inode = line.split()[:5]
            start, end = (int(part, 16) for part in extent.split("-"))
            if start <= address < end:
                return permissions, inode
    return "", ""


class LoanServer(TechRenaissanceServer):
    framework = "numpy"

    def __init__(self):
        super().__init__()
        self.kept = []

    def main_logic(self, command: str, parameters: str) -> bool:
        if command == "make":
            size, value = parameters.split()
            output = self.empty((int(size),))
            output[...] = float(value)
            self.send_tensors(output)
        elif command == "where":
            (array,) = self.get_tensors(parameters, None)
            self.write_response(command, " ".join(mapping_of(array)))
        elif command == "twice":
            self.send_tensors(self.get_tensors(parameters) * 2)
        elif command == "change":
            array = self.get_tensors(parameters)
            array += 1
            self.send_tensors(array)
        elif command == "keep":
            self.kept.append(self.get_tensors(parameters))
            self.write_response(command, "early")  # while it is at work still
        elif command == "kept":
            self.send_tensors(np.array([[array.min(), array.max()] for array in self.kept], dtype=np.float64))
        elif command == "sum":
            self.write_response(command, str(sum(float(array.sum()) for array in self.get_tensors(parameters, None))))
        elif command == "parts":
            tag, count = parameters.split()
            array = self.get_tensors(tag)
            for _ in range(int(count)):
                self.stream_tensors(array[:4])
        elif command == "forget":
            self.kept.clear()
        elif command == "wait_for_fifo":
            tag, path = parameters.split()
            array = self.get_tensors(tag)
            with open(path) as gate:
                gate.read()
            self.send_tensors(array * 2)
        else:
            return False
        return True


if __name__ == "__main__":
    if "--threads" in sys.argv:
        LoanServer.threads = int(sys.argv[sys.argv.index("--threads") + 1])
    LoanServer().run()

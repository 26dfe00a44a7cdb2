"""The server of the soak: any dtype and shape, NumPy underneath."""

import points

points.install()

import sys  # noqa: E402 - what is imported before would not be watched

from tech_renaissance import TechRenaissanceServer  # noqa: E402


class Server(TechRenaissanceServer):
    framework = "numpy"

    def main_logic(self, command: str, parameters: str) -> bool:
        if command == "echo":
            self.write_response(command, parameters)
        elif command == "back":
            self.send_tensors(*self.get_tensors(parameters, None))
        elif command == "copy":
            self.send_tensors(*(array.copy() for array in self.get_tensors(parameters, None)))
        elif command == "repeat":
            tag, count = parameters.split()
            array = self.get_tensors(tag)
            for _ in range(int(count)):
                self.stream_tensors(array.copy())
            self.send_tensors(array)
        elif command == "fail":
            raise ValueError(parameters)
        else:
            return False
        return True


if __name__ == "__main__":
    Server().run(sys.argv[1])

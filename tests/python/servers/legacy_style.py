"""A server as programs of the older kind have them: no __init__ of the base class, wrong counts answered by None."""

import sys

from tech_renaissance import TechRenaissanceServer


class Server(TechRenaissanceServer):
    def __init__(self):
        self.calls = 0

    def main_logic(self, command, parameters):
        self.calls += 1
        if command != "matmul":
            return False
        tensors = self.get_tensors(parameters, 2)
        if tensors is None:
            return False
        self.send_tensors(tensors[0] @ tensors[1])
        self.write_response(command, "result_0")
        return True


if __name__ == "__main__":
    Server().run(sys.argv[1])

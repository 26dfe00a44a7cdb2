"""Servers of each kind with a command `exit` of their own, unless $KNOWS says otherwise."""

import os

from tech_renaissance import TechRenaissanceServer


class Plain(TechRenaissanceServer):
    def main_logic(self, command, parameters):
        if command == "echo":
            self.write_response(command, parameters)
        elif command == "exit" and "KNOWS" not in os.environ:
            self.write_response(command, "not yet")
        else:
            return False
        return True


class Threaded(Plain):
    threads = 2


class Async(Plain):
    async def main_logic(self, command, parameters):
        return super().main_logic(command, parameters)


if __name__ == "__main__":
    {"plain": Plain, "threads": Threaded, "async": Async}[os.environ["KIND"]]().run()

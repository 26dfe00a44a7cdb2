"""Fails in many ways, on lines that test_places.py looks up; waits as a plain server, on threads and on a loop."""

from __future__ import annotations

import asyncio
import json
import sys
import threading

import numpy

from tech_renaissance import InputError, TechRenaissanceServer

#: Commands that fail, and the lines of the server that their messages name, by a word in each.
FAILING = {
    "raise": "a plain exception",
    "raise_in_a_library": "json.loads(",
    "raise_ours": "an InputError of its own",
    "no_tag": 'get_tensors("../x")',
    "no_tensor": 'get_tensors("missing")',
    "no_dtype": "numpy.array([object()])",
    "several_in_a_list": "send_tensors([",
    "too_few a": "get_tensors(parameters, 2)",
    "returns_text": "-> object:",
    "coutn": "-> object:",
    "relative": "from . import",
}


class Server(TechRenaissanceServer):
    """Each command fails."""

    framework = "numpy"

    def main_logic(self, command: str, parameters: str) -> object:
        if command == "raise":
            raise ValueError("a plain exception")
        if command in ("raise_in_a_library", "raise_ours"):
            self.fail(command)
        elif command == "no_tag":
            self.get_tensors("../x")
        elif command == "no_tensor":
            self.get_tensors("missing")
        elif command == "no_dtype":
            self.send_tensors(numpy.array([object()]))
        elif command == "several_in_a_list":
            self.send_tensors([numpy.ones(1), numpy.ones(1)])
        elif command == "too_few":
            self.get_tensors(parameters, 2)
        elif command == "returns_text":
            return "text"
        elif command == "relative":
            from . import nothing  # noqa: F401
        elif command == "as_json":
            self.write_response(command, {"x": print})
        elif command == "text":
            self.write_response(command, "some")
        elif command == "count":
            return True
        else:
            return self.matched(command)
        return True

    def matched(self, command: str) -> bool:
        return command == "matched"

    def fail(self, command: str) -> None:
        if command == "raise_ours":
            raise InputError("an InputError of its own")
        json.loads("{")


def hold() -> None:
    threading.Event().wait(600)  # blocks


async def hold_async() -> None:
    await asyncio.sleep(600)  # waits


class Holding(TechRenaissanceServer):
    """Waits, in a function that main_logic calls."""

    def main_logic(self, command: str, parameters: str) -> bool:
        hold()
        return True


class HoldingThreads(Holding):
    """The same on threads."""

    threads = 2


class HoldingAsync(TechRenaissanceServer):
    """The same on an event loop."""

    async def main_logic(self, command: str, parameters: str) -> bool:
        await hold_async()
        return True


class SlowStart(Holding):
    """The same before it is ready."""

    def on_start(self) -> None:
        threading.Event().wait(600)


if __name__ == "__main__":
    servers = {"plain": Holding, "threads": HoldingThreads, "async": HoldingAsync, "slow_start": SlowStart}
    servers.get("".join(sys.argv[1:]), Server)().run()

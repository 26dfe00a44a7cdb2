"""Servers of each kind with the same commands: plain, with threads, async. $KIND says which."""

import asyncio
import os
import sys
import threading
import time

from tech_renaissance import TechRenaissanceServer


class Commands(TechRenaissanceServer):
    """What does not depend on the kind."""

    framework = "numpy"
    seen = ()
    party = threading.Barrier(4)

    def quick(self, command, parameters):
        if command == "echo":
            self.write_response(command, parameters)
        elif command == "note":
            self.seen = (*self.seen, parameters)
        elif command == "notes":
            self.write_response(command, " ".join(self.seen))
        elif command == "exit":
            sys.exit(7)
        elif command == "fail":
            raise ValueError(parameters)
        elif command == "back":
            self.send_tensors(self.get_tensors(parameters))
        elif command == "made":
            import numpy as np

            self.send_tensors(np.full(1, float(parameters)))
        elif command == "fork":
            pid = os.fork()
            if pid:
                self.write_response(command, str(os.waitpid(pid, 0)[1]))
            else:
                self.write_response(command, "from the fork")
        elif command == "gate":
            # A FIFO: whoever opens it waits for the other side.
            with open(os.path.join(self.session_dir, parameters)) as gate:
                gate.read()
        else:
            return False
        return True

    def wait_to_be_cancelled(self, command, parameters):
        self.started(parameters)
        if command == "wait":
            self.wait_until_cancelled()
        elif command == "look":
            while not self.cancelled():
                time.sleep(0.001)
        else:
            while True:
                self.stream_tensors()
        self.write_response(command, f"noticed at {time.monotonic_ns()}")

    def started(self, name):
        with open(os.path.join(self.session_dir, name), "w"):
            pass


class Plain(Commands):
    def main_logic(self, command, parameters):
        if command in ("wait", "look", "stream"):
            self.wait_to_be_cancelled(command, parameters)
            return True
        return self.quick(command, parameters)


class Threaded(Plain):
    threads = 4

    def main_logic(self, command, parameters):
        if command == "meet":
            self.party.wait()
            return True
        if command == "thread":
            self.write_response(command, str(threading.get_ident()))
            return True
        return super().main_logic(command, parameters)


class Async(Commands):
    commands = ("echo",)
    waiting = 0

    async def on_start(self):
        self.loop = asyncio.get_running_loop()
        self.together = asyncio.Event()

    async def main_logic(self, command, parameters):
        if command == "meet":
            self.waiting += 1
            if self.waiting == 4:
                self.together.set()
            await self.together.wait()
            return True
        if command == "thread":
            assert asyncio.get_running_loop() is self.loop
            self.write_response(command, str(threading.get_ident()))
            return True
        if command == "nap":
            await asyncio.sleep(float(parameters))
            return True
        if command == "wait":
            self.started(parameters)
            await self.until_cancelled()
            await asyncio.Event().wait()  # the task is about to be cancelled, or has been by now
        if command == "look":
            self.started(parameters)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.write_response(command, f"noticed at {time.monotonic_ns()}")
                raise
        if command == "stream":
            self.started(parameters)
            while True:
                await self.async_stream_tensors()
        if command == "parts":
            for number in range(int(parameters)):
                await self.async_stream_tensors(number)
            self.send_tensors(int(parameters))
            return True
        if command == "part_and_look":
            self.stream_tensors()
            self.started(parameters)
            while not self.cancelled():  # it notices before the loop does
                time.sleep(0.001)
            return True
        if command == "spin":
            self.started(parameters)
            while True:
                pass
        if command == "task":
            # What runs on beside the call, and answers when it is over.
            async def answer():
                await asyncio.sleep(0)
                self.write_response(command, "late")

            self.write_response(command, "early")
            self.late = asyncio.ensure_future(answer())
            return True
        if command == "in_a_thread":
            await asyncio.to_thread(self.write_response, command, parameters)
            return True
        if command == "executor":
            await asyncio.get_running_loop().run_in_executor(None, self.write_response, command, parameters)
            return True
        return self.quick(command, parameters)


if __name__ == "__main__":
    {"plain": Plain, "threads": Threaded, "async": Async}[os.environ["KIND"]]().run(sys.argv[1])

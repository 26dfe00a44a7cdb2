"""Serves several requests at the same time: on threads, on an event loop, or one after the other, as $KIND says."""

import asyncio
import os
import threading

from tech_renaissance import InputError, TechRenaissanceServer
from tech_renaissance.worker.channels import Channels


def work(server, command, parameters):
    if command == "echo":
        server.write_response(command, parameters)
    elif command == "double":
        server.send_tensors(server.get_tensors(parameters) * 2)
    elif command == "wait_for_fifo":
        with open(parameters) as fifo:
            server.write_response(command, fifo.read())
    elif command == "until_cancelled":
        open(f"{server.session_dir}/{parameters}", "w").close()
        server.wait_until_cancelled()
        open(f"{server.session_dir}/{parameters}.noticed", "w").close()
    elif command == "count":
        for number in range(int(parameters)):
            server.stream_tensors(number)
    elif command == "refuse_the_next_channel":
        serve = Channels._serve

        def refuse(channels, channel):
            Channels._serve = serve
            raise InputError("it was asked to refuse one")

        Channels._serve = refuse
        server.write_response(command, "")
    elif command == "die":
        os.kill(os.getpid(), 9)
    else:
        return False
    return True


class Plain(TechRenaissanceServer):
    framework = "numpy"

    def main_logic(self, command, parameters):
        return work(self, command, parameters)


class Threaded(TechRenaissanceServer):
    framework = "numpy"
    threads = 8
    barrier = threading.Barrier(4)

    def main_logic(self, command, parameters):
        if command == "meet":
            self.barrier.wait(20)
            self.write_response(command, parameters)
            return True
        return work(self, command, parameters)


class Async(TechRenaissanceServer):
    framework = "numpy"
    met = 0
    all_met = None

    async def main_logic(self, command, parameters):
        if command == "meet":
            self.all_met = self.all_met or asyncio.Event()
            self.met += 1
            if self.met % 4 == 0:
                self.all_met.set()
            await self.all_met.wait()
            self.write_response(command, parameters)
            return True
        if command == "forever":
            open(f"{self.session_dir}/{parameters}", "w").close()
            try:
                await asyncio.sleep(3600)
            finally:
                open(f"{self.session_dir}/{parameters}.noticed", "w").close()
        return work(self, command, parameters)


if __name__ == "__main__":
    if "START_GATE" in os.environ:
        with open(os.environ["START_GATE"]) as gate:
            gate.read()
    {"plain": Plain, "threads": Threaded, "async": Async}[os.environ["KIND"]]().run()

"""The server of the tests of asyncio: an async one, which tells by files what it hears of."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import numpy as np

from tech_renaissance import TechRenaissanceServer


class AwaitedServer(TechRenaissanceServer[np.ndarray]):
    """Answers what the tests ask."""

    def __init__(self) -> None:
        super().__init__()
        self.met = 0
        self.all_met: asyncio.Event | None = None

    async def main_logic(self, command: str, parameters: str) -> bool:
        """Serves one request."""
        if command == "double":
            array = self.get_tensors(parameters)
            assert array is not None
            self.send_tensors(array * 2)
        elif command == "meet":
            await self.meet(*parameters.split())
        elif command == "forever":
            await self.forever(parameters)
        elif command == "count":
            for number in range(int(parameters)):
                await self.async_stream_tensors(np.full(3, number))
        elif command == "count_and_wait":
            await self.async_stream_tensors(np.full(3, 0))
            await self.forever(parameters)
        elif command == "count_and_fail":
            await self.async_stream_tensors(np.full(3, 0))
            raise ValueError(parameters)
        elif command == "wait_for_fifo":
            self.send_tensors(len(await asyncio.to_thread(Path(parameters).read_text)))
        elif command == "die":
            os._exit(3)
        else:
            return False
        return True

    async def meet(self, tag: str, many: str) -> None:
        """Goes on when so many are here."""
        array = self.get_tensors(tag)
        self.all_met = self.all_met or asyncio.Event()
        self.met += 1
        if self.met == int(many):
            self.all_met.set()
        await self.all_met.wait()
        self.send_tensors(array)

    async def forever(self, mark: str) -> None:
        """Marks when it begins, and when it hears that nobody wants it."""
        Path(mark).write_text("begun")
        try:
            await asyncio.Event().wait()
        finally:
            Path(f"{mark}.noticed").write_text("noticed")


if __name__ == "__main__":
    AwaitedServer().run()

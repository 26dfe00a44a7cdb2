"""Servers that run several requests at a time; $BENCH_KIND says in which way."""

from __future__ import annotations

import asyncio
import os
import time

from tech_renaissance import TechRenaissanceServer


class Threaded(TechRenaissanceServer):
    """On threads."""

    threads = 4

    def main_logic(self, command: str, parameters: str) -> bool:
        """`wait <seconds>`, or `quick`."""
        if command == "wait":
            time.sleep(float(parameters))
            self.send_tensors(0)
        return command in ("wait", "quick")


class Async(TechRenaissanceServer):
    """On one event loop."""

    async def main_logic(self, command: str, parameters: str) -> bool:  # type: ignore[override]
        """`wait <seconds>`."""
        if command == "wait":
            await asyncio.sleep(float(parameters))
            self.send_tensors(0)
        return command == "wait"


if __name__ == "__main__":
    {"threads": Threaded, "async": Async}[os.environ["BENCH_KIND"]]().run()

"""What batches in the worker pay: a PyTorch MLP called by 64 callers, one row each, beside full batches made by hand.

batching.py --programs FOLDER [--seconds S] [--models small large] [--ways threads asyncio ...] [--out FILE]

Prints one JSON object on each line, and writes them to FILE: rows, {"row": ..., "rows_per_s": ...}, and ratios,
{"ratio": ..., "value": ...}. Where a way cannot be measured there is a line {"row": ..., "absent": ...}.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SCRIPT = HERE / "workers" / "batching_server.py"
CALLERS = FULL = 64
WARM_SECONDS = 0.5


@dataclass(frozen=True)
class Model:
    """An MLP.

    Attributes:
        widths: of its layers, the inputs first.
        seconds: for which each row is measured, so that the rows of one batch do not matter.
    """

    widths: tuple[int, ...]
    seconds: float


MODELS = {
    "small": Model((256, 512, 512, 10), 2.0),  # its weights stay in the cache: a row costs hardly more than its call
    "large": Model((1024, 4096, 4096, 1000), 6.0),  # they do not: each call reads all of them, for one row or for 64
}
HAND, PLAIN, BATCHED = "batches by hand", "unbatched", "batched"


class Counter:
    """Counts rows from when all is warm until the time is up.

    Args:
        seconds: for which it counts.
    """

    def __init__(self, seconds: float) -> None:
        self._begin = time.perf_counter() + WARM_SECONDS
        self._end = self._begin + seconds
        self._seconds = seconds
        self._rows = 0

    def add(self, rows: int) -> bool:
        """These have come; whether there is time for more."""
        now = time.perf_counter()
        if self._begin <= now < self._end:
            self._rows += rows
        return now < self._end

    def per_second(self) -> float:
        """Once the time is up."""
        return self._rows / self._seconds


def by_program(programs: Path, model: Model, endpoint: str, way: str, seconds: float) -> float:
    """Rows in a second, of calls that a C++ program makes."""
    callers, rows = ("1", str(FULL)) if way == "hand" else (str(CALLERS), "1")
    command = [programs / "bench_batching", SCRIPT, sys.executable, endpoint, "threads" if way == "hand" else way]
    found = subprocess.run(
        [*map(str, command), callers, rows, str(model.widths[0]), str(seconds)],
        check=True, stdout=subprocess.PIPE, text=True, timeout=60 + 10 * seconds,
    )  # fmt: skip
    return float(found.stdout)


def by_asyncio(session: Any, endpoint: str, x: Any, seconds: float) -> float:
    """The same of 64 tasks of an event loop."""
    counter = Counter(seconds)

    async def caller() -> None:
        while True:
            await session.acall(endpoint, x)
            if not counter.add(len(x)):
                return

    async def all_callers() -> None:
        await asyncio.gather(*(caller() for _ in range(CALLERS)))

    asyncio.run(all_callers())
    return counter.per_second()


def by_futures(session: Any, endpoint: str, x: Any, seconds: float) -> float:
    """The same of 64 calls in flight that one thread has made."""
    counter = Counter(seconds)
    flying = deque(session.call_async(endpoint, x) for _ in range(CALLERS))
    more = True
    while flying:
        flying.popleft().result()
        more = counter.add(len(x)) and more
        if more:
            flying.append(session.call_async(endpoint, x))
    return counter.per_second()


def by_hand(session: Any, endpoint: str, x: Any, seconds: float) -> float:
    """The same of calls with 64 rows, one after the other."""
    counter = Counter(seconds)
    while True:
        session.call(endpoint, x.expand(FULL, -1).contiguous())
        if not counter.add(FULL):
            return counter.per_second()


def by_python(way: Callable[..., float], model: Model, endpoint: str, seconds: float) -> float:
    """Rows in a second, of calls that this program makes."""
    import torch

    from tech_renaissance import PythonSession, SessionOptions

    options = SessionOptions(script=SCRIPT, quiet=True, max_ongoing_requests=CALLERS)
    with PythonSession(options) as session:
        return way(session, endpoint, torch.ones(1, model.widths[0]), seconds)


def ways(programs: Path, names: list[str]) -> dict[str, Callable[[Model, str, float], float]]:
    """How rows are measured: of a model, by an endpoint or by hand, for so many seconds."""
    found: dict[str, Callable[[Model, str, float], float]] = {}
    for name, title in (("threads", "64 threads, C++"), ("futures", "64 futures of one thread, C++")):
        if name in names:
            found[title] = lambda model, endpoint, seconds, name=name: by_program(  # type: ignore[misc]
                programs, model, endpoint or "plain", name if endpoint else "hand", seconds
            )
    for name, title, way in (
        ("asyncio", "64 tasks of asyncio, Python", by_asyncio),
        ("python-futures", "64 futures of one thread, Python", by_futures),
    ):
        if name in names:
            found[title] = lambda model, endpoint, seconds, way=way: by_python(  # type: ignore[misc]
                way if endpoint else by_hand, model, endpoint or "plain", seconds
            )
    return found


def measure(arguments: argparse.Namespace, say: Callable[[dict[str, Any]], None]) -> None:
    """All rows and ratios; each is the median of some runs, which alternate."""
    for name in arguments.models:
        model = MODELS[name]
        seconds = arguments.seconds or model.seconds
        os.environ["BENCH_WIDTHS"] = " ".join(map(str, model.widths))
        for title, way in ways(arguments.programs, arguments.ways).items():
            runs: dict[str, list[float]] = {HAND: [], PLAIN: [], BATCHED: []}
            for _ in range(arguments.rounds):
                for kind, endpoint in ((HAND, ""), (PLAIN, "plain"), (BATCHED, "batched")):
                    runs[kind].append(way(model, endpoint, seconds))
            rates = {kind: statistics.median(found) for kind, found in runs.items()}
            for kind, rate in rates.items():
                say({"row": f"{name} MLP, {title}, {kind}", "rows_per_s": round(rate, 1)})
            for other in (PLAIN, HAND):
                ratio = round(rates[BATCHED] / rates[other], 3)
                say({"ratio": f"{name} MLP, {title}: {BATCHED} / {other}", "value": ratio})


def main() -> None:
    """See the module."""
    choices = ("threads", "futures", "asyncio", "python-futures")
    parser = argparse.ArgumentParser(description="What batches in the worker pay")
    parser.add_argument("--programs", type=Path, required=True, help="folder of the built host programs")
    parser.add_argument("--seconds", type=float, help="for each row; 2 of the small model and 6 of the large one")
    parser.add_argument("--rounds", type=int, default=3, help="of each row")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--ways", nargs="+", choices=choices, default=list(choices))
    parser.add_argument("--out", type=Path, help="file for the lines")
    arguments = parser.parse_args()
    lines: list[str] = []

    def say(found: dict[str, Any]) -> None:
        lines.append(json.dumps(found))
        print(lines[-1], flush=True)

    measure(arguments, say)
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Python hosts that have a function called in another process, and get what it returns.

Commands:

    measure <way> <bytes> <rounds> <budget in ms> <warm-up in ms>   -> {"ns": [...]}
    throughput <workers> <ms>                                       -> {"per_second": ...}
    info                                                            -> {"description": ...}

Ways: "value", a number each way, and "array", float32 of so many bytes each way; of this project also "session_value"
and "session_array", the same without a pool. Argument: "pool", "multiprocessing", "futures", "alone", or a rival of
function_rivals.py. One worker each, but for throughput.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Callable

from commands import AbsentError, measure, obey_all
from function import STEPS, WORKERS, Function, compute, double, rate

NUMBER = 1.5


class Ours(Function):
    """A pool of this project, and a session beside it."""

    def __init__(self) -> None:
        from tech_renaissance import Pool, PoolOptions, PythonSession, SessionOptions

        self._make = lambda workers: Pool(
            PoolOptions(SessionOptions(script=WORKERS / "service_server.py", quiet=True), workers=workers)
        )
        self._pools = {1: self._make(1)}
        self._pools[1].start()
        self._pool = self._pools[1]
        self._session = PythonSession(SessionOptions(script=WORKERS / "service_server.py", quiet=True))
        self._session.start()
        self._session.wait_until_ready()

    def value_call(self, value: Any) -> Any:
        return self._pool.call("twice", value)

    def session_call(self, value: Any) -> Any:
        """Without the pool."""
        return self._session.call("twice", value)

    def way(self, name: str) -> Callable[[Any], Any]:
        return self.session_call if name.startswith("session_") else super().way(name)

    def computed_per_second(self, workers: int, milliseconds: int) -> float:
        if workers not in self._pools:
            self._pools[workers] = self._make(workers)
            self._pools[workers].start()
        pool = self._pools[workers]

        def run(count: int) -> None:
            for future in [pool.submit_call("compute", STEPS) for _ in range(count)]:
                future.result()

        run(workers)
        return rate(workers, milliseconds, run)

    def close(self) -> None:
        self._session.close()
        for pool in self._pools.values():
            pool.close()


class Multiprocessing(Function):
    """multiprocessing.Pool as it comes: apply() for a call, map() for many."""

    def __init__(self) -> None:
        import multiprocessing

        self._make = multiprocessing.Pool
        self._pools: dict[int, Any] = {}

    def _pool(self, workers: int) -> Any:
        if workers not in self._pools:
            self._pools[workers] = self._make(workers)
        return self._pools[workers]

    def value_call(self, value: Any) -> Any:
        return self._pool(1).apply(double, (value,))

    def computed_per_second(self, workers: int, milliseconds: int) -> float:
        pool = self._pool(workers)
        pool.map(compute, [STEPS] * workers, chunksize=1)
        return rate(workers, milliseconds, lambda count: pool.map(compute, [STEPS] * count, chunksize=1))

    def close(self) -> None:
        for pool in self._pools.values():
            pool.terminate()


class Alone(Multiprocessing):
    """Processes that compute and are asked once: what more cores give at all."""

    def value_call(self, value: Any) -> Any:
        raise AbsentError("not a way of this row")

    def computed_per_second(self, workers: int, milliseconds: int) -> float:
        pool = self._pool(workers)
        pool.map(compute, [STEPS] * workers, chunksize=1)
        return rate(
            workers, milliseconds, lambda count: pool.map(compute, [STEPS * count // workers] * workers, chunksize=1)
        )


class Futures(Function):
    """concurrent.futures.ProcessPoolExecutor."""

    def __init__(self) -> None:
        from concurrent.futures import ProcessPoolExecutor

        self._executor = ProcessPoolExecutor(1)

    def value_call(self, value: Any) -> Any:
        return self._executor.submit(double, value).result()

    def close(self) -> None:
        self._executor.shutdown()


def open_function(name: str) -> Function:
    """The one of this name, with its worker ready."""
    own = {"pool": Ours, "multiprocessing": Multiprocessing, "alone": Alone, "futures": Futures}
    if name in own:
        return own[name]()
    from function_rivals import RIVALS

    try:
        return RIVALS[name]()
    except ImportError as error:
        raise AbsentError(f"{error} in the interpreter of this row") from None


def argument(way: str, size: int) -> Any:
    """What goes out, one way or the other."""
    if way.endswith("value"):
        return NUMBER
    import numpy

    return numpy.arange(size // 4, dtype=numpy.float32)


def check(sent: Any, result: Any) -> None:
    """Raises RuntimeError when it is not twice what was sent."""
    if isinstance(sent, float):
        right = result == 2 * sent
    else:
        right = result.dtype == sent.dtype and result.shape == sent.shape and bool((result == 2 * sent).all())
    if not right:
        raise RuntimeError("a wrong answer")


def obey(function: Function, words: list[str]) -> dict[str, Any]:
    if words[0] == "measure":
        size, *numbers = map(int, words[2:])
        sent, run = argument(words[1], size), function.way(words[1])
        return measure(lambda: run(sent), lambda result: check(sent, result), *numbers)
    if words[0] == "throughput":
        return {"per_second": function.computed_per_second(int(words[1]), int(words[2]))}
    if words[0] == "info":
        return {"host_pid": os.getpid(), "description": ""}
    raise AbsentError("not a command of this program")


def main() -> None:
    function: Function | None = None

    def obey_with(words: list[str]) -> dict[str, Any]:
        nonlocal function
        if function is None:
            function = open_function(sys.argv[1])
        return obey(function, words)

    try:
        obey_all(obey_with)
    finally:
        if function is not None:
            function.close()


if __name__ == "__main__":
    main()

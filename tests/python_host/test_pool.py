"""Pools of workers, as Python programs use them. What they do in all cases is tested in `tests/cpp/service`."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import operator
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import program

from tech_renaissance import (
    InputError,
    NotFoundError,
    OverloadedError,
    Pool,
    PoolOptions,
    RemoteError,
    RestartError,
    RetryError,
    SessionOptions,
)
from tech_renaissance import TimeoutError as LimitPassed

SERVER = Path(__file__).parents[1] / "cpp" / "service" / "servers" / "pool_server.py"


@pytest.fixture
def pool(options: SessionOptions) -> Iterator[Pool[Any]]:
    with Pool(options, workers=2, framework="numpy") as pool:
        yield pool


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "gate")
    return tmp_path / "gate"


def until(holds: Callable[[], bool]) -> None:
    """For what there is no handshake to wait on; the test's own limit ends it."""
    while not holds():
        os.sched_yield()


def full(value: float) -> np.ndarray:
    return np.full(3, float(value))


# --------------------------------------------------------------------------------------------------------------- calls


def test_the_calls_of_a_session(pool: Pool[Any]) -> None:
    assert pool.calculate("double", full(2)).tolist() == [4, 4, 4]
    assert pool.calculate_many("double", full(2))[0].tolist() == [4, 4, 4]
    assert pool.fetch_response("echo ä") == "ä"
    assert float(pool.fetch_tensor("pid_tensor")) in [worker.pid for worker in pool.stats().workers]
    assert [float(part) for part in pool.stream("count 3")] == [0, 1, 2]
    assert pool.submit("double", full(5)).result().tolist() == [10, 10, 10]
    with pytest.raises(InputError, match="names none of them"):
        pool.calculate_named("double", full(2))
    assert pool.stats().calls == 7
    assert pool.stats().failures == 1
    assert repr(pool) == "<Pool of 2: ready, ready; 0 queued>"


def test_results_are_of_the_kind_of_the_tensors(options: SessionOptions) -> None:
    torch = pytest.importorskip("torch")
    with Pool(options, workers=1) as pool:
        assert isinstance(pool.calculate("double", full(1)), np.ndarray)
        assert isinstance(pool.calculate("double", torch.ones(2)), torch.Tensor)
        assert isinstance(next(pool.map("double", [torch.ones(2)])), torch.Tensor)
    with Pool(options, workers=1, framework="torch") as pool:
        assert isinstance(pool.submit("double", full(1)).result(), torch.Tensor)


def test_keys_and_priorities(pool: Pool[Any], gate: Path, tmp_path: Path) -> None:
    pids = {pool.by_key(f"user-{i}").fetch_response("pid") for i in range(16)}
    assert len(pids) == 2
    assert len({pool.by_key("user-7").with_priority(i).fetch_response("pid") for i in range(16)}) == 1
    pool.resize(1)
    busy = pool.submit(f"gated {gate}")
    notes = [pool.with_priority(i).submit(f"note {tmp_path}/notes {i}", full(1)) for i in (0, 2, 1)]
    until(lambda: pool.stats().queued == 3)
    gate.write_text("go")
    for note in (busy, *notes):
        note.result()
    assert (tmp_path / "notes").read_text() == "2 1 0 "
    with pytest.raises(InputError, match=r"priority is 1\.5: expected a whole number"):
        pool.with_priority(1.5)  # type: ignore[arg-type]


def test_a_full_queue(options: SessionOptions, gate: Path) -> None:
    with Pool(PoolOptions(options, workers=1, max_queue_size=0, when_full="refuse"), framework="numpy") as pool:
        busy = pool.submit(f"gated {gate}")
        with pytest.raises(OverloadedError, match="all workers of the pool are at work") as refused:
            pool.calculate("double", full(1))
        assert refused.value.code == "E3002"
        assert refused.value.retry_after_ms >= 1
        with pytest.raises(OverloadedError):
            pool.submit("double", full(1))
        assert pool.stats().refused == 2
        gate.write_text("go")
        busy.result()


def test_limits_count_the_wait(pool: Pool[Any], gate: Path) -> None:
    pool.resize(1)
    busy = pool.submit(f"gated {gate}")
    with pytest.raises(LimitPassed, match="'double' waited for a worker of the pool"):
        pool.calculate("double", full(1), timeout_ms=20)
    with pytest.raises(LimitPassed):
        pool.submit("double", full(1), timeout_ms=20).result()
    gate.write_text("go")
    busy.result()


def test_a_cancelled_future_frees_its_place(pool: Pool[Any], tmp_path: Path) -> None:
    pool.resize(1)
    at_work = pool.submit(f"until_cancelled {tmp_path}/begun")
    until((tmp_path / "begun").exists)
    queued = pool.submit("double", full(1))
    assert queued.cancel()
    assert at_work.cancel()
    with pytest.raises(CancelledError):
        queued.result()
    assert pool.calculate("double", full(2)).tolist() == [4, 4, 4]
    assert (tmp_path / "begun.noticed").exists()


def test_errors_of_calls(pool: Pool[Any]) -> None:
    with pytest.raises(RemoteError, match="it is odd") as raised:
        pool.calculate("refuse_odd", full(1))
    assert raised.value.python_type == "ValueError"
    with pytest.raises(RestartError, match="was killed by signal 9") as died:
        pool.fetch_response("die")
    assert not died.value.may_retry


async def test_asyncio(options: SessionOptions, gate: Path) -> None:
    small = PoolOptions(options, workers=1, max_queue_size=1)
    async with Pool(small, framework="numpy") as pool:
        busy = asyncio.create_task(pool.acalculate(f"gated {gate}"))
        late = asyncio.create_task(pool.acalculate("double", full(1), timeout_ms=100))
        calls = [asyncio.create_task(pool.acalculate("double", full(i))) for i in range(8)]
        while pool.stats().waiting_for_place < 7:
            await asyncio.sleep(0)
        calls[3].cancel()
        with pytest.raises(LimitPassed):
            await late
        gate.write_text("go")
        results = await asyncio.gather(busy, *calls, return_exceptions=True)
        assert isinstance(results[4], asyncio.CancelledError)
        assert [float(result[0]) for i, result in enumerate(results[1:]) if i != 3] == [0, 2, 4, 8, 10, 12, 14]
    assert repr(pool) == "<Pool, closed>"


async def test_whoever_cancels_a_start_has_no_workers(options: SessionOptions, gate: Path) -> None:
    slow = replace(options, launcher=["/bin/sh", "-c", f'cat {gate}; exec "$@"', "sh"])
    pool = Pool(slow, workers=1)
    starting = asyncio.create_task(pool.__aenter__())
    while pool.stats().workers[0].pid == 0:
        await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    while pool.stats().workers[0].state != "stopped":
        await asyncio.sleep(0)
    pool.close()


# ----------------------------------------------------------------------------------------------------------------- map


def test_map_is_an_iterator_with_a_length(pool: Pool[Any]) -> None:
    results = pool.map("double", [full(i) for i in range(20)])
    assert len(results) == 20  # type: ignore[arg-type]
    assert operator.length_hint(results) == 20
    assert next(results).tolist() == [0, 0, 0]
    assert len(results) == 20  # type: ignore[arg-type]
    assert [float(y[0]) for y in results] == [2 * i for i in range(1, 20)]
    assert list(results) == []
    generated = pool.map("double", (full(i) for i in range(5)))
    assert not hasattr(generated, "__len__")
    assert operator.length_hint(generated, 7) == 7
    assert [float(y[0]) for y in generated] == [0, 2, 4, 6, 8]


def test_map_reads_its_inputs_as_they_are_needed(pool: Pool[Any]) -> None:
    read = []

    def endless() -> Iterator[np.ndarray]:
        while True:
            read.append(1)
            yield full(len(read))

    with pool.map("double", endless(), look_ahead=3) as results:
        for i in range(1, 40):
            assert next(results)[0] == 2 * i
            assert len(read) <= i + 3
    assert list(results) == []
    until(lambda: pool.stats().in_flight == 0)


def test_map_of_several_tensors_each(pool: Pool[Any]) -> None:
    pairs = [(full(i), full(1)) for i in range(4)]
    with pytest.raises(InputError, match="expected 1 tensor, found 2"):
        list(pool.map("refuse_odd", pairs))


def test_errors_of_a_map_come_in_their_place(pool: Pool[Any]) -> None:
    results = pool.map("refuse_odd", [full(0), full(2), full(3), full(4)])
    assert [next(results)[0], next(results)[0]] == [0, 2]
    with pytest.raises(RemoteError, match="it is odd"):
        next(results)
    assert list(results) == []

    def breaks() -> Iterator[np.ndarray]:
        yield full(0)
        yield full(2)
        raise KeyError("no more")

    results = pool.map("double", breaks())
    assert [next(results)[0], next(results)[0]] == [0, 4]
    with pytest.raises(KeyError, match="no more"):
        next(results)
    assert list(results) == []


def test_map_tells_how_far_it_is(pool: Pool[Any]) -> None:
    told: list[tuple[int, int | None]] = []
    list(pool.map("double", [full(1)] * 3, progress=lambda done, total: told.append((done, total))))
    list(pool.map("double", iter([full(1)]), progress=lambda done, total: told.append((done, total))))
    assert told == [(1, 3), (2, 3), (3, 3), (1, None)]


def test_a_map_that_nobody_refers_to_is_given_up(pool: Pool[Any], gate: Path) -> None:
    pool.resize(1)
    results = pool.map("double", iter([full(1)] * 3))
    next(results)
    pool.submit(f"gated {gate}")
    more = pool.map("double", [full(1)] * 100)
    waits = threading.Thread(target=next, args=(more, None))
    waits.start()
    until(lambda: pool.stats().queued > 0)
    gate.write_text("go")
    waits.join()
    del results, more, waits
    gc.collect()
    until(lambda: pool.stats().in_flight == pool.stats().queued == 0)


# ---------------------------------------------------------------------------------------------------------------- life


def test_options_are_checked(options: SessionOptions) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"workers": 0}, "PoolOptions::workers is 0: expected 1 to 1024"),
        ({"workers": 1.5}, r"PoolOptions\.workers is 1\.5"),
        ({"when_full": "drop"}, r"PoolOptions\.when_full is 'drop': expected 'wait' or 'refuse'"),
        ({"on_death": None}, r"PoolOptions\.on_death is None: expected 'fail' or 'repeat'"),
        ({"worker_environment": ["A"]}, r"PoolOptions\.worker_environment is \['A'\]: expected a list of dicts"),
        ({"resources": {"gpus": 1}}, r"PoolOptions.resources is \{'gpus': 1\}: expected a dict with cpu, gpu or both"),
        ({"resources": {"gpu": -1}}, r"resources is \{'gpu': -1\}: gpu is -1: expected a number of 0 or more"),
        ({"resources": {"cpu": 0.5}}, r"cpu is 0\.5: expected a whole number of 0 or more"),
        ({"session": 3}, r"PoolOptions\.session is 3: expected SessionOptions"),
    ]
    for fields, message in wrong:
        with pytest.raises(InputError, match=message):
            Pool(replace(PoolOptions(options), **fields))
    with pytest.raises(InputError, match="workers is 3 beside PoolOptions"):
        Pool(PoolOptions(options), workers=3)
    pool = Pool(options)
    with pytest.raises(InputError, match="the pool does not run: call start"):
        pool.fetch_response("pid")
    pool.close()
    with pytest.raises(InputError, match="The pool has been closed"):
        pool.start()
    assert repr(pool) == "<Pool, closed>"


def test_a_dead_worker_is_replaced_and_nobody_notices(options: SessionOptions) -> None:
    with (
        Pool(PoolOptions(options, workers=3, on_death="repeat", max_repeats=100), framework="numpy") as pool,
        ThreadPoolExecutor(5) as callers,
    ):
        calls = [callers.submit(pool.calculate, "double", full(i)) for i in range(300)]
        for round_ in range(5):
            until(lambda: sum(call.done() for call in calls) > 50 * round_)  # noqa: B023 - it is called here
            with contextlib.suppress(ProcessLookupError):  # it is being replaced just then
                os.kill(pool.stats().workers[round_ % 3].pid, signal.SIGKILL)
        assert [float(call.result()[0]) for call in calls] == [2 * i for i in range(300)]
        until(lambda: pool.stats().restarts > 0)


def test_resize_reload_drain(pool: Pool[Any]) -> None:
    pool.resize(3)
    assert pool.size() == 3
    before = {worker.pid for worker in pool.stats().workers}
    pool.reload()
    assert not before & {worker.pid for worker in pool.stats().workers}
    pool.resize(1)
    pool.drain()
    with pytest.raises(RetryError, match="the pool has been drained") as refused:
        pool.fetch_response("pid")
    assert refused.value.code == "E3002"
    pool.start()
    assert pool.fetch_response("echo x") == "x"
    pool.stop()
    with pytest.raises(InputError, match="the pool does not run"):
        pool.fetch_response("pid")


def test_the_end_of_with_waits_for_futures(options: SessionOptions, tmp_path: Path) -> None:
    with Pool(options, workers=1) as pool:
        notes = [pool.submit(f"note {tmp_path}/notes {i}", full(1)) for i in range(5)]
    assert (tmp_path / "notes").read_text() == "0 1 2 3 4 "
    assert all(note.done() for note in notes)


def test_whoever_leaves_in_a_hurry_does_not_wait(options: SessionOptions, gate: Path) -> None:
    with pytest.raises(KeyError), Pool(options, workers=1) as pool:  # noqa: PT012
        at_work = pool.submit(f"gated {gate}")
        waits = pool.submit("double", full(1))
        until(lambda: pool.stats().in_flight == 1)
        raise KeyError
    assert isinstance(at_work.exception(), (RestartError, RetryError))
    assert isinstance(waits.exception(), RetryError)


def test_a_stream_ends_with_its_pool(options: SessionOptions) -> None:
    with Pool(options, workers=1) as pool:
        stream = pool.stream("count 100000")
        next(stream)
    with pytest.raises(InputError, match="was closed before this stream had ended"):
        next(stream)


def test_a_fork_has_no_part_in_it(pool: Pool[Any]) -> None:
    child = os.fork()
    if child == 0:
        try:
            pool.fetch_response("pid")
        except InputError as error:
            os._exit(0 if "this pool belongs to process" in str(error) else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert pool.fetch_response("echo on") == "on"


PROGRAM = """
import sys
from tech_renaissance import Pool, PoolOptions, SessionOptions
script, workspace, gate = sys.argv[1:]
pool = Pool(PoolOptions(SessionOptions(script=script, workspace=workspace, quiet=True), workers=1))
pool.start()
busy = pool.submit("gated " + gate)
while pool.stats().in_flight == 0: pass
try:
    print("waits", flush=True)
    WAIT
except KeyboardInterrupt:
    print("interrupted", flush=True)
pool.stop()
"""


@pytest.mark.parametrize(
    "wait",
    ["pool.fetch_response('pid')", "list(pool.map('double', [1.0]))", "pool.drain()", "pool.reload()"],
)
def test_ctrl_c_ends_a_wait(options: SessionOptions, gate: Path, wait: str) -> None:
    with program(PROGRAM.replace("WAIT", wait), options.script, options.workspace, gate) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == "waits\n"
        host.send_signal(signal.SIGINT)
        seen, errors = host.communicate(timeout=60)
    assert (host.returncode, seen, errors) == (0, "interrupted\n", ""), errors


DIES = """
import sys
from tech_renaissance import Pool, PoolOptions, SessionOptions
script, workspace, gate = sys.argv[1:]
pool = Pool(PoolOptions(SessionOptions(script=script, workspace=workspace, quiet=True), workers=1))
pool.start()
busy = pool.submit("gated " + gate)
while pool.stats().in_flight == 0: pass
waits = pool.submit("double", 1.0)
busy.add_done_callback(lambda call: print(type(call.exception()).__name__))
raise KeyError("x")
"""


def test_a_program_that_ends_with_an_exception_ends_its_calls(options: SessionOptions, gate: Path) -> None:
    with program(DIES, options.script, options.workspace, gate) as host:
        seen, errors = host.communicate(timeout=60)
    assert (host.returncode, seen.strip() in ("RestartError", "RetryError")) == (1, True), errors
    assert errors.endswith("KeyError: 'x'\n")


LEAVES = """
import sys
from tech_renaissance import Pool, PoolOptions, SessionOptions
script, workspace = sys.argv[1:]
pool = Pool(PoolOptions(SessionOptions(script=script, workspace=workspace, quiet=True), workers=2))
pool.start()
print(*[worker.pid for worker in pool.stats().workers])
pool.submit("double", 2.0).add_done_callback(lambda call: print(float(call.result())))
pool.drain()
"""


def test_a_program_that_ends_leaves_no_worker(options: SessionOptions) -> None:
    with program(LEAVES, options.script, options.workspace) as host:
        seen, errors = host.communicate(timeout=60)
    pids, result = seen.splitlines()
    assert (host.returncode, errors, result) == (0, "", "4.0")
    assert not any(Path(f"/proc/{pid}/exe").exists() for pid in pids.split())
    assert not list(Path(options.workspace, "python_session").glob("tr_session_*"))


# ------------------------------------------------------------------------------------------------------------ endpoints


async def test_endpoints(options: SessionOptions) -> None:
    typed = replace(options, script=SERVER.with_name("endpoint_server.py"))
    x = np.ones(3, np.float32)
    async with Pool(typed, workers=2) as pool:
        assert pool.call("scale", x).tolist() == [2, 2, 2]
        assert pool.by_key("a").call("scale", x, factor=3).tolist() == [3, 3, 3]
        assert pool.submit_call("scale", x, 4.0).result().tolist() == [4, 4, 4]
        assert (await pool.acall("scale", x, factor=5)).tolist() == [5, 5, 5]
        assert pool.call("pid") in [worker.pid for worker in pool.stats().workers]
        assert [float(part[0]) for part in pool.stream("count", to=3)] == [0, 1, 2]
        assert [endpoint.name for endpoint in pool.endpoints()] == ["scale", "pid", "die", "count"]
        with pytest.raises(InputError, match="did you mean 'factor'"):
            pool.call("scale", x, factr=3)
        assert pool.scale(x, factor=6).tolist() == pool.by_key("a").scale(x, 6.0).tolist() == [6, 6, 6]
        assert [float(part[0]) for part in pool.count(to=2)] == [0, 1]
        assert [float(part[0]) async for part in pool.astream("count", to=2)] == [0, 1]
        assert "scale" in dir(pool)
        assert "factor" in str(inspect.signature(pool.scale))
        with pytest.raises(
            AttributeError, match=r"Pool has no 'scal': did you mean 'scale' or 'call'\? this server offers scale, "
        ):
            pool.scal(x)
        with pytest.raises(NotFoundError, match="did you mean 'scale'"):
            pool.call("scal", x)
        with pytest.raises(RestartError, match="; the pool starts another worker in its place; "):
            pool.call("die")
        for _ in range(2):
            with pytest.raises(RestartError):
                pool.die()
        with pytest.raises(InputError, match="'die' is refused: it was at work when 3 workers died"):
            pool.die()
        assert pool.stats().quarantined == ["die"]
        pool.clear_quarantine()
        assert pool.stats().quarantined == []
    with pytest.raises(InputError, match="The pool has been closed"):
        pool.scale(x)
    with pytest.raises(AttributeError, match=r"are known of a worker that runs, and 'endpoints.*the pool does not run"):
        Pool(typed).scale(x)


async def test_a_stream_that_is_cancelled_frees_its_worker(options: SessionOptions, tmp_path: Path) -> None:
    async with Pool(options, workers=1) as pool:
        stream = pool.astream(f"count_until_cancelled {tmp_path}/cancelled")
        assert float(await stream.__anext__()) == 0

        async def rest() -> None:
            async for _ in stream:
                pass

        task = asyncio.ensure_future(rest())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await pool.acall("pid") == str(pool.stats().workers[0].pid)
        assert (tmp_path / "cancelled").exists()

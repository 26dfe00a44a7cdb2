"""Sessions in asyncio programs: calls, streams, start and end are awaited, cancelled, and never hold up the loop."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from programs import program

from tech_renaissance import InputError, PythonSession, RemoteError, RestartError, SessionOptions, TensorStream
from tech_renaissance import TimeoutError as TRTimeoutError

SERVER = Path(__file__).with_name("awaited_server.py")


@pytest.fixture
def several(options: SessionOptions) -> SessionOptions:
    return replace(options, max_ongoing_requests=4)


async def there(path: Path) -> None:
    """Waits for a file, as long as the test may take."""
    while not path.exists():
        await asyncio.sleep(0)


async def following(stream: AsyncGenerator[NDArray[Any], None]) -> NDArray[Any]:
    """The next tensor; the builtin `anext` is younger than the package."""
    return await stream.__anext__()


async def ended(pid: int) -> None:
    """Waits for the end of a process that is no child of whoever waits."""
    while os.path.exists(f"/proc/{pid}"):
        await asyncio.sleep(0)


# --------------------------------------------------------------------------------------------------------------- calls


async def test_calls_are_at_work_at_the_same_time(several: SessionOptions) -> None:
    async with PythonSession(several) as session:
        results = await asyncio.gather(*(session.acalculate("meet 4", np.full(3, i)) for i in range(4)))
    assert [result.tolist() for result in results] == [[i] * 3 for i in range(4)]


async def test_more_calls_than_there_are_channels(options: SessionOptions) -> None:
    async with PythonSession(options) as session:
        results = await asyncio.gather(*(session.acalculate("double", float(i)) for i in range(100)))
        assert session.stats().channels == 1
    assert [float(result) for result in results] == [2.0 * i for i in range(100)]


async def test_a_cancelled_task_tells_the_server(several: SessionOptions, tmp_path: Path) -> None:
    async with PythonSession(several) as session:
        pid = session.stats().worker_pid
        task = asyncio.create_task(session.acalculate(f"forever {tmp_path}/mark", timeout_ms=0))
        await there(tmp_path / "mark")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await there(tmp_path / "mark.noticed")
        assert float(await session.acalculate("double", 21.0)) == 42
        assert session.stats().worker_pid == pid


async def test_a_timeout_of_asyncio_tells_the_server(several: SessionOptions, tmp_path: Path) -> None:
    async with PythonSession(several) as session:
        task = asyncio.create_task(session.acalculate(f"forever {tmp_path}/mark", timeout_ms=0))
        await there(tmp_path / "mark")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(task, 0.01)
        await there(tmp_path / "mark.noticed")


async def test_a_call_that_waits_for_its_turn_is_dropped_when_it_is_cancelled(
    options: SessionOptions, tmp_path: Path
) -> None:
    async with PythonSession(options) as session:
        first = asyncio.create_task(session.acalculate(f"forever {tmp_path}/first", timeout_ms=0))
        second = asyncio.create_task(session.acalculate(f"forever {tmp_path}/second", timeout_ms=0))
        await there(tmp_path / "first")
        for task in (second, first):
            task.cancel()
        assert [type(error) for error in await asyncio.gather(first, second, return_exceptions=True)] == [
            asyncio.CancelledError
        ] * 2
        assert float(await session.acalculate("double", 1.0)) == 2
    assert not (tmp_path / "second").exists()


async def test_a_limit_and_wrong_arguments_are_those_of_calculate(options: SessionOptions, tmp_path: Path) -> None:
    async with PythonSession(options) as session:
        with pytest.raises(TRTimeoutError, match="time limit passed"):
            await session.acalculate(f"forever {tmp_path}/mark", timeout_ms=50)
        with pytest.raises(InputError, match="a str cannot be sent as a tensor"):
            await session.acalculate("double", "text")


async def test_the_death_of_the_worker_ends_all_waits(several: SessionOptions, tmp_path: Path) -> None:
    async with PythonSession(several) as session:
        stream = session.astream(f"count_and_wait {tmp_path}/stream", timeout_ms=0)
        await following(stream)
        waits = [
            asyncio.ensure_future(session.acalculate(f"forever {tmp_path}/call", timeout_ms=0)),
            asyncio.create_task(following(stream)),
        ]
        await there(tmp_path / "call")
        await there(tmp_path / "stream")
        with pytest.raises(RestartError, match="exited with code 3"):
            await session.acalculate("die")
        for error in await asyncio.gather(*waits, return_exceptions=True):
            assert isinstance(error, RestartError)
        await asyncio.to_thread(session.restart)
        assert float(await session.acalculate("double", 1.0)) == 2


# -------------------------------------------------------------------------------------------------------------- streams


async def test_tensors_come_in_order(several: SessionOptions) -> None:
    async with PythonSession(several) as session:

        async def values() -> list[int]:
            return [int(tensor[0]) async for tensor in session.astream("count 50")]

        assert await asyncio.gather(values(), values(), values()) == [list(range(50))] * 3


async def test_calls_go_on_beside_a_stream(several: SessionOptions) -> None:
    async with PythonSession(several) as session:
        async for tensor in session.astream("count 20"):
            assert float((await session.acalculate("double", tensor))[0]) == 2 * tensor[0]


async def test_a_stream_that_is_left_is_cancelled(several: SessionOptions, tmp_path: Path) -> None:
    async with PythonSession(several) as session:
        async for _ in session.astream(f"count_and_wait {tmp_path}/mark", timeout_ms=0):
            break
        await there(tmp_path / "mark.noticed")
        async with aclosing(session.astream(f"count_and_wait {tmp_path}/closed", timeout_ms=0)) as stream:
            await following(stream)
        await there(tmp_path / "closed.noticed")


async def test_a_task_that_waits_for_the_next_part_can_be_cancelled(several: SessionOptions, tmp_path: Path) -> None:
    async with PythonSession(several) as session:
        stream = session.astream(f"count_and_wait {tmp_path}/mark", timeout_ms=0)
        assert (await following(stream))[0] == 0
        task = asyncio.create_task(following(stream))
        await asyncio.sleep(0)  # for it to begin
        await there(tmp_path / "mark")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await there(tmp_path / "mark.noticed")
        with pytest.raises(StopAsyncIteration):
            await following(stream)


async def test_a_stream_that_waits_for_its_channel_can_be_cancelled(options: SessionOptions, tmp_path: Path) -> None:
    async with PythonSession(options) as session:
        call = asyncio.create_task(session.acalculate(f"forever {tmp_path}/mark", timeout_ms=0))
        await there(tmp_path / "mark")
        task = asyncio.create_task(following(session.astream("count 3", timeout_ms=0)))
        while not [thread for thread in threading.enumerate() if thread.name.startswith("tech_renaissance")]:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        call.cancel()
        assert float(await session.acalculate("double", 1.0)) == 2
        assert session.stats().requests == 2


async def test_a_failure_comes_after_the_parts_before_it(several: SessionOptions) -> None:
    async with PythonSession(several) as session:
        stream = session.astream("count_and_fail no good")
        assert (await following(stream))[0] == 0
        with pytest.raises(RemoteError, match="no good"):
            await following(stream)


async def test_a_stream_is_ended_on_a_thread_of_its_own(
    several: SessionOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it waits a moment for the server to notice."""
    threads: list[str] = []
    cancel = TensorStream.cancel

    def noting(stream: TensorStream) -> None:
        threads.append(threading.current_thread().name)
        cancel(stream)

    monkeypatch.setattr(TensorStream, "cancel", noting)
    async with PythonSession(several) as session:
        async for _ in session.astream(f"count_and_wait {tmp_path}/mark", timeout_ms=0):
            break
        await there(tmp_path / "mark.noticed")
    assert len(threads) == 1
    assert threads[0].startswith("tech_renaissance")


# ------------------------------------------------------------------------------------------------------- start and end


async def test_the_loop_goes_on_while_the_worker_is_started(
    several: SessionOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    start = PythonSession.start

    def slow_start(session: PythonSession) -> None:
        loop.call_soon_threadsafe(begun.set)
        assert go_on.wait(30), "the loop is held up"
        start(session)

    monkeypatch.setattr(PythonSession, "start", slow_start)

    async def use() -> float:
        async with PythonSession(several) as session:
            return float(await session.acalculate("double", 1.0))

    task = asyncio.create_task(use())
    await begun.wait()
    go_on.set()
    assert await task == 2


async def test_who_cancels_the_start_has_no_worker(several: SessionOptions, tmp_path: Path) -> None:
    """The template of a quick start, whose import never ends, holds up the start until then."""
    (tmp_path / "endless_import.py").write_text(
        f"import pathlib, threading\npathlib.Path({str(tmp_path / 'importing')!r}).write_text('')\n"
        "threading.Event().wait()\n"
    )
    options = replace(
        several,
        quick_start=True,
        preload=["endless_import"],
        environment={"PYTHONPATH": str(tmp_path)},
        start_timeout_ms=0,
    )
    session = PythonSession(options)
    task = asyncio.ensure_future(session.__aenter__())
    await there(tmp_path / "importing")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not session.is_alive()
    await asyncio.to_thread(session.close)


async def test_the_loop_goes_on_while_the_session_ends(several: SessionOptions, tmp_path: Path) -> None:
    """The end waits for the call, which waits for this task."""
    os.mkfifo(tmp_path / "fifo")

    async def let_go() -> None:
        await leaving.wait()
        await asyncio.to_thread((tmp_path / "fifo").write_text, "four")

    leaving = asyncio.Event()
    task = asyncio.create_task(let_go())
    async with PythonSession(several) as session:
        call = session.calculate_async(f"wait_for_fifo {tmp_path}/fifo")
        leaving.set()
    assert float(call.result(timeout=0)) == 4
    await task


async def test_who_cancels_the_end_does_not_wait_for_the_worker(several: SessionOptions, tmp_path: Path) -> None:
    session = PythonSession(several)
    await session.__aenter__()
    pid = session.stats().worker_pid
    call = session.calculate_async(f"forever {tmp_path}/mark", timeout_ms=0)
    await there(tmp_path / "mark")
    task = asyncio.ensure_future(session.__aexit__(None, None, None))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await ended(pid)
    assert isinstance(call.exception(timeout=30), Exception)


async def test_an_exception_ends_a_worker_that_is_at_work(several: SessionOptions, tmp_path: Path) -> None:
    calls = []

    async def fail() -> None:
        async with PythonSession(several) as session:
            calls.append(session.calculate_async(f"forever {tmp_path}/mark", timeout_ms=0))
            await there(tmp_path / "mark")
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    assert isinstance(calls[0].exception(timeout=0), Exception)


# --------------------------------------------------------------------------------------------------------------- Ctrl-C

HOST = """
import asyncio, os, sys
from tech_renaissance import PythonSession, SessionOptions
script, workspace, folder = sys.argv[1:]
os.setpgid(0, 0)
session = PythonSession(SessionOptions(script=script, workspace=workspace, quiet=True), framework="numpy")
"""
# As a notebook does it: each cell may be interrupted, with all that is in the process group, and the session goes on.
NOTEBOOK = """
session.start()
print(worker := session.stats().worker_pid, flush=True)
cells = [
    lambda: session.calculate(f"forever {folder}/0", timeout_ms=0),
    lambda: session.fetch_response(f"forever {folder}/1", timeout_ms=0),
    lambda: list(session.stream(f"count_and_wait {folder}/2", timeout_ms=0)),
]
for cell in cells:
    try:
        cell()
    except KeyboardInterrupt:
        print("interrupted", session.stats().worker_pid == worker, flush=True)
print(float(session.calculate("double", 21.0)))
"""
LOOP = """
async def main():
    async with session:
        print(session.stats().worker_pid, flush=True)
        await session.acalculate(f"forever {folder}/0", timeout_ms=0)

asyncio.run(main())
"""


def test_ctrl_c_in_a_notebook_cancels_the_call_and_keeps_the_worker(options: SessionOptions, tmp_path: Path) -> None:
    with program(HOST + NOTEBOOK, options.script, options.workspace, tmp_path) as host:
        assert host.stdout is not None
        assert int(host.stdout.readline()) > 0
        for cell in range(3):
            asyncio.run(there(tmp_path / str(cell)))
            os.killpg(host.pid, signal.SIGINT)
            assert host.stdout.readline() == "interrupted True\n"
            asyncio.run(there(tmp_path / f"{cell}.noticed"))
        seen, errors = host.communicate(timeout=60)
    assert (seen, errors) == ("42.0\n", "")


def test_ctrl_c_ends_a_loop_and_the_worker(options: SessionOptions, tmp_path: Path) -> None:
    with program(HOST + LOOP, options.script, options.workspace, tmp_path) as host:
        assert host.stdout is not None
        worker_end = os.pidfd_open(int(host.stdout.readline()))
        asyncio.run(there(tmp_path / "0"))
        os.killpg(host.pid, signal.SIGINT)
        _, errors = host.communicate(timeout=60)
    assert errors.endswith("KeyboardInterrupt\n")
    assert select.select([worker_end], [], [], 30)[0]
    os.close(worker_end)

"""Streams: the tensors of one request, one by one."""

from __future__ import annotations

import gc
import itertools
import os
import select
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tech_renaissance import (
    InputError,
    PythonSession,
    RemoteError,
    RestartError,
    RetryError,
    SessionOptions,
    TensorStream,
    TRException,
)
from tech_renaissance import TimeoutError as TRTimeoutError

SERVER = Path(__file__).with_name("sharing_server.py")
FRAMEWORK = "numpy"
MANY = 1_000_000


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """Where the server waits after the first tensor."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def values(stream: TensorStream) -> list[int]:
    return [int(tensor[0]) for tensor in stream]


def test_tensors_come_in_order(session: PythonSession) -> None:
    assert values(session.stream("stream 20")) == list(range(20))
    assert values(session.stream("stream 0")) == []
    assert session.fetch_response("how_it_went") == "0 finished"


def test_inputs_go_with_it(session: PythonSession) -> None:
    arrays = [np.full(3, value) for value in range(5)]
    stream = session.stream("stream_back", *arrays)
    assert isinstance(stream, TensorStream)
    assert [array.tolist() for array in stream] == [array.tolist() for array in arrays]


def test_the_kind_of_tensor(options: SessionOptions, session: PythonSession) -> None:
    with pytest.raises(InputError, match="jax"):
        session.stream("stream 1", framework="jax")
    assert isinstance(next(session.stream("stream 1", framework="torch")), torch.Tensor)
    assert isinstance(next(session.stream("stream 1")), np.ndarray)
    with PythonSession(options) as other:
        assert isinstance(next(other.stream("stream_back", np.zeros(1))), np.ndarray)
        assert isinstance(next(other.stream("stream_back", torch.zeros(1))), torch.Tensor)


@pytest.mark.parametrize("size", [10, 100_000])
def test_what_is_kept_never_changes(session: PythonSession, size: int) -> None:
    kept = list(session.stream(f"stream 50 {size}"))
    again = list(session.stream(f"stream 10 {size}"))
    for value, array in itertools.chain(enumerate(kept), enumerate(again)):
        assert array.shape == (size,)
        assert array.min() == array.max() == value


def test_an_end_stays_an_end(session: PythonSession) -> None:
    stream = session.stream("stream 2")
    assert len(list(stream)) == 2
    assert list(stream) == []
    stream.cancel()
    assert list(stream) == []


def test_failure_of_the_server(session: PythonSession, fifo: Path) -> None:
    stream = session.stream(f"stream 1 3 {fifo} no_good")
    assert next(stream)[0] == 0
    fifo.write_text("go on")
    with pytest.raises(RemoteError, match="no_good") as caught:
        next(stream)
    assert "main_logic" in caught.value.traceback
    assert list(stream) == []
    assert session.fetch_response("text next") == "next"


def test_death_of_the_worker(options: SessionOptions) -> None:
    with PythonSession(options) as session:
        stream = session.stream(f"stream {MANY}")
        next(stream)
        os.kill(session.stats().worker_pid, signal.SIGKILL)
        with pytest.raises(RestartError):
            values(stream)
        assert list(stream) == []


@pytest.mark.parametrize("tier", ["futex", "inotify"])
def test_a_part_that_is_out_when_the_worker_is_stopped_reaches_the_reader(options: SessionOptions, tier: str) -> None:
    with PythonSession(replace(options, wake_up=tier)) as session:
        stream = session.stream("stream_and_be_stopped 60")
        assert next(stream).tolist() == [0, 0, 0]
        with pytest.raises(RetryError, match="the worker was told to stop") as caught:
            next(stream)
        assert caught.value.code == "E4002"


@pytest.mark.parametrize("tier", ["futex", "inotify"])
def test_a_part_that_nobody_has_read_yet_is_not_overwritten_by_a_stop(options: SessionOptions, tier: str) -> None:
    """The worker leaves without an answer, as the host may be in the middle of reading."""
    with PythonSession(replace(options, wake_up=tier)) as session:
        session.wait_until_ready()
        worker = os.pidfd_open(session.stats().worker_pid)
        stream = session.stream("stream_and_be_stopped 0.01")
        assert select.select([worker], [], [], 30)[0]
        os.close(worker)
        assert next(stream).tolist() == [0, 0, 0]
        with pytest.raises(RestartError, match="has not taken the part before"):
            next(stream)


def test_after_a_timeout_it_can_be_read_on(session: PythonSession, fifo: Path) -> None:
    stream = session.stream(f"stream 3 3 {fifo}", timeout_ms=50)
    assert next(stream)[0] == 0
    with pytest.raises(TRTimeoutError):
        next(stream)
    fifo.write_text("go on")
    assert values(stream) == [1, 2]


# -------------------------------------------------------------------------------------------------------- ending early


def end_by_with(session: PythonSession) -> None:
    with session.stream(f"stream {MANY}") as stream:
        assert next(stream)[0] == 0


def end_by_exception(session: PythonSession) -> None:
    def fail() -> None:
        with session.stream(f"stream {MANY}") as stream:
            next(stream)
            raise KeyError

    with pytest.raises(KeyError):
        fail()


def end_by_close(session: PythonSession) -> None:
    stream = session.stream(f"stream {MANY}")
    next(stream)
    stream.close()
    assert list(stream) == []


def end_by_break(session: PythonSession) -> None:
    for _ in session.stream(f"stream {MANY}"):
        break


def end_unread(session: PythonSession) -> None:
    session.stream(f"stream {MANY}")


def end_by_garbage_collection(session: PythonSession) -> None:
    stream = session.stream(f"stream {MANY}")
    next(stream)
    cycle: list[object] = [stream]
    cycle.append(cycle)
    del stream, cycle
    gc.collect()


def end_on_another_thread(session: PythonSession) -> None:
    streams = [session.stream(f"stream {MANY}")]
    next(streams[0])
    thread = threading.Thread(target=streams.clear)
    thread.start()
    thread.join()


@pytest.mark.parametrize(
    "end",
    [
        end_by_with,
        end_by_exception,
        end_by_close,
        end_by_break,
        end_unread,
        end_by_garbage_collection,
        end_on_another_thread,
    ],
)
def test_the_server_stops_when_nobody_reads_on(session: PythonSession, end: object) -> None:
    assert callable(end)
    end(session)
    sent, how = session.fetch_response("how_it_went", timeout_ms=10_000).split()
    assert int(sent) <= 4
    assert how == "E4002"


def test_other_threads_run_while_a_stream_is_collected(session: PythonSession, fifo: Path) -> None:
    """The server notices the end once this thread has written, which it could not if the wait held the GIL."""
    stream = session.stream(f"stream {MANY} 3 {fifo}")
    next(stream)
    started = threading.Event()
    stop = threading.Event()
    ticks = itertools.count()

    def tick() -> None:
        started.set()
        while not stop.is_set():
            next(ticks)
            stop.wait(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    started.wait()
    before = next(ticks)
    del stream  # takes as long as a server is given to stop: this one does not
    after = next(ticks)
    stop.set()
    thread.join()
    assert after - before > 10
    fifo.write_text("go on")
    assert session.fetch_response("text next") == "next"


def test_the_end_of_the_session_ends_it(options: SessionOptions) -> None:
    with PythonSession(options) as session:
        stream = session.stream(f"stream {MANY}")
        next(stream)
        directory = Path(session.session_dir())
        pid = session.stats().worker_pid
    assert not directory.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    for _ in range(2):
        with pytest.raises(InputError, match="closed"):
            next(stream)
    stream.cancel()


def test_the_end_of_the_session_ends_the_wait_of_another_thread(options: SessionOptions, fifo: Path) -> None:
    with PythonSession(options) as session, ThreadPoolExecutor(1) as pool:
        stream = session.stream(f"stream 2 3 {fifo}", timeout_ms=0)
        next(stream)
        waiting = pool.submit(next, stream)
        session.close()
        error = waiting.exception(timeout=30)
    # As for any call: the worker could still say so, or was gone; or the other thread had not begun to wait.
    assert isinstance(error, TRException)
    assert error.code in ("E4002", "E3001", "E1001")


def test_futures_do_not_keep_a_session_with_an_unfinished_stream_from_closing(options: SessionOptions) -> None:
    with PythonSession(replace(options, default_timeout_ms=0)) as session:
        stream = session.stream(f"stream {MANY}")
        next(stream)
        future = session.calculate_async("echo", np.arange(3))
    assert future.result(timeout=0).tolist() == [0, 1, 2]


def test_a_stream_keeps_its_session(options: SessionOptions) -> None:
    session = PythonSession(options)
    session.start()
    pid = session.stats().worker_pid
    stream = session.stream("stream 20")
    del session
    gc.collect()
    assert values(stream) == list(range(20))
    del stream
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


# ------------------------------------------------------------------------------------------------------------- threads


def test_it_can_be_read_by_another_thread(session: PythonSession) -> None:
    stream = session.stream("stream 20")
    with ThreadPoolExecutor(1) as pool:
        assert next(stream)[0] == 0
        assert pool.submit(values, stream).result(timeout=30) == list(range(1, 20))


def test_threads_that_share_one_get_each_tensor_once(session: PythonSession) -> None:
    stream = session.stream("stream 200")
    with ThreadPoolExecutor(4) as pool:
        parts = [pool.submit(values, stream) for _ in range(4)]
        assert sorted(itertools.chain(*(part.result(timeout=30) for part in parts))) == list(range(200))


def test_calls_of_other_threads_wait_for_its_end(session: PythonSession) -> None:
    stream = session.stream("stream 3")
    next(stream)
    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(TRTimeoutError):
            pool.submit(session.fetch_response, "text x", 20).result(timeout=30)
        answer = pool.submit(session.fetch_response, "text x")
        assert values(stream) == [1, 2]
        assert answer.result(timeout=30) == "x"

"""Whose an answer is, handles, and a descriptor for event loops, from Python."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tech_renaissance import InputError, PythonSession, RestartError, SessionOptions, wait_any

SERVERS = Path(__file__).resolve().parents[1] / "cpp" / "session" / "servers"
SERVER = SERVERS / "several_server.py"
TIERS = ["futex", "inotify", "polling"]


@pytest.fixture(params=TIERS)
def plain(options: SessionOptions, request: pytest.FixtureRequest) -> SessionOptions:
    return replace(options, environment={"KIND": "plain"}, wake_up=request.param)


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "gate")
    return tmp_path / "gate"


def readable(descriptor: int, seconds: float = 0) -> bool:
    return bool(select.select([descriptor], [], [], seconds)[0])


def test_an_answer_is_for_the_thread_that_asked_or_who_has_its_request(plain: SessionOptions, gate: Path) -> None:
    with ThreadPoolExecutor(1) as pool, PythonSession(plain) as session:
        sent = session.send_request(f"wait_for_fifo {gate}")
        assert pool.submit(session.new_response).result() is False
        with pytest.raises(InputError, match=rf"was sent by thread {threading.get_native_id()}, and its answer is for"):
            pool.submit(session.wait_for_response).result()
        with pytest.raises(TimeoutError):
            pool.submit(sent.wait_for_response, 10).result()
        waiting = pool.submit(sent.wait_for_response)
        gate.write_text("handed over")
        assert waiting.result() == "handed over"
        assert not session.new_response()
        assert not sent.new_response()
        with pytest.raises(InputError, match="has been read"):
            sent.wait_for_response()


def test_a_request_outlives_its_thread(plain: SessionOptions) -> None:
    with PythonSession(plain) as session:
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(session.send_request, "echo first").result()
        session.send_tensor(np.full(2, 3, np.float32), "x")
        second = session.send_request("double x")
        assert session.fetch_response("echo between") == "between"
        assert wait_any(second) == (second, "answer")
        assert second.wait_for_tensor().tolist() == [6, 6]
        assert first.new_response()
        assert first.read_response() == "first"
        third = session.send_request("double x")
        assert [tensor.tolist() for tensor in third.wait_for_tensors()] == [[6, 6]]
        fourth = session.send_request("echo lost")
    with pytest.raises(InputError, match="has been closed"):
        fourth.new_response()


def test_the_death_of_the_worker_is_told_to_who_has_the_request(plain: SessionOptions, gate: Path) -> None:
    with ThreadPoolExecutor(1) as pool, PythonSession(plain) as session:
        sent = session.send_request(f"wait_for_fifo {gate}")
        waiting = pool.submit(sent.wait_for_response, 0)
        held = os.open(gate, os.O_WRONLY)
        os.kill(session.stats().worker_pid, signal.SIGKILL)
        with pytest.raises(RestartError):
            waiting.result()
        os.close(held)


def test_the_descriptor_is_readable_while_there_is_something_to_take(plain: SessionOptions, gate: Path) -> None:
    with PythonSession(plain) as session:
        assert session.wait_until_ready()
        descriptor = session.event_fd()
        assert session.event_fd() == descriptor
        session.send_request(f"wait_for_fifo {gate}")
        assert not readable(descriptor, 0.05)
        assert session.is_busy()
        assert session.progress() == ""
        gate.write_text("come")
        assert readable(descriptor, 20)
        assert session.read_response() == "come"
        assert not readable(descriptor)
        with session.stream("count 3") as numbers:
            read = []
            while readable(descriptor, 20):
                assert numbers.is_ready()
                if (number := next(numbers, None)) is None:
                    break
                read.append(int(number))
            assert read == [0, 1, 2]
        os.kill(session.stats().worker_pid, signal.SIGKILL)
        assert readable(descriptor, 20)
        assert not session.is_alive()
        assert not readable(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_an_event_loop_is_not_kept_waiting(plain: SessionOptions) -> None:
    """Answers are read by asyncio's `add_reader`, one after the other, with no thread of the program's."""

    async def converse(session: PythonSession) -> list[str]:
        loop, answers, done = asyncio.get_running_loop(), [], asyncio.Event()

        def look() -> None:
            if session.new_response():
                answers.append(session.read_response())
                if len(answers) == 10:
                    done.set()
                else:
                    session.send_request(f"echo {len(answers)}")

        loop.add_reader(session.event_fd(), look)
        try:
            session.send_request("echo 0")
            await asyncio.wait_for(done.wait(), 30)
        finally:
            loop.remove_reader(session.event_fd())
        return answers

    with PythonSession(plain) as session:
        assert asyncio.run(converse(session)) == [str(i) for i in range(10)]


def test_progress_is_what_the_server_said_last(options: SessionOptions, gate: Path) -> None:
    with PythonSession(replace(options, script=SERVERS / "recovery_server.py")) as session:
        session.send_request(f"wait_for_fifo {gate}")
        with open(gate, "w") as opened:  # once the server has come to it
            while session.progress() != "a third done":
                os.sched_yield()
            opened.write("on")
        assert session.wait_for_response() == "on"
        assert session.progress() == ""

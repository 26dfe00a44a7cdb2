"""Calls beside the caller, several at once, clients of another's worker, and the wait for the next, from Python."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tech_renaissance
from tech_renaissance import InputError, NotFoundError, PythonSession, RestartError, SessionOptions, wait_any

SERVER = Path(__file__).resolve().parents[1] / "cpp" / "session" / "servers" / "several_server.py"


@pytest.fixture
def several(options: SessionOptions) -> SessionOptions:
    return replace(options, environment={"KIND": "threads"}, max_ongoing_requests=4)


def test_calls_of_threads_meet_in_the_worker(several: SessionOptions) -> None:
    answers: list[str] = []
    with PythonSession(several) as session:
        threads = [threading.Thread(target=lambda: answers.append(session.fetch_response("meet x"))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == ["x"] * 4


def test_futures_come_in_order_and_are_awaitable(several: SessionOptions) -> None:
    async def gather(session: PythonSession) -> list[float]:
        futures = [session.calculate_async("double", np.full(3, i, np.float32)) for i in range(6)]
        return [float((await asyncio.wrap_future(future))[0]) for future in futures]

    with PythonSession(several) as session:
        assert asyncio.run(gather(session)) == [0, 2, 4, 6, 8, 10]


def test_a_cancelled_call_tells_its_server(several: SessionOptions) -> None:
    with PythonSession(several) as session:
        session.wait_until_ready()
        mark = Path(session.session_dir()) / "mark"
        future = session.calculate_async("until_cancelled mark")
        while not mark.exists():
            os.sched_yield()
        assert future.cancel()
        with pytest.raises(CancelledError):
            future.result()
        while not mark.with_name("mark.noticed").exists():
            os.sched_yield()
        assert session.fetch_response("echo on") == "on"


def test_the_next_of_several(several: SessionOptions) -> None:
    with PythonSession(several) as session, PythonSession(replace(several, session_id="other")) as other:
        session.send_request("echo here")
        assert wait_any(session) == (session, "answer")
        assert session.read_response() == "here"
        future = session.calculate_async("double", np.ones(2, np.float32))
        assert wait_any(other, future) == (future, "call")
        assert wait_any(other, timeout_ms=10) is None
        other.terminate()
        assert wait_any(session, other) == (other, "death")
    with pytest.raises(InputError, match="got a str"):
        wait_any("session")  # type: ignore[arg-type]


CLIENT = """
import sys
from tech_renaissance import PythonSession, SessionOptions
options = SessionOptions(workspace=sys.argv[1], quiet=True)
client = PythonSession.connect("test", options, framework="numpy")
print([info.session_id for info in PythonSession.list(sys.argv[1])], float(client.calculate("double", 21.0)))
"""


def test_another_program_takes_a_channel(several: SessionOptions) -> None:
    with PythonSession(replace(several, session_id="test")) as owner:
        owner.wait_until_ready()
        ran = subprocess.run(
            [sys.executable, "-c", CLIENT, str(several.workspace)],
            env={**os.environ, "PYTHONPATH": str(Path(tech_renaissance.__file__).parents[1])},
            capture_output=True,
            text=True,
        )
        assert (ran.stderr, ran.stdout) == ("", "['test'] 42.0\n")
        client = PythonSession.connect("test", several)
        assert client.fetch_response("echo a") == "a"
        owner.terminate()
        with pytest.raises(RestartError, match="it was started by process"):
            client.fetch_response("echo b")
        client.close()
    with pytest.raises(NotFoundError, match="no session 'test' to attach to"):
        PythonSession.connect("test", several)


def test_the_observer_gets_events(several: SessionOptions) -> None:
    events: list[tuple[object, object]] = []
    observed = replace(several, observer=lambda event: events.append((event["kind"], event["command"])))
    with PythonSession(observed) as session:
        session.wait_until_ready()
        session.fetch_response("echo x")
        assert session.probe().state == "ready"
    assert events[:4] == [("started", ""), ("ready", ""), ("sent", "echo"), ("answered", "echo")]


def test_the_old_name_of_calculate_many(several: SessionOptions) -> None:
    with PythonSession(several) as session, pytest.warns(DeprecationWarning, match="use calculate_many"):
        assert session.calculate_n("double", np.ones(1, np.float32))[0][0] == 2

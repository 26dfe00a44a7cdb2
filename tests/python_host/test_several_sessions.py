"""Several sessions of a program, and of several programs: their ids, and their starts and ends side by side."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from programs import program

from tech_renaissance import (
    InputError,
    PythonSession,
    RestartError,
    RetryError,
    SessionOptions,
    start_all,
    stop_all,
    wait_any,
)

ANOTHER = """
import sys
from tech_renaissance import PythonSession
with PythonSession(sys.argv[1], quiet_mode=True) as session:
    print(session.session_id(), session.fetch_response("text x"))
"""


@pytest.fixture
def unnamed(options: SessionOptions, monkeypatch: pytest.MonkeyPatch) -> SessionOptions:
    """Options without an id, in the workspace that sessions without options use here, too."""
    monkeypatch.setenv("TR_WORKSPACE", str(options.workspace))
    monkeypatch.setenv("TR_PYTHON", sys.executable)
    return replace(options, workspace="")


@pytest.fixture
def gated(tmp_path: Path, options: SessionOptions) -> SessionOptions:
    """Options of workers that are ready, and have left, when somebody opens a FIFO."""
    script = tmp_path / "gated.py"
    script.write_text(
        "import sys\n"
        "from tech_renaissance import TechRenaissanceServer\n"
        "def wait(gate):\n"
        "    with open(gate) as fifo: fifo.read()\n"
        f"wait({str(tmp_path)!r} + '/come-' + sys.argv[1])\n"
        "class Server(TechRenaissanceServer):\n"
        "    def main_logic(self, command, parameters): return False\n"
        "Server().run()\n"
        f"wait({str(tmp_path)!r} + '/go-' + sys.argv[1])\n"
    )
    for name in ("one", "two"):
        os.mkfifo(tmp_path / f"come-{name}")
        os.mkfifo(tmp_path / f"go-{name}")
    return replace(options, script=script)


# ----------------------------------------------------------------------------------------------------------------- ids


def test_who_gives_no_id_gets_one_that_is_free(unnamed: SessionOptions) -> None:
    lines: list[str] = []
    logged = replace(unnamed, log=lambda level, text: lines.append(text))
    with PythonSession(unnamed.script, quiet_mode=True) as first, PythonSession(logged) as second:
        assert first.session_id() == "default"
        assert second.session_id() != "default"
        assert second.session_dir().endswith(f"tr_session_{second.session_id()}")
        assert f"the session id is '{second.session_id()}', as none was given and 'default' is in use" in "\n".join(
            lines
        )
        assert [first.fetch_response("text 1"), second.fetch_response("text 2")] == ["1", "2"]
        with program(ANOTHER, unnamed.script) as another:
            seen, errors = another.communicate(timeout=30)
        assert (another.returncode, errors) == (0, "")
        assert seen.endswith(" x\n")
        assert seen.split()[0] not in (first.session_id(), second.session_id())
        with pytest.raises(RetryError, match="'default' is in use by another session of this program"):
            PythonSession(replace(unnamed, session_id="default")).start()
    with PythonSession(unnamed) as third:
        assert third.session_id() == "default"


def test_an_id_is_free_when_nothing_refers_to_the_session_that_had_it(options: SessionOptions) -> None:
    named = replace(options, session_id="named")
    session = PythonSession(named)
    session.start()
    loop = [session]
    loop.append(loop)  # type: ignore[arg-type]
    del loop, session
    with PythonSession(named) as again:
        assert again.fetch_response("text mine") == "mine"


def test_the_message_names_who_may_hold_a_session(options: SessionOptions) -> None:
    """As a cell of a notebook that runs again after an exception, which is kept."""
    named = replace(options, session_id="named")

    def cell() -> None:
        session = PythonSession(named)
        session.start()
        session.fetch_response("fail here")

    kept = pytest.raises(Exception, match="here")
    with kept as caught:
        cell()
    with pytest.raises(RetryError, match="It is an earlier PythonSession that is still referenced") as taken:
        cell()
    assert taken.value.code == "E4001"
    assert "an exception" in str(taken.value)
    assert "close() it or use `with`" in str(taken.value)
    restarted = PythonSession(named)
    with pytest.raises(RetryError, match="still referenced"):
        restarted.restart()
    assert caught.value.__traceback__ is not None
    caught.value.__traceback__ = None
    del caught, kept, taken
    restarted.restart()
    assert restarted.fetch_response("text mine") == "mine"
    restarted.close()


# ------------------------------------------------------------------------------------------------------------- starting


def test_start_async(gated: SessionOptions, tmp_path: Path) -> None:
    session = PythonSession(replace(gated, session_id="one"))
    started = session.start_async()
    with open(tmp_path / "come-one", "w"):  # the worker has come to it
        assert not started.done()
        assert session.is_alive()
    ready = wait_any(started, timeout_ms=30_000)
    assert ready is not None
    assert ready.item is started
    assert started.result() is None
    assert session.is_ready()

    async def again() -> None:
        await asyncio.wrap_future(session.start_async())

    asyncio.run(again())
    assert session.stats().epoch == 1
    session.terminate()
    session.close()


def test_start_async_of_what_cannot_start(options: SessionOptions, tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text("raise SystemExit('not today')")
    for wrong, kind, message in ((script, RestartError, "not today"), ("/no/such.py", InputError, "does not exist")):
        session = PythonSession(replace(options, script=wrong))
        with pytest.raises(kind, match=message):
            session.start_async().result(30)


def test_a_script_that_ends_at_once_is_told_by_the_next_call(options: SessionOptions, tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text("raise SystemExit('not today')")
    with PythonSession(replace(options, script=script)) as session:
        with pytest.raises(RestartError, match="exited with code 1 before it was ready") as told:
            session.fetch_response("text x")
        assert "not today" in str(told.value)
        with pytest.raises(RestartError) as again:
            session.calculate("echo", 1.0)
        assert str(again.value) == str(told.value)


def test_start_all(options: SessionOptions) -> None:
    sessions = [PythonSession(options) for _ in range(3)]
    start_all(*sessions)
    assert all(session.is_ready() for session in sessions)
    assert len({session.stats().worker_pid for session in sessions}) == 3
    missing = PythonSession(replace(options, script="/no/such/script.py"))
    more = PythonSession(options)
    with pytest.raises(InputError, match="/no/such/script"):
        start_all(missing, more)
    assert more.is_ready()
    with pytest.raises(InputError, match="7 is a int: expected a PythonSession"):
        start_all(more, 7)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="timeout_ms is -1"):
        start_all(more, timeout_ms=-1)
    stop_all(*sessions, more, missing)
    assert not any(session.is_alive() for session in (*sessions, more))
    sessions[0].start()
    assert sessions[0].fetch_response("text again") == "again"


# --------------------------------------------------------------------------------------------------------------- ending


def open_both(tmp_path: Path, gate: str) -> None:
    """Neither opens before both workers have come to it."""
    with open(tmp_path / f"{gate}-two", "w"), open(tmp_path / f"{gate}-one", "w"):
        pass


def test_stop_all_stops_side_by_side(gated: SessionOptions, tmp_path: Path) -> None:
    one, two = (PythonSession(replace(gated, session_id=name)) for name in ("one", "two"))
    one.start()
    two.start()
    open_both(tmp_path, "come")
    start_all(one, two)
    opener = os.fork()
    if opener == 0:
        signal.alarm(30)
        open_both(tmp_path, "go")
        os._exit(0)
    stop_all(one, two)
    assert os.waitstatus_to_exitcode(os.waitpid(opener, 0)[1]) == 0
    assert not one.is_alive()
    assert not two.is_alive()


PROGRAM = """
import os, sys
from tech_renaissance import PythonSession, SessionOptions
script, workspace = sys.argv[1:]
sessions = [PythonSession(SessionOptions(script=script, workspace=workspace, session_id=name, quiet=True))
            for name in ("one", "two")]
for session in sessions: session.start()
print("started", flush=True)
for session in sessions: session.wait_until_ready()
print("ready", flush=True)
"""


def test_the_end_of_a_program_stops_its_sessions_side_by_side(gated: SessionOptions, tmp_path: Path) -> None:
    with program(PROGRAM, gated.script, gated.workspace) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == "started\n"
        open_both(tmp_path, "come")
        assert host.stdout.readline() == "ready\n"
        open_both(tmp_path, "go")
        _, errors = host.communicate(timeout=30)
    assert (host.returncode, errors) == (0, "")
    assert not list(Path(gated.workspace, "python_session").glob("tr_session_*"))

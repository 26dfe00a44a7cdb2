"""A `PythonSession` from start to end: answers, failures, threads, Ctrl-C and the end of the program."""

from __future__ import annotations

import builtins
import json
import os
import select
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from programs import program

import tech_renaissance
from tech_renaissance import (
    InputError,
    NotFoundError,
    PythonSession,
    RemoteError,
    RestartError,
    RetryError,
    SessionOptions,
    TRException,
)


def test_text(session: PythonSession) -> None:
    text = 'quotes " and \\ backslashes, ünïcode 漢字'
    assert session.fetch_response(f"text {text}") == text
    session.send_request('{"command": "text", "parameters": "json"}')
    assert session.wait_for_response() == "json"
    session.send_request("text later")
    session.wait_until_ok()
    assert session.new_response()
    assert session.read_response() == "later"
    assert not session.new_response()
    with pytest.raises(InputError):
        session.read_response()


def test_the_end_of_with_stops_the_worker(options: SessionOptions) -> None:
    with PythonSession(options) as session:
        assert session.is_alive()
        session.wait_until_ready()
        assert session.is_ready()
        assert not session.is_busy()
        directory = Path(session.session_dir())
        assert directory.is_dir()
        assert directory.name == f"tr_session_{session.session_id()}"
        pid = session.stats().worker_pid
    assert not directory.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(InputError, match="closed"):
        session.start()


def test_an_exception_in_the_with_block_stops_the_worker(options: SessionOptions) -> None:
    pids = []

    def leave_early() -> None:
        with PythonSession(options) as session:
            pids.append(session.stats().worker_pid)
            raise KeyError

    with pytest.raises(KeyError):
        leave_early()
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_a_session_without_with_ends_with_its_last_reference(options: SessionOptions) -> None:
    session = PythonSession(options)
    session.start()
    pid = session.stats().worker_pid
    del session
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_exit_and_start_again(options: SessionOptions) -> None:
    with PythonSession(options) as session:
        session.please_exit()
        assert not session.is_alive()
        session.start()
        assert session.fetch_response("text again") == "again"
        session.terminate()
        session.join()
        assert session.stats().epoch == 2


def test_stats(options: SessionOptions) -> None:
    with PythonSession(options) as session:
        session.calculate("echo", 1.0)
        with pytest.raises(RemoteError):
            session.fetch_response("fail x")
        stats = session.stats()
        hello = json.loads(Path(session.session_dir(), "hello.json").read_text())
    assert (stats.requests, stats.responses, stats.failures) == (2, 2, 1)
    assert (stats.bytes_sent, stats.bytes_received) == (8, 8)
    assert (stats.carrier, stats.host_wake_up, stats.worker_wake_up) == ("mailbox", "futex", "futex")
    assert (stats.start, stats.python, stats.worker_pid, stats.epoch) == ("plain", sys.executable, hello["pid"], 1)
    assert (stats.fallback, stats.quarantined, stats.kept) == ("", [], "")
    assert stats.last_round_trip_us > 0


def test_remote_error_carries_what_python_said(session: PythonSession) -> None:
    with pytest.raises(RemoteError, match="no good") as caught:
        session.fetch_response("fail no good")
    assert (caught.value.code, caught.value.python_type) == ("E9999", "ValueError")
    assert "main_logic" in caught.value.traceback
    assert session.fetch_response("text still here") == "still here"


def test_unknown_command(session: PythonSession) -> None:
    with pytest.raises(NotFoundError) as caught:
        session.calculate("no_such_command", 1.0)
    assert caught.value.code == "E1004"


def test_timeout_is_the_builtin_one_too(options: SessionOptions, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with PythonSession(options) as session:
        with pytest.raises(builtins.TimeoutError) as caught:
            session.fetch_response(f"wait_for_fifo {fifo}", timeout_ms=20)
        assert isinstance(caught.value, tech_renaissance.TimeoutError)
        assert caught.value.code == "E3003"
        fifo.write_text("late")
        assert session.fetch_response("text next") == "next"
        with pytest.raises(InputError, match="timeout_ms is -5: expected a whole number of milliseconds"):
            session.fetch_response("text x", timeout_ms=-5)


def test_death_of_the_worker(options: SessionOptions) -> None:
    with PythonSession(options) as session, pytest.raises(RestartError, match="7") as caught:
        session.fetch_response("die 7")
    assert caught.value.code == "E3001"


def test_a_fork_of_the_host_is_refused_and_disturbs_nothing(options: SessionOptions) -> None:
    with PythonSession(options) as session:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                session.fetch_response("text x")
            except InputError as error:
                session.close()
                code = 0 if "was forked" in str(error) else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert session.fetch_response("text undisturbed") == "undisturbed"


def test_two_sessions_of_one_id(options: SessionOptions) -> None:
    options = replace(options, session_id="taken")
    with PythonSession(options), pytest.raises(RetryError, match="taken") as caught:
        PythonSession(options).start()
    assert caught.value.code == "E4001"


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"script": "/no/such/script.py"}, InputError, "/no/such/script.py"),
        ({"python": "/no/such/python"}, RestartError, "/no/such/python"),
        ({"module": "no_such_module"}, RestartError, "no_such_module"),
    ],
)
def test_a_session_that_cannot_start(
    options: SessionOptions, changes: dict[str, str], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message), PythonSession(replace(options, **changes)) as session:
        session.wait_until_ready()


@pytest.mark.parametrize("changes", [{"session_id": "../x"}, {"wake_up": "telepathy"}])
def test_options_that_make_no_sense(options: SessionOptions, changes: dict[str, str]) -> None:
    (wrong,) = changes.values()
    with pytest.raises(InputError, match=wrong):
        PythonSession(replace(options, **changes))


@pytest.mark.parametrize("tier", ["futex", "inotify", "watchdog", "polling"])
def test_forced_wake_up(options: SessionOptions, tier: str) -> None:
    with PythonSession(replace(options, wake_up=tier)) as session:
        session.wait_until_ready()
        assert session.stats().worker_wake_up == tier
        assert session.fetch_response("text x") == "x"


def test_log_callback(options: SessionOptions) -> None:
    lines: list[tuple[str, str]] = []
    with PythonSession(replace(options, log=lambda level, text: lines.append((level, text)))) as session:
        session.fetch_response("text x")
    assert lines
    assert {level for level, _ in lines} <= {"debug", "info", "warning", "error"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_log_callback_that_raises_is_reported_and_does_no_harm(options: SessionOptions) -> None:
    def broken(level: str, text: str) -> None:
        raise ValueError("broken callback")

    with PythonSession(replace(options, log=broken)) as session:
        assert session.fetch_response("text x") == "x"


def test_other_threads_run_while_one_waits(session: PythonSession, tmp_path: Path) -> None:
    """The worker waits for this thread, and this thread could not run if the wait held the GIL."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    answers: list[str] = []
    waiting = threading.Thread(target=lambda: answers.append(session.fetch_response(f"wait_for_fifo {fifo}")))
    waiting.start()
    fifo.write_text("written")
    waiting.join()
    assert answers == ["written"]


def test_close_ends_the_wait_of_another_thread(options: SessionOptions, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    codes: list[str] = []

    def wait(session: PythonSession) -> None:
        try:
            session.fetch_response(f"busy_for_ever {fifo}", timeout_ms=0)
        except TRException as error:
            codes.append(error.code)

    with PythonSession(options) as session:
        thread = threading.Thread(target=wait, args=(session,))
        thread.start()
        assert fifo.read_text() == "busy"
    thread.join()
    # Cancelled where the worker could still say so, else the worker's death.
    assert codes in (["E4002"], ["E3001"])


HOST = """
import sys
from tech_renaissance import PythonSession, SessionOptions
script, workspace, fifo = sys.argv[1:]
session = PythonSession(SessionOptions(script=script, workspace=workspace, quiet=True), framework="numpy")
session.start()
worker = session.stats().worker_pid
"""
CALL = """
print(worker, flush=True)
session.fetch_response("text x")
"""
ENDLESS_CALL = """
print(worker, flush=True)
session.fetch_response("busy_for_ever " + fifo, timeout_ms=0)
"""
STREAM = """
stream = session.stream("stream 1000000")
next(stream)
print(worker, flush=True)
"""
ENDLESS_STREAM = """
stream = session.stream("stream 1000000 3 " + fifo, timeout_ms=0)
next(stream)
try:
    print(worker, flush=True)
    next(stream)
except KeyboardInterrupt:
    stream.cancel()  # for when it came before the wait; a wait that it ended has ended the stream as well
    open(fifo, "w").write("go on")
    print(session.fetch_response("how_it_went"))
"""


@pytest.mark.parametrize(
    ("life", "output", "error"),
    [(CALL, "", ""), (ENDLESS_CALL, "", "KeyboardInterrupt\n"), (STREAM, "", ""), (ENDLESS_STREAM, "1 E4002\n", "")],
    ids=["call", "interrupted call", "open stream", "interrupted stream"],
)
def test_the_end_of_the_program_ends_the_worker(
    options: SessionOptions, tmp_path: Path, life: str, output: str, error: str
) -> None:
    """Also by Ctrl-C, which ends a wait without a limit."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = Path(options.script).with_name("sharing_server.py")
    with program(HOST + life, script, options.workspace, fifo) as host:
        assert host.stdout is not None
        # Readable once the worker has ended, whoever is its parent by then.
        worker_end = os.pidfd_open(int(host.stdout.readline()))
        if life == ENDLESS_CALL:
            assert fifo.read_text() == "busy"
        if life in (ENDLESS_CALL, ENDLESS_STREAM):
            host.send_signal(signal.SIGINT)
        seen, errors = host.communicate(timeout=30)
    try:
        assert select.select([worker_end], [], [], 10)[0], "the worker is still there"
    finally:
        os.close(worker_end)
    assert seen == output
    assert errors.endswith(error) if error else (host.returncode, errors) == (0, "")
    assert not list(Path(options.workspace, "python_session").glob("tr_session_*"))


CALLING_FOR_EVER = """
import _thread, sys, threading
from tech_renaissance import PythonSession, SessionOptions

session = PythonSession(SessionOptions(script=sys.argv[1], workspace=sys.argv[2], quiet=True, max_ongoing_requests=4))
session.start()
answered = threading.Semaphore(0)

def call():
    while True:
        try:
            session.fetch_response("text x")
        except Exception:
            pass  # the session has been stopped
        answered.release()

for _ in range(8):
    _thread.start_new_thread(call, ())
for _ in range(100):
    answered.acquire()
"""


def test_threads_that_call_while_the_program_ends_do_not_abort_it(options: SessionOptions) -> None:
    """Nobody waits for such threads, nor for daemons: they come back from C++ when there is no interpreter any more."""
    with program(CALLING_FOR_EVER, options.script, options.workspace) as host:
        _, errors = host.communicate(timeout=60)
    assert (host.returncode, errors) == (0, "")


def test_the_worker_runs_in_the_interpreter_of_the_host(
    options: SessionOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where neither an option nor the environment names another: what this program imports, its worker can import."""
    for name in ("TR_PYTHON", "VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    with PythonSession(replace(options, python="")) as session:
        assert session.stats().python == sys.executable
    monkeypatch.setenv("TR_PYTHON", "/no/such/python")
    with pytest.raises(RestartError, match=r"\$TR_PYTHON"):
        PythonSession(replace(options, python="")).start()


def test_what_a_session_looks_like(session: PythonSession) -> None:
    stats = session.stats()
    shown = f"<PythonSession {session.session_id()!r}: worker {stats.worker_pid} "
    assert repr(session).startswith(shown)
    assert repr(session).endswith(f", {stats.carrier}>")
    session.terminate()
    session.close()
    assert repr(session) == "<PythonSession, closed>"


def test_what_stands_beside_options_is_refused() -> None:
    for arguments in ({"session_id": "mine"}, {"quiet_mode": True}):
        with pytest.raises(InputError, match=f"{next(iter(arguments))} is .* beside SessionOptions: expected "):
            PythonSession(SessionOptions(), **arguments)  # type: ignore[arg-type]


def test_names_of_the_package() -> None:
    assert {"PythonSession", "SessionOptions", "TimeoutError"} <= set(dir(tech_renaissance))
    names: dict[str, object] = {}
    exec("from tech_renaissance import *", names)
    assert "TechRenaissanceServer" in names
    assert "TimeoutError" not in names  # which stays the builtin, of which ours is one

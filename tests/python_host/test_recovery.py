"""Liveness, restarts and post-mortems of a `PythonSession`, as a Python host sees them."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from programs import program

from tech_renaissance import InputError, PythonSession, RestartError, RestartPolicy, SessionOptions, errors

SERVER = Path(__file__).resolve().parents[1] / "cpp" / "session" / "servers" / "recovery_server.py"
STARVED = """
import os
from tech_renaissance import TechRenaissanceServer

class Starved(TechRenaissanceServer):
    def main_logic(self, command, parameters):
        news, gate = (os.open(path, os.O_RDWR) for path in parameters.split())
        taken = []
        try:
            while True:
                taken.append(os.dup(gate))
        except OSError:
            os.write(news, b"!")
        os.read(gate, 1)
        for descriptor in taken:
            os.close(descriptor)
        self.write_response(command, "fed")
        return True

Starved().run()
"""
NEIGHBOUR = """
import sys
import numpy as np
from tech_renaissance import PythonSession, SessionOptions

script, workspace, wake_up = sys.argv[1:]
options = SessionOptions(script, workspace=workspace, python=sys.executable, session_id="same", quiet=True)
options.wake_up = wake_up
with PythonSession(options) as session:
    session.wait_until_ready()
    session.send_tensor(np.full(20_000, 2, np.float32), "a")
    print("ready", flush=True)
    for line in sys.stdin:
        print(session.fetch_tensor("sum a")[0], flush=True)
"""


def test_stats_tell_a_slow_worker_from_a_dead_one(options: SessionOptions, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    session = PythonSession(options)
    assert session.stats().worker_state == "none"
    with session:
        session.wait_until_ready()
        assert session.stats().worker_state == "ready"
        with pytest.raises(errors.TimeoutError, match="merely slow"):
            session.fetch_response(f"wait_for_fifo {gate}", timeout_ms=500)
        stats = session.stats()
        assert (stats.worker_state, stats.progress) == ("busy", "a third done")
        assert stats.busy_ms > 0
        session.terminate()
        assert session.stats().worker_state == "dead"


def test_restart_and_what_may_be_retried(options: SessionOptions, tmp_path: Path) -> None:
    with PythonSession(options) as session:
        with pytest.raises(RestartError, match="cannot be told") as lost:
            session.fetch_response("kill")
        assert not lost.value.may_retry
        with pytest.raises(RestartError, match="was not sent") as unsent:
            session.fetch_response("state")
        assert unsent.value.may_retry
        session.restart()
        assert session.fetch_response("state") == "rebuilt"
        assert session.stats().epoch == 2


def test_policy_repeats_tensors_and_quarantines(options: SessionOptions) -> None:
    policy = RestartPolicy(attempts=5, backoff_ms=1, idempotent=["sum", "kill"])
    with PythonSession(replace(options, restart=policy)) as session:
        x = np.full((300, 100), 2.0, np.float32)
        for text in ("", "overwrite", ""):
            Path(session.session_dir(), "die").write_text(text)
            assert session.calculate("sum", x)[0] == 60_000
        assert session.stats().epoch == 4
        with pytest.raises(RestartError, match="was at work when 3 workers died"):
            session.fetch_response("kill")
        with pytest.raises(InputError, match="clear_quarantine"):
            session.fetch_response("kill")
        assert session.stats().quarantined == ["kill"]
        session.clear_quarantine()
        assert session.stats().quarantined == []
        assert session.calculate("sum", x)[0] == 60_000


@pytest.mark.parametrize("wake_up", ["futex", "inotify"])
def test_a_worker_whose_on_start_fails_was_never_ready(options: SessionOptions, tmp_path: Path, wake_up: str) -> None:
    script = tmp_path / "server.py"
    script.write_text(
        "from tech_renaissance import TechRenaissanceServer\n"
        "class Server(TechRenaissanceServer):\n"
        "    def on_start(self):\n"
        "        open('gate').read()\n"
        "        raise RuntimeError('no model')\n"
        "    main_logic = print\n"
        "Server().run()\n",
        encoding="utf-8",
    )
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    session = PythonSession(replace(options, script=script, wake_up=wake_up, working_directory=tmp_path))
    session.start()  # returns after a while, with the worker alive
    os.close(os.open(gate, os.O_WRONLY))
    with pytest.raises(RestartError, match="before it was ready") as error:
        session.wait_until_ready()
    assert "no model" in str(error.value)
    assert not session.is_ready()


def test_an_error_shows_the_log_of_its_own_worker(options: SessionOptions) -> None:
    with PythonSession(options) as session:
        with pytest.raises(RestartError, match="about to be killed"):
            session.fetch_response("kill")
        session.restart()
        assert session.fetch_response("answer_and_die kept") == "kept"
        session.join()
        with pytest.raises(RestartError, match="wrote nothing to its log"):
            session.fetch_response("state")


def test_a_restart_finds_what_the_start_found(
    options: SessionOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "server.py").write_text(SERVER.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with PythonSession(replace(options, script="server.py")) as session:
        monkeypatch.chdir("/")
        session.restart()
        assert session.fetch_response("state") == "rebuilt"
        worker = session.stats().worker_pid
        (tmp_path / "server.py").unlink()
        with pytest.raises(InputError, match="does not exist"):
            session.restart()
        assert session.fetch_response("pid") == str(worker)


@pytest.mark.parametrize("wake_up", ["futex", "inotify"])
def test_a_request_has_no_status_of_an_earlier_one(options: SessionOptions, tmp_path: Path, wake_up: str) -> None:
    gate, closed = tmp_path / "gate", tmp_path / "closed"
    os.mkfifo(gate)
    os.mkfifo(closed)
    with PythonSession(replace(options, wake_up=wake_up)) as session:
        session.send_request(f"wait_for_fifo {gate}")
        with open(gate, "w", encoding="utf-8") as opened:
            while session.stats().progress != "a third done":
                pass
            opened.write("on")
        assert session.wait_for_response() == "on"
        with pytest.raises(errors.TimeoutError) as slow:
            session.fetch_response(f"hold_gil {closed}", timeout_ms=1)
        assert "a third done" not in str(slow.value)


def test_restart_in_the_loop_over_a_stream(options: SessionOptions) -> None:
    with PythonSession(options, framework="numpy") as session:
        seen: list[float] = []
        restarted = False
        with pytest.raises((RestartError, errors.RetryError)):  # noqa: PT012 - the loop is what is tested
            for frame in session.stream("frames 1000000"):
                seen.append(frame[0])
                if len(seen) == 3:
                    session.restart()
                    restarted = session.is_ready()
        assert restarted
        assert seen == [0, 1, 2]
        assert [frame[0] for frame in session.stream("frames 2")] == [0, 1]
        assert session.stats().epoch == 2


def test_streams_that_a_restart_has_ended_do_not_keep_the_session(options: SessionOptions) -> None:
    with PythonSession(options) as session:
        ended = session.stream("frames 1000000")
        session.restart()
        last = session.stream("frames 2")
        directory = Path(session.session_dir())
    assert not directory.exists()
    for stream in (ended, last):
        with pytest.raises(InputError, match="was closed"):
            next(stream)


def test_what_the_log_callback_may_do(options: SessionOptions) -> None:
    seen: list[object] = []

    def log(level: str, text: str) -> None:
        if session is None or seen:
            return
        seen.append(session.stats().epoch)
        for call in (session.restart, session.start, lambda: session.fetch_response("state")):
            with pytest.raises(InputError, match="in the log callback") as refused:
                call()
            seen.append(refused.value.code)

    session: PythonSession | None = None
    with PythonSession(replace(options, log=log)) as made:
        made.wait_until_ready()
        session = made
        made.restart()
        assert seen == [1, "E1001", "E1001", "E1001"]
        assert made.fetch_response("state") == "rebuilt"


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("attempts", "3", r"RestartPolicy\.attempts is '3': expected a whole number from 0 to 2147483647"),
        ("attempts", 2**40, r"RestartPolicy\.attempts is 1099511627776: expected"),
        ("attempts", True, "expected a whole number"),
        ("backoff_ms", 1.5, r"RestartPolicy\.backoff_ms is 1\.5: expected a whole number"),
        ("backoff_ms", -1, r"RestartPolicy\.backoff_ms is -1: expected"),
        ("quarantine_after", None, r"RestartPolicy\.quarantine_after is None"),
        ("idempotent", "kill", r"RestartPolicy\.idempotent is 'kill': expected a sequence of strings"),
        ("idempotent", [1], r"RestartPolicy\.idempotent is \[1\]: expected a sequence of strings"),
    ],
)
def test_a_policy_of_wrong_values_names_the_field(
    options: SessionOptions, field: str, value: object, expected: str
) -> None:
    policy = RestartPolicy(**{field: value})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=expected):
        PythonSession(replace(options, restart=policy))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("script", 5),
        ("module", None),
        ("environment", {"A": 1}),
        ("environment", ["A"]),
        ("start_timeout_ms", "60"),
        ("default_timeout_ms", -1),
        ("wake_up", 3),
        ("log", "file"),
        ("quiet", "no"),
        ("preload", "torch"),
        ("restart", 3),
    ],
)
def test_options_of_wrong_values_name_the_field(options: SessionOptions, field: str, value: object) -> None:
    with pytest.raises(InputError, match=rf"^SessionOptions\.{field} is .*: expected "):
        PythonSession(replace(options, **{field: value}))  # type: ignore[arg-type]


def test_values_that_do(options: SessionOptions) -> None:
    policy = RestartPolicy(attempts=np.int32(3), backoff_ms=2**63 - 1, idempotent=("a", "b"))  # type: ignore[arg-type]
    assert PythonSession(replace(options, restart=policy, quiet=np.True_)).session_id()  # type: ignore[arg-type]


def test_a_worker_without_descriptors_is_slow_and_not_wedged(options: SessionOptions, tmp_path: Path) -> None:
    script = tmp_path / "starved.py"
    script.write_text(STARVED, encoding="utf-8")
    news, gate = tmp_path / "news", tmp_path / "gate"
    os.mkfifo(news)
    os.mkfifo(gate)
    with PythonSession(replace(options, script=script)) as session:
        session.send_request(f"starve {news} {gate}")
        with open(news, "rb") as told:
            assert told.read(1) == b"!"
        with pytest.raises(errors.TimeoutError, match="its interpreter runs"):
            session.wait_for_response(timeout_ms=1000)
        assert session.stats().worker_state == "busy"
        with open(gate, "wb") as opened:
            opened.write(b"!")
        assert session.wait_for_response() == "fed"


def test_a_signal_while_an_exception_is_made_is_what_is_raised(
    options: SessionOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with PythonSession(options) as session:
        monkeypatch.setattr(errors.TRException, "__init__", interrupted)  # as a handler that runs in there would
        with pytest.raises(KeyboardInterrupt):
            session.read_response()
        monkeypatch.undo()
        with pytest.raises(errors.InputError):
            session.read_response()


@pytest.mark.parametrize("wake_up", ["futex", "inotify"])
def test_a_session_does_not_touch_another_that_has_its_place(
    options: SessionOptions, tmp_path: Path, wake_up: str
) -> None:
    workspace = tmp_path / "workspace"
    with PythonSession(replace(options, session_id="same", wake_up=wake_up)) as session:
        assert session.calculate("sum", np.ones(20_000, np.float32))[0] == 20_000
        worker = os.pidfd_open(session.stats().worker_pid)
        while workspace.exists():  # the worker may be writing its status meanwhile
            shutil.rmtree(workspace, ignore_errors=True)
        with program(NEIGHBOUR, SERVER, workspace, wake_up, stdin=subprocess.PIPE) as neighbour:
            assert neighbour.stdin is not None
            assert neighbour.stdout is not None
            assert neighbour.stdout.readline() == "ready\n"
            for size in (20_000, 20_000, 10, 500_000):
                with pytest.raises(RestartError):
                    session.calculate("sum", np.ones(size, np.float32))
                with pytest.raises(RestartError, match="removed"):
                    session.send_tensor(np.ones(size + 1, np.float32), "a")
                neighbour.stdin.write("on\n")
                neighbour.stdin.flush()
                assert float(neighbour.stdout.readline()) == 40_000
            assert select.select([worker], [], [], 20)[0], "the worker whose place is gone leaves"
            assert (workspace / "python_session" / "tr_session_same" / "status.txt").read_text() != "exiting"
            os.close(worker)
            neighbour.stdin.close()
    assert not (workspace / "python_session" / "tr_session_same").exists()

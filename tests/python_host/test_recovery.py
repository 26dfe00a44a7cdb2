"""Liveness, restarts and post-mortems of a `PythonSession`, as a Python host sees them."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tech_renaissance import InputError, PythonSession, RestartError, RestartPolicy, SessionOptions, errors

REPOSITORY = Path(__file__).resolve().parents[2]
SERVER = REPOSITORY / "tests" / "cpp" / "session" / "servers" / "recovery_server.py"


@pytest.fixture
def recovery(options: SessionOptions) -> SessionOptions:
    """Options of a session with the server of recoveries."""
    return replace(options, script=SERVER, python=sys.executable)


def test_stats_tell_a_slow_worker_from_a_dead_one(recovery: SessionOptions, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    session = PythonSession(recovery)
    assert session.stats().worker_state == "none"
    with session:
        session.wait_until_ready()
        assert session.stats().worker_state == "ready"
        with pytest.raises(errors.TimeoutError, match="merely slow"):
            session.fetch_response(f"wait_for_fifo {gate}", timeout_ms=100)
        stats = session.stats()
        assert (stats.worker_state, stats.progress) == ("busy", "a third done")
        assert stats.busy_ms > 0
        session.terminate()
        assert session.stats().worker_state == "dead"


def test_restart_and_what_may_be_retried(recovery: SessionOptions, tmp_path: Path) -> None:
    with PythonSession(recovery) as session:
        with pytest.raises(RestartError, match="cannot be told") as lost:
            session.fetch_response("kill")
        assert not lost.value.may_retry
        with pytest.raises(RestartError, match="was not sent") as unsent:
            session.fetch_response("state")
        assert unsent.value.may_retry
        session.restart()
        assert session.fetch_response("state") == "rebuilt"
        assert session.stats().epoch == 2


def test_policy_repeats_tensors_and_quarantines(recovery: SessionOptions) -> None:
    policy = RestartPolicy(attempts=5, backoff_ms=1, idempotent=["sum", "kill"])
    with PythonSession(replace(recovery, restart=policy)) as session:
        x = np.full((300, 100), 2.0, np.float32)
        for text in ("", "overwrite", ""):
            Path(session.session_dir(), "die").write_text(text)
            assert session.calculate("sum", x)[0] == 60_000
        assert session.stats().epoch == 4
        with pytest.raises(RestartError, match="has ended 3 workers"):
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
        "Server().run()\n",
        encoding="utf-8",
    )
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    session = PythonSession(
        replace(options, script=script, python=sys.executable, wake_up=wake_up, working_directory=tmp_path)
    )
    session.start()  # returns after a while, with the worker alive
    os.close(os.open(gate, os.O_WRONLY))
    with pytest.raises(RestartError, match="before it was ready") as error:
        session.wait_until_ready()
    assert "no model" in str(error.value)
    assert not session.is_ready()


def test_an_error_shows_the_log_of_its_own_worker(recovery: SessionOptions) -> None:
    with PythonSession(recovery) as session:
        with pytest.raises(RestartError, match="about to be killed"):
            session.fetch_response("kill")
        session.restart()
        assert session.fetch_response("answer_and_die kept") == "kept"
        session.join()
        with pytest.raises(RestartError, match="wrote nothing to its log"):
            session.fetch_response("state")


def test_a_restart_finds_what_the_start_found(
    recovery: SessionOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "server.py").write_text(SERVER.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with PythonSession(replace(recovery, script="server.py")) as session:
        monkeypatch.chdir("/")
        session.restart()
        assert session.fetch_response("state") == "rebuilt"
        worker = session.stats().worker_pid
        (tmp_path / "server.py").unlink()
        with pytest.raises(InputError, match="does not exist"):
            session.restart()
        assert session.fetch_response("pid") == str(worker)


@pytest.mark.parametrize("wake_up", ["futex", "inotify", "polling"])
def test_a_removed_directory_is_like_a_death(recovery: SessionOptions, wake_up: str) -> None:
    policy = RestartPolicy(attempts=1, backoff_ms=1)
    with PythonSession(replace(recovery, wake_up=wake_up, restart=policy)) as session:
        held = session.calculate("sum", np.ones(100, np.float32))
        shutil.rmtree(session.session_dir())
        with pytest.raises(RestartError, match="removed") as lost:
            session.send_tensor(np.ones(3, np.float32), "x")  # by hand: the caller's to repeat
        assert lost.value.may_retry
        assert session.calculate("sum", np.ones(200, np.float32))[0] == 200
        assert os.path.isdir(session.session_dir())
        assert held[-1] == 100
        assert session.stats().epoch == 2


@pytest.mark.parametrize("wake_up", ["futex", "inotify"])
def test_a_request_has_no_status_of_an_earlier_one(recovery: SessionOptions, tmp_path: Path, wake_up: str) -> None:
    gate, closed = tmp_path / "gate", tmp_path / "closed"
    os.mkfifo(gate)
    os.mkfifo(closed)
    with PythonSession(replace(recovery, wake_up=wake_up)) as session:
        session.send_request(f"wait_for_fifo {gate}")
        with open(gate, "w", encoding="utf-8") as opened:
            while session.stats().progress != "a third done":
                pass
            opened.write("on")
        assert session.wait_for_response() == "on"
        with pytest.raises(errors.TimeoutError) as slow:
            session.fetch_response(f"hold_gil {closed}", timeout_ms=1)
        assert "a third done" not in str(slow.value)

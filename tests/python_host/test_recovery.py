"""Liveness, restarts and post-mortems of a `PythonSession`, as a Python host sees them."""

from __future__ import annotations

import os
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

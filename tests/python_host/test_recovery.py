"""Liveness, restarts and post-mortems of a `PythonSession`, as a Python host sees them."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tech_renaissance import PythonSession, SessionOptions, errors

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

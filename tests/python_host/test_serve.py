"""`python -m tech_renaissance serve`: from the start of workers to their end."""

from __future__ import annotations

import os
import re
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
from serving import SERVICES, Served, command

from tech_renaissance import PythonSession, RestartError, attach

FILTERS = f"{SERVICES}:Filters"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return tmp_path / "workspace"


class Waiting:
    """A call that is at work until it is let go."""

    def __init__(self, session: PythonSession, folder: Path) -> None:
        self.outcome: str | Exception = ""
        self._fifo = folder / "fifo"
        os.mkfifo(self._fifo)
        self._session = session
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.outcome = self._session.call("wait_for", path=str(self._fifo))
        except Exception as error:
            self.outcome = error

    def let_go(self) -> str | Exception:
        self._fifo.write_text("done", encoding="utf-8")
        return self.ended()

    def ended(self) -> str | Exception:
        self._thread.join()
        return self.outcome


def test_programs_attach_by_name(workspace: Path) -> None:
    with Served(workspace, FILTERS).ready() as served:
        assert any(line.startswith("Filters is served as filters-0, filters-1") for line in served.lines)
        with served.connect("filters-0") as first, served.connect("filters-1") as second:
            image = np.ones((2, 3), "f4")
            np.testing.assert_array_equal(first.calculate("brighten", image), image + 0.5)
            np.testing.assert_array_equal(second.calculate("brighten", image), image + 0.5)
        served.signal(signal.SIGTERM)
        status, error = served.end()
        assert (status, error) == (0, "")
        assert served.lines[-2:] == ["filters ends: SIGTERM", "filters has ended"]
    assert PythonSession.list(workspace) == []
    assert list((workspace / "served").iterdir()) == []


def test_a_main_logic_is_served_as_well(workspace: Path) -> None:
    arguments = ("--name", "old", "--set", "Older.threads=3")
    with Served(workspace, f"{SERVICES}:Older", *arguments).ready("old") as served, served.connect("old-0") as session:
        assert session.fetch_response("hello you") == "hello you 3"


def test_the_end_waits_for_calls_at_work(workspace: Path, tmp_path: Path) -> None:
    with Served(workspace, FILTERS, "--workers", 1).ready() as served, served.connect() as session:
        call = Waiting(session, tmp_path)
        assert served.until_error("waiting") == "[filters-0] waiting"
        served.signal()
        served.until("filters ends: SIGINT")
        assert call.let_go() == "done"
        assert served.end()[0] == 0


def test_the_grace_ends(workspace: Path, tmp_path: Path) -> None:
    arguments = ("--workers", 1, "--graceful-shutdown-timeout-s", 0.1)
    with Served(workspace, FILTERS, *arguments).ready() as served, served.connect() as session:
        call = Waiting(session, tmp_path)
        served.until_error("waiting")
        served.signal()
        assert served.end()[0] == 0
        assert isinstance(call.ended(), Exception)


def test_a_second_signal_ends_at_once(workspace: Path, tmp_path: Path) -> None:
    with Served(workspace, FILTERS, "--workers", 1).ready() as served, served.connect() as session:
        call = Waiting(session, tmp_path)
        served.until_error("waiting")
        served.signal()
        served.until("filters ends")
        served.signal()
        status, error = served.end()
        assert status == 130
        assert "filters is ended at once" in error
        assert isinstance(call.ended(), RestartError)


def test_a_signal_ends_the_start(workspace: Path) -> None:
    with Served(workspace, f"{SERVICES}:Slow") as served:
        assert served.until_error("starting") == "[slow-0] starting"
        served.signal()
        assert served.end()[0] == 0
        assert served.lines == ["slow ends: SIGINT", "slow has ended"]
    assert PythonSession.list(workspace) == []


def test_a_dead_worker_is_replaced(workspace: Path) -> None:
    with Served(workspace, FILTERS, "--workers", 1).ready() as served, served.connect() as session:
        before = session.stats().worker_pid
        os.kill(before, signal.SIGKILL)
        served.until("filters-0: ready")
        session.restart()
        assert session.stats().worker_pid != before
        assert session.calculate("brighten", np.zeros((1, 1), "f4"))[0, 0] == 0.5
        with attach("filters", workspace=str(workspace)) as client:
            with pytest.raises(RestartError, match="; it is served, and gets another worker: further calls go to"):
                client.die()
            assert client.who()
        served.signal()
        status, error = served.end()
        assert status == 0
        assert re.search(r"was killed by signal 9 .* while it was idle; .*another is started", error)
        assert "restart()" not in error


def test_a_worker_that_dies_again_and_again_ends_it(workspace: Path) -> None:
    settings = ("--workers", 1, "--set", "Filters.restart_attempts=2", "--set", "Filters.restart_backoff_s=0.01")
    with Served(workspace, FILTERS, *settings) as served:
        for _ in range(3):
            served.until("filters-0: ready")
            with served.connect() as session, pytest.raises(RestartError):
                session.call("die")
        status, error = served.end()
    assert status == 1
    assert "another is started in 0.01 s" in error
    assert "filters-0: failed 3 times in a row: " in error
    assert "exited with code 3" in error
    assert "filters has failed: filters-0 failed 3 times in a row" in error
    assert served.lines[-1] == "filters has ended"


def test_a_worker_that_cannot_be_started_ends_it(workspace: Path) -> None:
    with Served(workspace, f"{SERVICES}:Never") as served:
        status, error = served.end()
    assert status == 1
    assert "[never-0] ValueError: no weights here" in error
    assert "never has failed: never-0 failed: " in error
    assert not any("is ready" in line for line in served.lines)


def test_check_has_every_worker_answer(workspace: Path) -> None:
    good = command(workspace, "serve", FILTERS, "--check", "--quiet")
    assert (good.returncode, good.stdout, good.stderr) == (0, "", "")
    bad = command(workspace, "serve", f"{SERVICES}:Wrong", "--check")
    assert bad.returncode == 1
    assert "wrong-0 failed: the example of double: InputError: double: number is 'five': expected an int" in bad.stderr


def test_a_name_is_served_once(workspace: Path) -> None:
    with Served(workspace, FILTERS).ready() as served:
        other = served.command("serve", FILTERS)
        assert other.returncode == 1
        assert "'filters' is being served by another process" in other.stderr
        assert "stop filters" in other.stderr


def test_what_is_no_service_is_told_before_anything_starts(workspace: Path) -> None:
    for server, message in (
        (f"{SERVICES}:Filter", "there is no class Filter in"),
        (f"{SERVICES}:Image", "there is no class Image in"),
        (f"{SERVICES}:Path", "Path serves nothing: expected methods with @endpoint"),
        ("nowhere.py:Filters", "there is no file nowhere.py"),
    ):
        found = command(workspace, "serve", server)
        assert found.returncode == 1
        assert message in found.stderr
    assert not workspace.exists()

"""How a worker comes to its end: asked, by signal, by its own code, and with its host."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import host
import pytest
from host import PACKAGE_DIR, SERVERS, Host, start_time

# A worker whose host is gone ends itself with its group, so that nothing it has started stays behind.
ENDED = (0, -signal.SIGKILL)


def test_a_worker_leaves_when_asked(start: Callable[..., Host]) -> None:
    host = start("probe")
    response = host.ask("__exit__")
    assert (response["result"], response["id"]) == ("ok", 1)
    assert host.status == "exiting"
    assert host.exit_code() == 0
    assert host.status == "exiting"
    assert host.log() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_worker_cleanly(start: Callable[..., Host], number: int) -> None:
    host = start("probe")
    host.ask("echo")
    host.process.send_signal(number)
    assert host.exit_code() == 0
    assert host.status == "exiting"
    assert host.log() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("command", ["spin", "wait"])
def test_a_signal_cancels_the_request_and_ends_the_worker(
    start: Callable[..., Host], command: str, number: int
) -> None:
    host = start("probe")
    host.send(command)
    host.wait_for("started")
    host.process.send_signal(number)
    response = host.receive()
    assert response["error"]["code"] == "E4002"  # type: ignore[index]
    assert response["message"] == f"{command!r} was cancelled: the worker was told to stop"
    assert host.exit_code() == 0
    assert host.status == "exiting"


def test_a_signal_during_the_start_ends_the_worker(workspace: Path) -> None:
    code = (
        "import os; from tech_renaissance import TechRenaissanceServer\n"
        "class Server(TechRenaissanceServer):\n"
        "    def on_start(self):\n"
        "        open(os.environ['TR_SESSION_DIR'] + '/started', 'w').close()\n"
        "        while True: pass\n"
        "    def main_logic(self, command, parameters): return False\n"
        "Server().run()"
    )
    with Host(workspace, ["-c", code]) as host:
        host.wait_for("started")
        host.process.terminate()
        assert host.exit_code() == 0
        assert host.read("hello.json") is None


def test_signals_at_any_moment_lose_no_answer(start: Callable[..., Host]) -> None:
    """Whatever the moment of the signal, the request was answered or is still there for another worker."""
    for delay in range(15):
        host = start("probe")
        host.hello()
        host.send("echo", "x")
        select.select([], [], [], delay / 10_000)  # Not to wait for anything: to hit another moment each time.
        host.process.terminate()
        assert host.exit_code() == 0
        response, request = host.read("response.json"), host.read("request.json")
        assert (response is None) != (request is None)
        if response is not None:
            answer = json.loads(response)
            assert answer["result"] == "x" or answer["error"]["code"] == "E4002"


def test_sys_exit_in_user_code_is_answered_and_obeyed(start: Callable[..., Host]) -> None:
    host = start("probe")
    response = host.ask("exit")
    assert response["error"]["code"] == "E9999"  # type: ignore[index]
    assert response["error"]["type"] == "SystemExit"  # type: ignore[index]
    assert response["message"].startswith("the server called sys.exit(7) in 'exit' and has left (at ")
    assert host.exit_code() == 7
    assert host.status == "exiting"


def test_a_session_directory_that_vanishes_ends_the_worker(start: Callable[..., Host], workspace: Path) -> None:
    host = start("probe")
    host.hello()
    host.directory.rename(workspace / "elsewhere")
    assert host.exit_code(5) == 0


@pytest.mark.parametrize("command", ["", "spin", "wait", "stubborn"])
def test_a_worker_does_not_outlive_its_host(workspace: Path, command: str) -> None:
    began = time.monotonic()
    with doomed_host(workspace, command) as host:
        worker = os.pidfd_open(int(host.stdout.readline()))  # type: ignore[union-attr]
        host.kill()
        died = time.monotonic()
        assert select.select([worker], [], [], 20)[0], "the worker has outlived its host"
        # A second, on a machine that has the time for it.
        assert time.monotonic() - died < 1 + (died - began)
        os.close(worker)
    assert not (workspace / "python_session" / "tr_session_test").exists()


def test_a_directory_that_someone_else_holds_is_not_swept(workspace: Path) -> None:
    import fcntl

    directory = workspace / "python_session" / "tr_session_test"
    with doomed_host(workspace, "") as host:
        worker = os.pidfd_open(int(host.stdout.readline()))  # type: ignore[union-attr]
        with open(workspace / "python_session" / ".lock", "r+") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            host.kill()
            assert select.select([worker], [], [], 5)[0]
        os.close(worker)
    assert (directory / "worker.log").exists()


def test_a_directory_that_belongs_to_another_host_by_now_is_not_swept(workspace: Path) -> None:
    directory = workspace / "python_session" / "tr_session_test"
    with doomed_host(workspace, "") as host:
        worker = os.pidfd_open(int(host.stdout.readline()))  # type: ignore[union-attr]
        record = json.loads((directory / "session.json").read_text())
        (directory / "session.json").write_text(json.dumps(record | {"host_pid": os.getpid()}))
        host.kill()
        assert select.select([worker], [], [], 5)[0]
        os.close(worker)
    assert (directory / "worker.log").exists()


def test_a_host_whose_pid_is_someone_elses_is_dead(workspace: Path) -> None:
    record: dict[str, object] = {"host_pid": os.getpid(), "host_start_time": str(int(start_time(os.getpid())) - 1)}
    with Host(workspace, SERVERS / "probe.py", record=record) as host:
        assert host.exit_code(5) in ENDED


def test_a_host_that_is_dead_already_ends_the_worker(workspace: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-S", "-c", ""])
    dead.wait()
    with Host(workspace, SERVERS / "probe.py", record={"host_pid": dead.pid, "host_start_time": "1"}) as host:
        assert host.exit_code(5) in ENDED


def test_without_pidfd_the_host_is_watched_all_the_same(workspace: Path) -> None:
    code = (
        "import os, runpy, sys; del os.pidfd_open; sys.argv = sys.argv[1:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    dead = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    record: dict[str, object] = {"host_pid": dead.pid, "host_start_time": start_time(dead.pid)}
    with Host(workspace, ["-c", code, str(SERVERS / "probe.py")], record=record) as host:
        assert host.ask("echo", "x")["result"] == "x"
        dead.communicate(b"\n")
        assert host.exit_code(5) in ENDED


def doomed_host(workspace: Path, command: str) -> subprocess.Popen[str]:
    """A host process whose first line is the pid of its worker."""
    settings = {key: value for key, value in os.environ.items() if not key.startswith("TR_")}
    return subprocess.Popen(
        [sys.executable, host.__file__, str(workspace), command],
        stdout=subprocess.PIPE,
        text=True,
        env=settings | {"PYTHONPATH": str(PACKAGE_DIR)},
    )

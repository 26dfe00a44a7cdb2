"""Workers whose interpreter lacks what Windows lacks: all that can be seen of Windows without it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from channel_host import ChannelHost
from host import PACKAGE_DIR, SERVERS, Host, running, start_time

import tech_renaissance as tr
from tech_renaissance.platform.files import patient

LAUNCHER = str(Path(__file__).parent / "windows_floor.py")


def server(name: str) -> list[str]:
    """What the interpreter is given for a server of tests/python/servers."""
    return [LAUNCHER, str(SERVERS / f"{name}.py")]


@pytest.fixture(scope="module")
def probe() -> Iterator[Host]:
    """A worker that the tests leave alive."""
    with running(script=server("probe")) as host:
        yield host


def test_every_module_but_programs_is_imported(tmp_path: Path) -> None:
    """Also what no worker there gets to use."""
    script = tmp_path / "imports.py"
    script.write_text(
        "import importlib, pkgutil, tech_renaissance as package\n"
        "for found in pkgutil.walk_packages(package.__path__, 'tech_renaissance.'):\n"
        "    if not found.name.startswith(('tech_renaissance.scripts.', 'tech_renaissance._core'))"
        " and not found.name.endswith(('__main__', '.windows')):\n"
        "        importlib.import_module(found.name)\n"
        "        print(found.name)\n"
    )
    environment = {"PYTHONPATH": str(PACKAGE_DIR), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, LAUNCHER, str(script)], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert {"tech_renaissance.worker.runtime", "tech_renaissance.worker.template"} <= set(done.stdout.split())


def test_it_takes_the_files(probe: Host) -> None:
    hello = probe.hello()
    assert (hello["carrier"], hello["wake_up"] in ("watchdog", "polling")) == ("files", True)
    assert "there is no inotify on this operating system" in str(hello["fallback"])
    assert probe.ask("echo", "a b")["result"] == "a b"
    assert probe.ask("status")["result"] == "busy"


def test_a_failure_has_its_type_and_traceback(probe: Host) -> None:
    error = probe.ask("raise_value_error", "x")["error"]
    assert error["type"] == "ValueError"  # type: ignore[index]
    assert error["message"].startswith('not "x" (at ')  # type: ignore[index]
    assert "do_raise_value_error" in error["traceback"]  # type: ignore[index]
    assert probe.ask("nonsense")["error"]["code"] == "E1004"  # type: ignore[index]


def test_a_mailbox_that_is_offered_is_declined(workspace: Path) -> None:
    with closing(ChannelHost(workspace, server("probe"), "library", environment={"TR_LIBRARY": ""})) as host:
        hello = host.hello()
        assert hello["carrier"] == "files"
        assert host.ask("echo", "x")["result"] == "x"


@pytest.mark.parametrize("size", [0, 10, 1_000_000])
def test_tensors_go_there_and_back(size: int) -> None:
    with running(script=server("tensors"), environment={"FRAMEWORK": "numpy"}) as host:
        for value in range(3):
            sent = np.full(size, value, np.float32)
            target = io.BytesIO()
            tr.write_tsr(sent, target)
            host.write("a.tsr", target.getvalue())
            assert host.ask("echo", "a")["tensors"] == ["result_0"]
            found = tr.read_tsr(host.directory / "result_0.tsr", framework="numpy")
            assert (np.asarray(found) == sent).all()
        assert not [path for path in host.directory.iterdir() if path.name.startswith(".tmp")]


def test_it_leaves_when_it_is_told_to() -> None:
    with running(script=server("probe")) as host:
        host.hello()
        assert host.ask("__exit__")["result"] == "ok"
        assert host.exit_code() == 0
        assert host.status == "exiting"


def test_a_signal_ends_one_that_waits_and_one_that_works() -> None:
    for command in ("", "spin"):
        with running(script=server("probe")) as host:
            host.hello()
            if command:
                host.send(command)
                host.wait_for("started")
            host.process.terminate()
            assert host.exit_code() == 0


@pytest.mark.parametrize("command", ["", "spin"])
def test_the_death_of_its_host_ends_it(command: str) -> None:
    """No descriptor tells of it, so the worker looks."""
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as owner:
        record = {"host_pid": owner.pid, "host_start_time": start_time(owner.pid)}
        with running(script=server("probe"), record=record) as host:
            host.hello()
            if command:
                host.send(command)
                host.wait_for("started")
            owner.kill()
            owner.wait()
            host.exit_code()


@pytest.mark.parametrize("kind", ["threads", "async"])
def test_several_requests_run_at_once_and_are_cancelled(workspace: Path, kind: str) -> None:
    with closing(ChannelHost(workspace, server("several"), "polling", environment={"KIND": kind})) as host:
        host.hello()
        other = host.channel("1-1")
        waiting = other.send("wait", "begun")
        host.wait_until(lambda: (host.directory / "begun").exists())
        assert host.first.ask("echo", "meanwhile")["result"] == "meanwhile"
        other.cancel(waiting)
        assert other.receive()["id"] == waiting


def test_what_is_denied_for_a_moment_is_tried_again() -> None:
    """As Windows denies what is done to a file that somebody else has open."""
    denials = [PermissionError(), PermissionError()]

    def call(what: str) -> str:
        if denials:
            raise denials.pop()
        return what

    assert patient(call)("done") == "done"


def test_what_is_denied_for_good_is_not_tried_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tech_renaissance.platform.files._PATIENCE", 0.0)

    def call() -> None:
        raise PermissionError("no")

    with pytest.raises(PermissionError, match="no"):
        patient(call)()

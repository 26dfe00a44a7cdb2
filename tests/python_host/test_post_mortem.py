"""Failures that are kept, and `python -m tech_renaissance replay` of them."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import PACKAGE_PARENT

from tech_renaissance import PythonSession, SessionOptions, TRException, errors, read_tsr

SOURCE = """
import os, signal, sys, threading
from tech_renaissance import TechRenaissanceServer

class Server(TechRenaissanceServer):
    framework = "numpy"

    def main_logic(self, command, parameters):
        if command == "fail":
            for array in self.get_tensors(parameters, -1):
                array[:] = 0
            raise ValueError(parameters)
        if command == "kill":
            print("last words", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        if command == "leave":
            sys.exit(parameters)
        if command == "stall":
            threading.Event().wait()
        if command == "frames":
            self.stream_tensors(self.get_tensors(parameters))
            self.stream_tensors(self.get_tensors(parameters))
            raise KeyError("third")
        return command == "work"

Server().run()
"""


@pytest.fixture(params=["futex", "inotify"])
def keeping(request: pytest.FixtureRequest, options: SessionOptions, tmp_path: Path) -> SessionOptions:
    """Options of a session that keeps its failures, on either carrier."""
    script = tmp_path / "server.py"
    script.write_text(SOURCE, encoding="utf-8")
    return replace(options, script=script, keep_on_failure=True, wake_up=request.param, session_id="kept")


def fail(session: PythonSession, request: str, *tensors: Any, timeout_ms: int = 30_000) -> Path:
    """Provokes a failure; where it is kept."""
    with pytest.raises(TRException):
        session.calculate(request, *tensors, timeout_ms=timeout_ms)
    return Path(session.stats().kept)


def replay(kept: Path, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """Runs the command."""
    command = [sys.executable, "-m", "tech_renaissance", "replay", str(kept), *arguments]
    environment = {**os.environ, "PYTHONPATH": PACKAGE_PARENT}
    return subprocess.run(
        command, input=typed, capture_output=True, text=True, timeout=60, check=False, env=environment
    )


def test_a_failure_is_complete_and_outlives_what_follows(keeping: SessionOptions) -> None:
    x = np.full((100, 100), 2.0, np.float32)
    with PythonSession(keeping) as session:
        session.wait_until_ready()
        session.send_tensor(x + 1, "weights")
        kept = fail(session, "fail", x, x[:2])
        for _ in range(3):  # a session that goes on
            session.send_tensor(x * 9, "weights")
            session.fetch_response("work")
            with pytest.raises(TRException):
                session.calculate("work", x * 7, x)
    assert kept.name.startswith("kept_kept_")
    assert not Path(session_folder := kept.with_name("tr_session_kept")).exists(), session_folder
    names = {path.name for path in kept.iterdir()}
    expected = {"request.json", "a.tsr", "b.tsr", "weights.tsr", "worker.log", "status.txt", "hello.json"}
    assert names == {*expected, "session.json", "failure.json"}
    assert (read_tsr(kept / "a.tsr", "numpy") == 2).all()  # as sent, though the server wrote to it
    assert read_tsr(kept / "b.tsr", "numpy").shape == (2, 100)
    assert (read_tsr(kept / "weights.tsr", "numpy") == 3).all()
    assert json.loads((kept / "request.json").read_text())["parameters"] == "a,b"
    assert "ValueError" in (kept / "worker.log").read_text()
    record = json.loads((kept / "failure.json").read_text())
    assert record["kind"] == "error"
    assert (record["error"]["code"], record["error"]["type"]) == ("E9999", "ValueError")
    assert record["tensors"] == {"a": "as sent", "b": "as sent", "weights": "as found"}
    assert record["worker"]["command"] == [str(keeping.python), str(keeping.script), "kept"]


def test_replays_repeat(keeping: SessionOptions) -> None:
    x = np.full((100, 100), 2.0, np.float32)
    with PythonSession(keeping) as session:
        session.wait_until_ready()
        failed = fail(session, "fail", x)
        stalled = fail(session, "stall", timeout_ms=300)
        session.restart()
        streamed = fail(session, "frames", x)
        killed = fail(session, "kill", x)
        session.restart()
        left = fail(session, "leave")
    for kept, text in (
        (failed, "the request failed with E9999, ValueError"),
        (stalled, "there was no answer in time"),
        (streamed, "the request failed with E9999, KeyError"),
        (killed, "the worker was killed by SIGKILL while it was at work on the request"),
        (left, "the request failed with E9999, SystemExit"),
    ):
        result = replay(kept)
        assert "Exception ignored" not in result.stdout + result.stderr
        assert f"recorded: {text}\nreplayed: {text}\nthe failure repeats\n" in result.stdout, result
        assert result.returncode == 0
    assert json.loads((killed / "failure.json").read_text())["worker"]["signal"] == 9
    assert "last words" in (killed / "worker.log").read_text()


def test_a_mended_server_does_not_repeat_it(keeping: SessionOptions, tmp_path: Path) -> None:
    with PythonSession(keeping) as session:
        kept = fail(session, "kill", 1.0)
    mended = tmp_path / "mended.py"
    mended.write_text(SOURCE.replace("os.kill(os.getpid(), signal.SIGKILL)", "return True"), encoding="utf-8")
    result = replay(kept, "--script", str(mended))
    assert "replayed: the request was answered\nthe failure does not repeat\n" in result.stdout, result
    assert result.returncode == 1


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_under_pdb(keeping: SessionOptions, kind: str) -> None:
    if kind == "async":
        script = Path(keeping.script)
        script.write_text(SOURCE.replace("def main_logic", "async def main_logic"), encoding="utf-8")
    with PythonSession(keeping) as session:
        kept = fail(session, "fail", np.zeros(3, np.float32))
    result = replay(kept, "--pdb", typed="p command + '!'\nc\np 'post' + parameters\nq\n")
    assert "'fail!'" in result.stdout, result
    assert "'posta'" in result.stdout
    assert "the failure repeats" in result.stdout
    assert result.returncode == 0


def test_pdb_that_is_left_says_nothing(keeping: SessionOptions) -> None:
    with PythonSession(keeping) as session:
        kept = fail(session, "fail", np.zeros(3, np.float32))
    for typed in ("q\n", ""):
        result = replay(kept, "--pdb", typed=typed)
        assert result.returncode == 2, result
        assert "left before the request came to its end" in result.stderr


def test_what_has_not_come_about_in_time_is_not(keeping: SessionOptions) -> None:
    with PythonSession(keeping) as session:
        session.wait_until_ready()
        session.send_request("stall")
        assert not session.wait_until_ok(1)
        assert (session.stats().failures, session.stats().kept) == (0, "")
        with pytest.raises(errors.TimeoutError):
            session.wait_for_response(1)
        assert session.stats().failures == 1
        assert Path(session.stats().kept).is_dir()


def test_a_start_that_fails_is_kept(keeping: SessionOptions, tmp_path: Path) -> None:
    Path(keeping.script).write_text("raise SystemExit(3)\n", encoding="utf-8")
    session = PythonSession(keeping)
    session.start()
    with pytest.raises(errors.RestartError):
        session.wait_until_ready()
    result = replay(Path(session.stats().kept))
    assert "recorded: the worker exited with code 3 before it was ready" in result.stdout, result
    assert result.returncode == 0


def test_the_last_sixteen_are_kept(keeping: SessionOptions) -> None:
    with PythonSession(keeping) as session:
        directories = [fail(session, "fail") for _ in range(18)]
    assert [path.exists() for path in directories] == [False, False, *[True] * 16]


def test_what_cannot_be_replayed(tmp_path: Path) -> None:
    result = replay(tmp_path)
    assert result.returncode == 2
    assert "expected a directory that SessionOptions::keep_on_failure has kept" in result.stderr


class Debugger:
    """What an editor says over the Debug Adapter Protocol, as far as it is needed."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 30)
        self._file = self._socket.makefile("rwb")
        self._sent = 0

    def __enter__(self) -> Debugger:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def send(self, command: str, **arguments: Any) -> None:
        self._sent += 1
        request = {"seq": self._sent, "type": "request", "command": command, "arguments": arguments}
        body = json.dumps(request).encode()
        self._file.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._file.flush()

    def wait_for(self, name: str) -> dict[str, Any]:
        """The next event of this name, or answer to a command of this name; others are passed over."""
        while True:
            length = 0
            while line := self._file.readline().strip():
                length = int(line.partition(b":")[2])
            assert length, f"the debugger has left before {name!r} came"
            message = json.loads(self._file.read(length))
            if name in (message.get("event"), message.get("command")):
                assert message.get("success", True), message
                return dict(message.get("body") or {})

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        self.send(command, **arguments)
        return self.wait_for(command)


def test_under_debugpy(options: SessionOptions, tmp_path: Path) -> None:
    if importlib.util.find_spec("debugpy") is None:
        pytest.skip("debugpy is not installed: run .ci/setup")
    script = tmp_path / "server.py"
    script.write_text(SOURCE, encoding="utf-8")
    with PythonSession(replace(options, script=script, keep_on_failure=True)) as session:
        kept = fail(session, "fail", np.zeros(3, np.float32))
    command = [sys.executable, "-m", "tech_renaissance", "replay", str(kept), "--debugpy", "0"]
    environment = {**os.environ, "PYTHONPATH": PACKAGE_PARENT, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            waiting = process.stdout.readline()
            assert waiting.startswith("waiting for a debugger on 127.0.0.1:"), waiting
            with Debugger(int(waiting.rpartition(":")[2])) as debugger:
                debugger.ask("initialize", adapterID="test", pathFormat="path")
                debugger.send("attach", justMyCode=False)
                debugger.wait_for("initialized")
                debugger.ask("configurationDone")
                thread = debugger.wait_for("stopped")["threadId"]
                debugger.ask("stepIn", threadId=thread)  # it stops where main_logic is called
                debugger.wait_for("stopped")
                frame = debugger.ask("stackTrace", threadId=thread)["stackFrames"][0]
                assert frame["name"].endswith("main_logic")
                assert Path(frame["source"]["path"]) == script
                assert debugger.ask("evaluate", expression="command", frameId=frame["id"])["result"] == "'fail'"
                debugger.ask("continue", threadId=thread)
                debugger.wait_for("terminated")
            output, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    assert "the failure repeats" in output
    assert process.returncode == 0


def test_a_debugger_attaches_to_the_running_worker(options: SessionOptions, tmp_path: Path) -> None:
    if importlib.util.find_spec("debugpy") is None:
        pytest.skip("debugpy is not installed: run .ci/setup")
    script = tmp_path / "server.py"
    script.write_text(SOURCE, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with PythonSession(replace(options, script=script, debug_port=port)) as session:
        session.wait_until_ready()
        with Debugger(port) as debugger:
            debugger.ask("initialize", adapterID="test", pathFormat="path")
            debugger.send("attach", justMyCode=False)
            debugger.wait_for("initialized")
            lines = [number for number, line in enumerate(SOURCE.splitlines(), 1) if "def main_logic" in line]
            debugger.ask("setBreakpoints", source={"path": str(script)}, breakpoints=[{"line": lines[0] + 1}])
            debugger.ask("configurationDone")
            call = session.calculate_async("fail", np.zeros(3, np.float32))
            thread = debugger.wait_for("stopped")["threadId"]
            frame = debugger.ask("stackTrace", threadId=thread)["stackFrames"][0]
            assert debugger.ask("evaluate", expression="command", frameId=frame["id"])["result"] == "'fail'"
            debugger.ask("setBreakpoints", source={"path": str(script)}, breakpoints=[])
            debugger.ask("continue", threadId=thread)
            with pytest.raises(errors.RemoteError):
                call.result(30)
            debugger.ask("disconnect")


def test_who_wants_to_type_is_told_how_to_debug(options: SessionOptions, tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text(
        "from tech_renaissance import TechRenaissanceServer\n"
        "class Server(TechRenaissanceServer):\n"
        "    def main_logic(self, command, parameters):\n"
        "        input('name? ') if command == 'input' else breakpoint()\n"
        "        return True\n"
        "Server().run()\n"
    )
    with PythonSession(replace(options, script=script)) as session:
        for command in ("input", "breakpoint"):
            with pytest.raises(errors.RemoteError, match=r"no terminal to read from\. To debug it: keep_on_failure"):
                session.fetch_response(command)


def test_without_debugpy(options: SessionOptions, tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text(SOURCE, encoding="utf-8")
    bare = replace(options, script=script, keep_on_failure=True, python="/usr/bin/python3")
    with PythonSession(bare) as session:
        kept = fail(session, "kill")
    probe = subprocess.run(["/usr/bin/python3", "-c", "import debugpy"], capture_output=True, check=False)
    if probe.returncode == 0:
        pytest.skip("debugpy is installed")
    result = replay(kept, "--debugpy", "0")
    assert result.returncode == 2
    assert "/usr/bin/python3 -m pip install debugpy" in result.stderr


def test_what_is_kept_of_shared_memory_stays_as_it_was(keeping: SessionOptions) -> None:
    with PythonSession(keeping) as session:
        session.wait_until_ready()
        image = session.empty((100_000,), np.float32, "image", "numpy")
        image[:] = 1
        session.send_tensor(image, "image")
        kept = fail(session, "fail nothing")
        image[:] = 5
        assert np.array_equal(read_tsr(kept / "image.tsr"), np.ones(100_000, np.float32))

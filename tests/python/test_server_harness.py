"""A server at work in the process of its test, without a worker."""

from __future__ import annotations

import asyncio
import runpy
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tech_renaissance import InputError, NotFoundError, RemoteError, RestartError, TechRenaissanceServer
from tech_renaissance import TimeoutError as LimitPassed
from tech_renaissance.testing import ServerHarness

PACKAGE_PARENT = Path(__file__).resolve().parents[2] / "python"


class Server(TechRenaissanceServer):
    """One request at a time."""

    framework = "numpy"
    started = False

    def __init__(self) -> None:  # without that of the base class, as users do
        self.waiting = threading.Event()
        self.cancelled_calls = 0

    def on_start(self) -> None:
        self.started = True

    def main_logic(self, command: str, parameters: str) -> bool:
        if command == "double":
            self.send_tensors(self.get_tensors(parameters) * 2)
        elif command == "split":
            self.send_tensors(*self.get_tensors(parameters))
        elif command == "text":
            self.write_response(command, parameters)
        elif command == "step":
            self.send_tensors(sum=self.tensors["obs"] + self.tensors["act"], obs=self.tensors["obs"])
        elif command == "half_named":
            self.send_tensors(1.0)
            self.send_tensors(loss=2.0)
        elif command == "count":
            self.send_tensors(len(self.get_tensors(parameters, -1)))
        elif command == "where":
            self.write_response(command, f"{self.session_id} {self.session_dir}")
        elif command == "on_a_thread":
            thread = threading.Thread(target=lambda: self.send_tensors(self.get_tensors(parameters) + 1))
            thread.start()
            thread.join()
        elif command == "numbers":
            for number in range(int(parameters)):
                self.stream_tensors(number)
        elif command == "wait":
            self.waiting.set()
            self.wait_until_cancelled()
            self.cancelled_calls += 1
        elif command == "leave":
            sys.exit(3)
        else:
            return False
        return True


def test_names_are_those_of_a_session() -> None:
    with ServerHarness(Server()) as harness:
        results = harness.calculate_named("step", {"obs": np.ones(2)}, act=np.full(2, 3.0))
        assert list(results) == ["sum", "obs"]
        assert results["sum"].tolist() == [4, 4]
        assert [float(result[0]) for result in harness.calculate_many("step", obs=np.ones(1), act=np.ones(1))] == [2, 1]
        with pytest.raises(
            InputError, match=r"'step' answered with 2 tensors.*or calculate_named\(\) for 'sum', 'obs'"
        ):
            harness.calculate("step", obs=1.0, act=2.0)
        with pytest.raises(InputError, match="names of these only 'loss'"):
            harness.calculate_named("half_named")
        with pytest.raises(InputError, match="two tensors of one call are named 'obs'"):
            harness.calculate("step", {"obs": 1.0}, {"obs": 2.0})
        with pytest.raises(InputError, match="timeout is no option"):
            harness.calculate("step", timeout=5)
        for limit in (-5, 2.5, True):
            with pytest.raises(InputError, match="timeout_ms is"):
                harness.fetch_response("text a", timeout_ms=limit)  # type: ignore[arg-type]
        assert harness.fetch_response("text a", timeout_ms=timedelta(seconds=20)) == "a"
        assert harness.fetch_response('{"cmd": "text", "params": "b"}') == "b"
        with pytest.raises(InputError, match="message is 5"):
            harness.fetch_response(5)  # type: ignore[arg-type]
        assert harness.calculate("count", *range(30)) == 30


def test_what_a_session_calls_can_be_called() -> None:
    server = Server()
    with ServerHarness(server) as harness:
        assert server.started
        assert harness.calculate("double", np.array([1, 2])).tolist() == [2, 4]
        assert harness.calculate("double", 1.5) == 3.0
        one, two = harness.calculate_many("split", np.ones((2, 3), np.float32))
        assert one.dtype == two.dtype == np.float32
        assert one.shape == (3,)
        assert harness.fetch_response("text a  b") == "a  b"
        assert harness.fetch_response('{"command": "text", "parameters": "c"}') == "c"
        harness.send_tensor(np.array(4), "kept")
        assert harness.fetch_tensor("double kept") == 8
        assert harness.calculate("on_a_thread", 1) == 2
        assert [int(part) for part in harness.stream("numbers 5")] == [0, 1, 2, 3, 4]
        name, directory = harness.fetch_response("where").split(" ", 1)
        assert (name, Path(directory).is_dir()) == ("harness", True)
    assert not Path(directory).exists()
    with pytest.raises(InputError, match="not started, or has been closed"):
        harness.calculate("double", 1)


def test_results_are_of_the_kind_that_was_sent() -> None:
    torch = pytest.importorskip("torch")
    with ServerHarness(Server()) as harness:
        assert isinstance(harness.calculate("double", torch.ones(2)), torch.Tensor)
        assert isinstance(harness.calculate("double", 1), torch.Tensor)
    with ServerHarness(Server(), framework="numpy") as harness:
        assert isinstance(harness.calculate("double", torch.ones(2)), np.ndarray)


def test_a_limit_that_passes_cancels_the_request_and_tells_where_it_stands() -> None:
    server = Server()
    with ServerHarness(server) as harness:
        with pytest.raises(
            TimeoutError, match=rf"at work on 'wait' since \d+ ms, .* at {__file__}:\d+, in main_logic$"
        ):
            harness.fetch_response("wait", timeout_ms=200)
        assert harness.fetch_response("text on") == "on"
        assert server.cancelled_calls == 1


def test_a_stream_waits_for_its_reader_and_is_cancelled_with_it() -> None:
    with ServerHarness(Server()) as harness:
        numbers = harness.stream("numbers 1000000")
        assert [int(next(numbers)) for _ in range(3)] == [0, 1, 2]
        numbers.close()
        assert harness.fetch_response("text next") == "next"


def test_the_end_of_a_harness_cancels_what_is_at_work() -> None:
    server = Server()
    with ServerHarness(server) as harness, ThreadPoolExecutor() as pool:
        answer = pool.submit(harness.fetch_response, "wait")
        assert server.waiting.wait(30)
        harness.close()
        assert answer.result() == "ok"
    assert server.cancelled_calls == 1


def test_a_server_that_does_not_end_is_told_of() -> None:
    released = threading.Event()

    class Deaf(TechRenaissanceServer):
        def main_logic(self, command: str, parameters: str) -> bool:
            return released.wait(60)

    harness = ServerHarness(Deaf())
    harness.start()
    with pytest.raises(LimitPassed):
        harness.fetch_response("x", timeout_ms=50)
    with pytest.warns(RuntimeWarning, match="Deaf is still at work 5 s after its request was cancelled"):
        harness.close()
    released.set()


def test_a_server_that_leaves_or_never_comes() -> None:
    with ServerHarness(Server()) as harness:
        with pytest.raises(RemoteError, match=r"the server called sys.exit\(3\) in 'leave'"):
            harness.fetch_response("leave")
        with pytest.raises(RestartError, match=r"the server has ended .* 'text': SystemExit\(3\)"):
            harness.fetch_response("text x")

    class Broken(Server):
        def on_start(self) -> None:
            raise OSError("no weights")

    with pytest.raises(RestartError, match="ended before it was ready: OSError: no weights") as caught:
        ServerHarness(Broken()).start()
    assert isinstance(caught.value.__cause__, OSError)


def test_what_is_no_server() -> None:
    with pytest.raises(InputError, match=r"ServerHarness\(Server\(\)\)"):
        ServerHarness(Server)  # type: ignore[arg-type]


class Meeting(TechRenaissanceServer):
    """Each request is answered when another one is at work beside it."""

    threads = 2
    framework = "numpy"

    def __init__(self) -> None:
        self.met = threading.Barrier(2)

    def main_logic(self, command: str, parameters: str) -> Any:
        self.met.wait(30)
        self.send_tensors(self.get_tensors(parameters))
        return True


class AsyncMeeting(TechRenaissanceServer):
    """The same on one event loop."""

    framework = "numpy"

    def __init__(self) -> None:
        self.here = 0

    async def main_logic(self, command: str, parameters: str) -> Any:
        if command == "sleep":
            await self.sleep()
        self.here += 1
        while self.here < 2:
            await asyncio.sleep(0)
        self.send_tensors(self.get_tensors(parameters))
        return True

    async def sleep(self) -> None:
        await asyncio.sleep(600)


@pytest.mark.parametrize("kind", [Meeting, AsyncMeeting])
def test_calls_run_beside_each_other_where_the_server_can(kind: Callable[[], TechRenaissanceServer]) -> None:
    with ServerHarness(kind()) as harness, ThreadPoolExecutor() as pool:
        answers = [pool.submit(harness.calculate, "meet", number) for number in (1, 2)]
        assert [int(answer.result()) for answer in answers] == [1, 2]


def test_a_coroutine_is_found_where_it_waits() -> None:
    with ServerHarness(AsyncMeeting()) as harness, pytest.raises(LimitPassed, match=rf"at {__file__}:\d+, in sleep$"):
        harness.fetch_response("sleep", timeout_ms=200)


def test_several_harnesses_do_not_mix() -> None:
    with (
        ThreadPoolExecutor() as pool,
        ServerHarness(Meeting()) as one,
        ServerHarness(AsyncMeeting()) as two,
        ServerHarness(Server()) as three,
    ):
        answers = [pool.submit(each.calculate, "double", n) for n, each in enumerate((one, one, two, two, three))]
        assert [int(answer.result()) for answer in answers] == [0, 1, 2, 3, 8]


UNDECLARED = """
from tech_renaissance import TechRenaissanceServer

class Undeclared(TechRenaissanceServer):
    def main_logic(self, command, parameters):
        known = command == "first" or command in ("second", "third") or parameters == "not this"
        match command:
            case "fourth" | "fifth":
                return True
        return known
"""


@pytest.mark.skipif(sys.version_info < (3, 10), reason="match came with Python 3.10")
def test_an_unknown_command_is_compared_with_those_in_the_source(tmp_path: Path) -> None:
    (tmp_path / "undeclared.py").write_text(UNDECLARED)
    server = runpy.run_path(str(tmp_path / "undeclared.py"))["Undeclared"]()
    with ServerHarness(server) as harness:
        with pytest.raises(NotFoundError, match=r"unknown command 'furth': did you mean 'fourth'\? ") as caught:
            harness.fetch_response("furth")
        assert str(caught.value).endswith("it compares with 'fourth', 'fifth', 'first', 'second', 'third'")
        with pytest.raises(NotFoundError, match="unknown command 'else': main_logic of Undeclared does not know it"):
            harness.fetch_response("else")


def test_the_fixture_closes_its_harnesses(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "from tech_renaissance import TechRenaissanceServer\n"
        "class Server(TechRenaissanceServer):\n"
        "    def main_logic(self, command, parameters):\n"
        "        self.write_response(command, self.session_dir)\n"
        "        return True\n"
        "found = []\n"
        "def test_one(server_harness):\n"
        "    found.append(server_harness(Server()).fetch_response('x'))\n"
        "def test_two():\n"
        "    import os\n"
        "    assert found[0].endswith('tr_session_harness') and not os.path.exists(found[0])\n"
    )
    plugin = ["-p", "tech_renaissance.testing.pytest_plugin", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-q", *plugin, "-W", "error", str(tmp_path)]
    run = subprocess.run(command, env={"PYTHONPATH": str(PACKAGE_PARENT)}, capture_output=True, text=True, cwd=tmp_path)
    assert "2 passed" in run.stdout, run.stdout + run.stderr


def test_pytest_loads_next_to_nothing_for_it() -> None:
    code = (
        "import sys, pytest, contextlib, typing; before = set(sys.modules); "
        "import tech_renaissance.testing.pytest_plugin; print(*sorted(set(sys.modules) - before))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(PACKAGE_PARENT)},
        capture_output=True,
        text=True,
        check=True,
    )
    package = "tech_renaissance"
    expected = [package, f"{package}._version", f"{package}.testing", f"{package}.testing.pytest_plugin"]
    assert found.stdout.split() == expected

"""One worker process and its answers: right ones, failures, and what must not be able to disturb them."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from host import PACKAGE_DIR, SERVERS, Host

from tech_renaissance import InputError, TechRenaissanceServer
from tech_renaissance.data import tsr_header


def test_hello_tells_who_answers(start: Callable[..., Host]) -> None:
    host = start("probe")
    hello = host.hello()
    assert (hello["protocol"], hello["epoch"], hello["pid"]) == (1, 3, host.process.pid)
    assert hello["python"] == ".".join(map(str, sys.version_info[:3]))
    assert (hello["server"], hello["carrier"], hello["wake_up"], hello["fallback"]) == (
        "ProbeServer",
        "files",
        "inotify",
        "",
    )
    assert hello["packages"] == {}
    assert "arguments" in hello["features"]  # type: ignore[operator]
    assert hello["endpoints"] == []
    assert hello["commands"] == ["echo", "raise_value_error", "tensors", "progress"]
    assert host.status == "ready"


def test_a_response_repeats_id_and_command(probe: Host) -> None:
    response = probe.ask("echo", "some text")
    assert response["id"] == probe._next
    assert (response["command"], response["result"], response["message"], response["tensors"]) == (
        "echo",
        "some text",
        "",
        [],
    )
    assert isinstance(response["timestamp"], int)


@pytest.mark.parametrize(
    "text", ['say "hi"', "back\\slash \\n", "line\nbreak\ttab\0", "ünï ☃ 𝄞", "{}", "]", "x" * 500_000]
)
def test_any_text_comes_back_unchanged(probe: Host, text: str) -> None:
    assert probe.ask("echo", text)["result"] == text


def test_whoever_sees_the_response_sees_the_request_gone_and_the_status_settled(probe: Host) -> None:
    for command, status in (("echo", "ok"), ("raise_value_error", 'error: not "" (at ')):
        probe.send(command)
        probe.wait_for("response.json")
        assert probe.read("request.json") is None
        assert probe.status.startswith(status)
        probe.receive()


def test_the_status_is_busy_during_a_request(probe: Host) -> None:
    for before in ("echo plain", "raise_value_error"):
        probe.ask(before)
        assert probe.ask("status")["result"] == "busy"


def test_a_server_may_tell_how_it_is_coming_on(probe: Host) -> None:
    assert probe.ask("progress")["result"] == "at 50 %"
    assert probe.status == "ok"


def test_a_request_may_have_arguments(probe: Host) -> None:
    probe.send("arguments", arguments={"dim": [1, None], "é": {"x": 0.5}}, traceparent="00-ab-cd-01")
    assert probe.receive()["result"] == '{"dim": [1, null], "\\u00e9": {"x": 0.5}} 00-ab-cd-01'
    probe.send("arguments")
    assert probe.receive()["result"] == "{} "
    probe.send("arguments", arguments=[1])
    error = probe.receive()["error"]
    assert (error["code"], error["message"]) == (  # type: ignore[index]
        "E1001",
        "request: expected an object in 'arguments', found a list",
    )


def test_a_request_in_the_older_spelling_is_answered_in_it(probe: Host) -> None:
    response = probe.ask("echo", "text", old=True)
    assert (response["cmd"], response["params"]) == ("echo", "text")
    assert not {"command", "result", "id"} & response.keys()
    assert probe.ask("tensors", old=True)["params"] == "result_0,result_1,result_2"
    failed = probe.ask("raise_value_error", "x", old=True)
    assert failed["params"] == "error"
    assert failed["error"]["code"] == "E9999"  # type: ignore[index]


def test_a_request_in_both_spellings_is_answered_in_the_newer(probe: Host) -> None:
    probe.send("echo", "text", cmd="echo", params="text")
    assert probe.receive()["result"] == "text"


def test_true_without_a_response_is_answered_with_ok(probe: Host) -> None:
    assert probe.ask("silent_true")["result"] == "ok"


def test_staged_tensors_are_numbered_on_and_announced(probe: Host) -> None:
    response = probe.ask("tensors")
    assert (response["result"], response["tensors"]) == ("three", ["result_0", "result_1", "result_2"])
    dtypes = []
    for tag in response["tensors"]:  # type: ignore[attr-defined]
        data = probe.read(f"{tag}.tsr")
        assert data is not None
        dtypes.append(tsr_header.decode_header(data, len(data), tag).dtype.name)
    assert dtypes == ["int64", "float64", "bool"]


def test_printing_harms_nothing_and_lands_in_the_log(start: Callable[..., Host]) -> None:
    host = start("probe")
    assert host.ask("print")["result"] == "ok"
    assert host.log() == '{"id": 1, "result": "forged"}\nto standard error\nraw bytes �\n'


def test_a_closed_standard_output_harms_nothing(start: Callable[..., Host]) -> None:
    host = start("probe")
    assert host.ask("close_stdout")["result"] == "ok"
    assert host.ask("tensors")["result"] == "three"
    assert host.ask("raise_value_error")["error"]["type"] == "ValueError"  # type: ignore[index]


def test_closed_standard_descriptors_are_never_session_files(start: Callable[..., Host]) -> None:
    closing = "import os, sys; os.closerange(0, 3); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    host = start(script=["-c", closing, str(SERVERS / "probe.py")])
    assert host.ask("print")["result"] == "ok"
    targets = [os.readlink(f"/proc/{host.process.pid}/fd/{descriptor}") for descriptor in range(3)]
    assert targets == ["/dev/null"] * 3


def test_the_working_directory_does_not_matter(probe: Host) -> None:
    assert probe.ask("chdir")["result"] == "ok"
    assert probe.ask("tensors")["result"] == "three"


def test_a_server_knows_its_session(probe: Host) -> None:
    assert probe.ask("where")["result"] == f"test {probe.directory}"


def test_bytes_that_are_not_utf8_come_back(probe: Host) -> None:
    assert probe.ask("echo", "a\udc80b")["result"] == "a\udc80b"


def test_half_a_character_is_the_servers_mistake(probe: Host) -> None:
    failure = probe.ask("surrogate")["error"]
    assert failure["type"] == "InputError"  # type: ignore[index]
    assert "a text with half a character, '\\ud880', cannot be sent" in failure["message"]  # type: ignore[index]


def test_every_file_is_this_users_alone_whatever_the_mask(start: Callable[..., Host]) -> None:
    wide = "import os,sys; os.umask(int(sys.argv[1], 8)); os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
    for mask in ("000", "277"):
        host = start(script=["-c", wide, mask, str(SERVERS / "probe.py")])
        assert host.ask("tensors")["result"] == "three"
        for name in ("hello.json", "status.txt", "result_0.tsr"):
            assert (host.directory / name).stat().st_mode & 0o777 == 0o600, name


def test_nothing_is_left_lying_about(probe: Host) -> None:
    for command in ("tensors", "raise_value_error", "tensor_then_raise", "nonsense"):
        probe.ask(command)
    assert [name for name in os.listdir(probe.directory) if name.startswith(".")] == []


def test_descriptors_stay_flat(probe: Host) -> None:
    place = f"/proc/{probe.process.pid}/fd"
    probe.ask("tensors")
    before = os.listdir(place)
    for _ in range(50):
        probe.ask("tensors")
    assert os.listdir(place) == before


def test_a_request_from_before_the_worker_was_ready_is_served(start: Callable[..., Host]) -> None:
    host = start("probe", request=b'{"id": 1, "command": "echo", "parameters": "early"}')
    assert host.receive()["result"] == "early"


def test_requests_right_after_their_answers_all_arrive(start: Callable[..., Host]) -> None:
    host = start("probe")
    for index in range(1000):
        assert host.ask("echo", str(index))["result"] == str(index)


def test_on_start_is_called_once_before_ready(probe: Host) -> None:
    assert probe.ask("starts")["result"] == "1"


def test_a_server_of_the_older_kind_works(start: Callable[..., Host]) -> None:
    pytest.importorskip("numpy")
    host = start("legacy_style", legacy=True, environment={"FRAMEWORK": "numpy"})
    response = host.ask("matmul", "a", old=True)
    assert (response["cmd"], response["params"]) == ("matmul", "invalid")
    assert host.ask("nonsense", old=True)["error"]["code"] == "E1004"  # type: ignore[index]


def test_an_older_host_that_writes_in_place_is_served(start: Callable[..., Host]) -> None:
    host = start("probe", legacy=True)
    host.hello()
    (host.directory / "request.json").write_bytes(b'{"cmd": "echo", "params": "in place"}')
    assert host.receive(2)["params"] == "in place"


@pytest.mark.parametrize("tier", ["inotify", "watchdog", "polling"])
@pytest.mark.parametrize("kind", ["plain", "threads", "async"])
@pytest.mark.parametrize("way", ["request", "word", "status", "flag"])
def test_an_older_host_ends_its_worker(start: Callable[..., Host], tier: str, kind: str, way: str) -> None:
    host = start("own_exit", legacy=True, environment={"KIND": kind, "KNOWS": "nothing", "TR_WAKEUP": tier})
    host.hello()
    assert host.ask("echo", "a", old=True)["params"] == "a"
    told = time.monotonic()
    if way == "request":
        host.write("request.json", b'{"cmd": "exit"}')
    elif way == "word":
        host.write("request.json", b"exit")
    elif way == "status":
        (host.directory / "status.txt").write_text("exit")
    else:
        (host.directory / "exit.flag").write_text("")
    assert host.exit_code() == 0
    assert time.monotonic() - told < 0.5 + host.start_seconds  # not the second after which everything is looked at
    assert (host.directory / "status.txt").read_text() == "terminated"


def test_an_older_host_ends_its_worker_before_it_is_ready(start: Callable[..., Host], tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    code = f"""
from tech_renaissance import TechRenaissanceServer

class Server(TechRenaissanceServer):
    def on_start(self):
        open({str(gate)!r}).close()

    def main_logic(self, command, parameters):
        return False

Server().run()
"""
    host = start(script=["-c", code], legacy=True)
    with gate.open("w"):  # from here on it is in on_start
        (host.directory / "status.txt").write_text("exit")
    assert host.exit_code() == 0


def test_an_older_host_is_not_told_that_its_worker_has_ended(start: Callable[..., Host]) -> None:
    host = start("own_exit", legacy=True, environment={"KIND": "plain"})
    assert host.ask("nonsense", old=True)["params"] == "error"
    assert host.status.startswith("failed: unknown command 'nonsense'")
    assert host.ask("echo", "a", old=True)["params"] == "a"


def test_the_default_server_ends_at_once(start: Callable[..., Host], tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise SystemExit('loaded')")
    host = start(legacy=True, environment={"PYTHONPATH": f"{PACKAGE_DIR}{os.pathsep}{tmp_path}"})
    host.hello()
    host.write("request.json", b'{"cmd": "exit"}')
    assert host.exit_code() == 0
    assert not host.log()


def test_a_worker_at_work_is_dismissed_when_it_is_done(start: Callable[..., Host]) -> None:
    host = start("several", legacy=True, environment={"KIND": "plain"})
    os.mkfifo(host.directory / "gate")
    host.write("request.json", b'{"cmd": "gate", "params": "gate"}')
    with open(host.directory / "gate", "w"):
        (host.directory / "status.txt").write_text("exit")
    assert host.receive()["params"] == "ok"
    assert host.exit_code() == 0


@pytest.mark.parametrize("kind", ["plain", "threads", "async"])
def test_exit_is_a_command_of_the_server_where_it_has_one(start: Callable[..., Host], kind: str) -> None:
    host = start("own_exit", environment={"KIND": kind})
    assert host.ask("exit")["result"] == "not yet"
    assert host.ask("echo", "still here")["result"] == "still here"


@pytest.mark.parametrize("kind", ["plain", "threads", "async"])
def test_a_worker_that_knows_no_exit_leaves(start: Callable[..., Host], kind: str) -> None:
    host = start("own_exit", environment={"KIND": kind, "KNOWS": "nothing"})
    assert host.ask("echo", "here")["result"] == "here"
    assert host.ask("exit")["result"] == "ok"
    assert host.exit_code() == 0


def test_an_older_hosts_session_is_found_by_its_id_alone(start: Callable[..., Host]) -> None:
    host = start("probe", legacy=True)
    assert host.ask("where", old=True)["params"] == f"{host.id} {host.directory}"


def test_a_session_of_the_first_hosts_is_found(start: Callable[..., Host], workspace: Path) -> None:
    first = workspace / "first"
    place = first / "pytorch_session" / "tr_session_test0"
    place.mkdir(parents=True)
    host = start("probe", legacy=True, environment={"TR_WORKSPACE": str(first)})
    host.wait_until(lambda: (place / "hello.json").exists())
    (place / "exit.flag").touch()
    assert host.exit_code() == 0
    assert (place / "status.txt").read_text() == "terminated"


def test_what_a_server_gives_is_named_where_it_is_wrong(start: Callable[..., Host]) -> None:
    code = """
from tech_renaissance import InputError, TechRenaissanceServer

class Server(TechRenaissanceServer):
    def main_logic(self, command, parameters):
        calls = {
            "count": [lambda v=v: self.get_tensors("a", v) for v in ("1", 1.0, True, -2)],
            "parameters": [lambda v=v: self.get_tensors(v) for v in (5, None, ["a"], b"a")],
            "timeout_ms": [lambda v=v: self.wait_until_cancelled(v) for v in ("5", 2.5, -1, True)],
            "text": [lambda: self.write_status(5)],
            "shape": [lambda v=v: self.empty(v) for v in (None, "x", ("a",), (2.5,), b"ab", (True,), ([1],), 2**70)],
            "session_id": [lambda: TechRenaissanceServer().run(5)],
            "framework": [lambda: TechRenaissanceServer(framework="jax")],
        }
        for name, wrong in calls.items():
            for call in wrong:
                try:
                    call()
                except InputError as error:
                    assert str(error).startswith(name + " is ") and ": expected " in str(error), error
                else:
                    raise AssertionError(name)
        return True

Server().run()
"""
    assert start(script=["-c", code]).ask("x")["result"] == "ok"


def test_what_an_answer_s_text_may_be(start: Callable[..., Host]) -> None:
    code = """
import dataclasses
from tech_renaissance import TechRenaissanceServer

@dataclasses.dataclass
class Point:
    x: int
    name: str

class Number:
    dtype, shape = "int64", ()
    def item(self): return 7

class Array:
    dtype, shape = "int64", (2, 3)

GOOD = {
    "none": None, "number": 2.5, "truth": True, "dict": {"a": [1, None, "é"]}, "list": ["a", (1, 2)],
    "dataclass": Point(1, "p"), "nested": [Point(2, "q")], "scalar": Number(),
}
BAD = {"bytes": b"ab", "array": Array(), "nan": {"x": float("nan")}, "set": [{1}]}

class Server(TechRenaissanceServer):
    def main_logic(self, command, parameters):
        self.write_response(command, GOOD[command] if command in GOOD else BAD[command])
        return True

Server().run()
"""
    host = start(script=["-c", code])
    for command, text in {
        "none": "ok",
        "number": "2.5",
        "truth": "True",
        "dict": '{"a": [1, null, "é"]}',
        "list": '["a", [1, 2]]',
        "dataclass": '{"x": 1, "name": "p"}',
        "nested": '[{"x": 2, "name": "q"}]',
        "scalar": "7",
    }.items():
        assert host.ask(command)["result"] == text
    for command, way_out in {
        "bytes": "send_tensors(numpy.frombuffer",
        "array": "of shape (2, 3): expected text; send it with send_tensors",
        "nan": "which JSON cannot say",
        "set": "which JSON cannot say (a set)",
    }.items():
        failure = host.ask(command)["error"]
        assert failure["code"] == "E1001"  # type: ignore[index]
        assert way_out in failure["message"]  # type: ignore[index]


def test_the_command_of_an_answer_is_a_text(start: Callable[..., Host]) -> None:
    code = """
from tech_renaissance import TechRenaissanceServer

class Server(TechRenaissanceServer):
    def main_logic(self, command, parameters):
        self.write_response({"none": None, "bytes": b"x", "number": 5}.get(command, command), "fine")
        return True

Server().run()
"""
    host = start(script=["-c", code])
    for command, shown in {"none": "None", "bytes": "b'x'", "number": "5"}.items():
        failure = host.ask(command)["error"]
        assert failure["code"] == "E1001"  # type: ignore[index]
        assert failure["message"].startswith(f"command is {shown}: expected a string")  # type: ignore[index]
    assert host.ask("text")["result"] == "fine"


@pytest.mark.parametrize("debug", ["x", None, [True]])
def test_debug_is_true_or_false(debug: object) -> None:
    with pytest.raises(InputError, match=r"^debug is .*: expected True or False$"):
        TechRenaissanceServer(debug=debug)  # type: ignore[arg-type]


def test_a_server_may_have_names_of_its_own(start: Callable[..., Host]) -> None:
    code = """
from tech_renaissance import TechRenaissanceServer

class Server(TechRenaissanceServer):
    def __init__(self):
        super().__init__()
        self._runtime = self._running = self._refuse_count = self._call = "mine"

    def main_logic(self, command, parameters):
        self.get_tensors(parameters, 2)
        self.write_response(command, self._runtime)
        return True

Server().run()
"""
    host = start(script=["-c", code])
    assert host.ask("x", "")["result"] == "invalid"
    assert host.ask("x", "")["id"]


def test_a_worker_without_a_session_says_where_it_looked(workspace: Path) -> None:
    code = "from tech_renaissance import *; TechRenaissanceServer().run('x')"
    with Host(workspace, ["-c", code], legacy=True) as host:
        assert host.exit_code() == 1
        assert "no worker: there is no directory of a session 'x' that waits for one (looked for " in host.log()
        assert str(workspace) in host.log()


@pytest.mark.parametrize("session_id", ["../x", "a/b", "$(id)", ""])
def test_a_bad_session_id_is_refused(workspace: Path, session_id: str) -> None:
    code = f"from tech_renaissance import *; TechRenaissanceServer().run({session_id!r})"
    with Host(workspace, ["-c", code], legacy=True) as host:
        assert host.exit_code() == 1
        assert "cannot be a session id" in host.log()


def test_a_session_directory_that_is_a_link_is_refused(workspace: Path) -> None:
    with Host(workspace, SERVERS / "probe.py") as good:
        good.hello()
        (workspace / "link").symlink_to(good.directory)
        settings = {"TR_SESSION_DIR": str(workspace / "link")}
        with Host(workspace, SERVERS / "probe.py", session_id="other", environment=settings) as host:
            assert host.exit_code() == 1
            assert "is no directory" in host.log()


def test_importing_the_package_needs_little(start: Callable[..., Host]) -> None:
    code = "import sys, json, tech_renaissance; print(json.dumps(sorted(sys.modules)))"
    with_package = set(_modules(code))
    bare = set(_modules("import sys, json; print(json.dumps(sorted(sys.modules)))"))
    assert with_package - bare == {"tech_renaissance", "tech_renaissance._version"}


def test_a_worker_at_work_has_imported_little(probe: Host) -> None:
    loaded = str(probe.ask("modules")["result"]).split()
    heavy = {"torch", "numpy", "typing", "dataclasses", "inspect", "logging", "asyncio", "subprocess", "tempfile"}
    assert not (heavy | {"pathlib"}) & set(loaded)


def _modules(code: str) -> list[str]:
    import subprocess

    from host import PACKAGE_DIR

    settings = {"PYTHONPATH": str(PACKAGE_DIR), "PATH": os.environ["PATH"]}
    return json.loads(subprocess.check_output([sys.executable, "-S", "-c", code], env=settings))  # type: ignore[no-any-return]


def test_the_answer_to_a_cancelled_stream_does_not_replace_the_part_before_it(start: Callable[..., Host]) -> None:
    """The host reads a part and then removes it: an answer that came between the two would be removed unread."""
    host = start("probe")
    host.hello()
    id_ = host.send("parts_for_ever")
    part = host.wait_for("response.json")
    host.write("cancel.json", json.dumps({"id": id_}).encode())
    host.write("room", b"")
    host.wait_until(lambda: "the parts have ended" in host.log())
    with pytest.raises(AssertionError, match="not within"):  # it must not happen, so all there is is a while to look
        host.wait_until(lambda: host.read("response.json") != part, timeout=0.3)
    assert host.receive()["more"] is True
    host.write("room", b"")
    assert host.receive()["error"]["code"] == "E4002"  # type: ignore[index]
    assert host.ask("echo", "goes on")["result"] == "goes on"

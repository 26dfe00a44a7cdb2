"""One worker process and its failures: each is an answer that says what was wrong, and harms no other."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from host import Host


def error(response: dict[str, object]) -> dict[str, str]:
    """The error object of a failed response."""
    assert response.get("result", response.get("params")) in ("error", "invalid")
    assert not response.get("tensors")
    assert response["error"]["message"] == response["message"]  # type: ignore[index]
    return response["error"]  # type: ignore[return-value]


def test_an_exception_is_answered_with_type_message_and_traceback(probe: Host) -> None:
    failure = error(probe.ask("raise_value_error", "x"))
    assert (failure["code"], failure["type"]) == ("E9999", "ValueError")
    assert re.fullmatch(r'not "x" \(at .*/servers/probe.py:\d+, in do_raise_value_error\)', failure["message"])
    assert failure["traceback"].startswith("Traceback (most recent call last)")
    assert "in do_raise_value_error" in failure["traceback"]
    assert "runtime.py" not in failure["traceback"]
    assert 'ValueError: not "x"' in probe.log()


def test_an_exception_of_ours_keeps_its_code(probe: Host) -> None:
    failure = error(probe.ask("raise_not_found"))
    assert (failure["code"], failure["type"]) == ("E1004", "NotFoundError")


@pytest.mark.parametrize(("command", "kind"), [("recursion", "RecursionError"), ("memory", "MemoryError")])
def test_running_out_of_something_is_survived(probe: Host, command: str, kind: str) -> None:
    assert error(probe.ask(command))["type"] in (kind, "OverflowError")
    assert probe.ask("echo", "alive")["result"] == "alive"


def test_a_long_message_is_cut_in_the_middle(probe: Host) -> None:
    failure = error(probe.ask("long_traceback"))
    assert len(failure["message"]) < 20_000
    assert len(failure["traceback"]) <= 64 << 10
    assert "characters left out" in failure["message"]


def test_a_file_that_hides_a_module_is_named(start: Callable[..., Host], tmp_path: Path) -> None:
    (tmp_path / "statistics.py").write_text("")
    (tmp_path / "server.py").write_text(
        "from tech_renaissance import TechRenaissanceServer\n"
        "class Server(TechRenaissanceServer):\n"
        "    def main_logic(self, command, parameters):\n"
        "        if command == 'attribute':\n"
        "            import statistics\n"
        "            statistics.mean([1])\n"
        "        elif command == 'import':\n"
        "            from statistics import mean\n"
        "        raise EOFError('the file ended early')\n"
        "Server().run()\n"
    )
    host = start(script=[str(tmp_path / "server.py")])
    for command in ("attribute", "import"):
        hint = f"('{tmp_path / 'statistics.py'}' hides the module statistics from all that import it: rename the file)"
        assert error(host.ask(command))["message"].endswith(hint)
    # It was read, and no terminal was wanted.
    place = f" (at {tmp_path / 'server.py'}:9, in main_logic)"
    assert error(host.ask("other"))["message"] == "the file ended early" + place


def test_a_module_that_the_package_lacks_is_told_as_it_is(start: Callable[..., Host], tmp_path: Path) -> None:
    """And not as a name that the package does not have."""
    (tmp_path / "struct.py").write_text("")
    (tmp_path / "server.py").write_text("from tech_renaissance import TechRenaissanceServer\n")
    host = start(script=[str(tmp_path / "server.py")])
    assert host.exit_code() == 1
    assert "worker.server cannot be imported: module 'struct' has no attribute" in host.log()


def test_an_unknown_command_is_not_found_and_the_likely_one_named(probe: Host) -> None:
    failure = error(probe.ask("ehco"))
    assert failure["code"] == "E1004"
    assert failure["message"] == (
        "unknown command 'ehco': did you mean 'echo'? this server offers echo, raise_value_error, tensors, progress"
    )


def test_a_missing_return_value_is_explained(probe: Host) -> None:
    failure = error(probe.ask("returns_none"))
    assert failure["code"] == "E9999"
    assert "returned a NoneType for 'returns_none' and wrote no response: it must return True" in failure["message"]


def test_no_return_value_is_needed_after_an_answer(probe: Host) -> None:
    assert probe.ask("answers_and_returns_none")["result"] == "fine"


@pytest.mark.parametrize("command", ["answer_twice", "answer_twice_false", "answer_then_raise"])
def test_only_the_first_answer_counts_and_shifts_nothing(probe: Host, command: str) -> None:
    assert probe.ask(command)["result"] == "first"
    assert probe.ask("echo", "next")["result"] == "next"
    assert probe.read("response.json") is None


def test_what_was_dropped_is_in_the_log(probe: Host) -> None:
    probe.ask("answer_twice")
    probe.ask("answer_then_raise")
    probe.ask("echo")
    assert "a second answer to 'answer_twice' was dropped" in probe.log()
    assert "ValueError after the answer to 'answer_then_raise': too late" in probe.log()


@pytest.mark.parametrize("parameters", ["", "a", "a b c"])
@pytest.mark.parametrize("command", ["get", "get_carelessly"])
def test_a_wrong_number_of_tensors_is_answered_once(probe: Host, command: str, parameters: str) -> None:
    response = probe.ask(command, parameters)
    failure = error(response)
    assert (response["result"], failure["code"]) == ("invalid", "E1001")
    assert f"expected 2 tensors, found {len(parameters.split())}" in failure["message"]
    assert probe.ask("echo", "next")["result"] == "next"


def test_a_tag_that_leads_outside_is_refused(probe: Host) -> None:
    failure = error(probe.ask("get", "../../a b"))
    assert (failure["code"], failure["type"]) == ("E1001", "InputError")
    assert "'../../a' cannot be a tensor tag" in failure["message"]


def test_what_is_no_tensor_cannot_be_sent(probe: Host) -> None:
    failure = error(probe.ask("not_a_tensor"))
    assert failure["code"] == "E1001"
    assert "a str cannot be sent as a tensor" in failure["message"]


def test_tensors_of_a_failed_request_are_dropped(probe: Host) -> None:
    assert error(probe.ask("tensor_then_raise"))["type"] == "ValueError"
    assert probe.read("result_0.tsr") is None


def test_an_answer_over_the_limit_is_an_error(probe: Host) -> None:
    failure = error(probe.ask("big_answer", str((64 << 20) + 1)))
    assert failure["code"] == "E1005"
    assert probe.ask("echo", "alive")["result"] == "alive"


MALFORMED = [b"", b"{", b"[]", b"null", b"{}", b"\xff\xfe", b"[" * 10_000, b'{"command": 1}', b'{"cmd": []}']


@pytest.mark.parametrize("data", MALFORMED, ids=lambda data: repr(data[:16]))
def test_a_malformed_request_is_answered_and_removed(probe: Host, data: bytes) -> None:
    probe.write("request.json", data)
    assert error(probe.receive())["code"] == "E1001"
    assert probe.read("request.json") is None
    assert probe.ask("echo", "next")["result"] == "next"


def test_a_malformed_request_is_answered_with_its_id(probe: Host) -> None:
    probe.write("request.json", b'{"id": 12345, "command": "echo", "parameters": 3}')
    assert probe.receive()["id"] == 12345


@pytest.mark.parametrize("kind", ["link", "fifo", "directory", "full directory", "socket"])
def test_a_request_that_is_no_file_is_answered_or_ends_the_worker(start: Callable[..., Host], kind: str) -> None:
    host = start("probe")
    host.hello()
    path = host.directory / "odd"
    if kind == "link":
        path.symlink_to("/etc/passwd")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        os.mknod(path, 0o140600)
    else:
        path.mkdir()
        if kind == "full directory":
            (path / "file").touch()
    path.rename(host.directory / "request.json")
    if kind == "full directory":
        assert host.exit_code() == 1
        assert "is a directory that cannot be removed" in host.log()
        return
    failure = error(host.receive())
    assert failure["code"] == "E1001"
    assert "regular file" in failure["message"]
    assert host.ask("echo", "next")["result"] == "next"


def test_a_failing_on_start_ends_the_worker_with_its_reason(start: Callable[..., Host]) -> None:
    host = start("broken_start")
    assert host.exit_code() == 1
    assert host.status == "error: OSError: the model file is missing"
    assert "OSError: the model file is missing" in host.log()
    assert host.read("hello.json") is None

"""Messages, tags and status lines: pure functions."""

from __future__ import annotations

import importlib
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tech_renaissance import protocol
from tech_renaissance.errors import InputError
from tech_renaissance.protocol import Failure, Request, Response, json_object

GOOD_TAGS = ["a", "input_a", "result_0", "0", "_x", "A.b-c", "x" * 128]
BAD_TAGS = ["", ".", "..", ".a", "-a", "a/b", "../a", "a b", "a\n", "ä", "x" * 129, "$(id)", "a\0b", "a,b"]


@pytest.mark.parametrize("tag", GOOD_TAGS)
def test_a_good_tag_is_accepted(tag: str) -> None:
    assert protocol.is_tag(tag)
    assert protocol.check_tag(tag) == tag


@pytest.mark.parametrize("tag", BAD_TAGS)
def test_a_bad_tag_is_refused_by_name(tag: str) -> None:
    assert not protocol.is_tag(tag)
    with pytest.raises(InputError, match="cannot be a tensor tag: expected 1 to 128 letters"):
        protocol.check_tag(tag)


@pytest.mark.parametrize("text", ["a b c", "a,b,c", " a, b ,\tc\n", "a  b,,c"])
def test_tags_are_separated_by_spaces_or_commas(text: str) -> None:
    assert protocol.split_tags(text) == ("a", "b", "c")


def test_a_request_is_read_in_the_new_spelling() -> None:
    request = protocol.parse_request(
        b'{"id": 7, "command": "matmul", "parameters": "a b", "deadline_ms": 5, "timestamp": 1, "unknown": {}}'
    )
    assert (request.id, request.command, request.parameters, request.deadline_ms) == (7, "matmul", "a b", 5)
    assert not request.legacy


def test_a_request_is_read_in_the_older_spelling() -> None:
    request = protocol.parse_request(b'{"cmd": "matmul", "params": "a b"}')
    assert (request.id, request.command, request.parameters, request.legacy) == (None, "matmul", "a b", True)


def test_the_new_spelling_wins_where_both_are_given() -> None:
    request = protocol.parse_request(b'{"command": "new", "parameters": "x", "cmd": "old", "params": "y"}')
    assert (request.command, request.parameters, request.legacy) == ("new", "x", False)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b"[]", "expected a JSON object, found a list"),
        (b"{}", "expected a text in 'command'"),
        (b'{"command": ""}', "expected a text in 'command'"),
        (b'{"command": 3}', "expected a text in 'command', found a number"),
        (b'{"command": "x", "parameters": ["a"]}', "expected a text in 'parameters', found a list"),
        (b'{"command": "x", "arguments": [1]}', "expected an object in 'arguments', found a list"),
        (b'{"command": "x", "traceparent": 1}', "expected a text in 'traceparent', found a number"),
        (b'{"command": "x", "id": -1}', "expected a whole number from 0"),
        (b'{"command": "x", "id": true}', "expected a whole number from 0"),
        (b'{"command": "x", "id": 1e3}', "expected a whole number from 0"),
        (b'{"command": "x", "id": 18446744073709551616}', "expected a whole number from 0"),
        (b"[" * 100_000, "nested more than 64 deep"),
        (b'{"a":' * 100_000, "nested more than 64 deep"),
        (b'{"command": "x", "id": ' + b"1" * 100_000 + b"}", "request"),
    ],
)
def test_a_malformed_request_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        protocol.parse_request(data)
    assert caught.value.code == "E1001"


def test_a_refused_request_still_tells_its_id() -> None:
    with pytest.raises(InputError) as caught:
        protocol.parse_request(b'{"id": 9, "command": "x", "parameters": 1}')
    assert caught.value.request.id == 9  # type: ignore[attr-defined]


def test_brackets_in_text_are_not_nesting() -> None:
    text = '[{"' * 100 + "\\"
    assert protocol.parse_request(json.dumps({"command": text}).encode()).command == text


def test_a_message_over_the_limit_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_object, "MAX_MESSAGE_BYTES", 10)
    with pytest.raises(InputError, match="over the limit of 10") as caught:
        protocol.parse_request(b'{"command": "x"}')
    assert caught.value.code == "E1005"


@pytest.mark.parametrize("legacy", [False, True])
@given(command=st.text(min_size=1), parameters=st.text(), number=st.none() | st.integers(0, 2**64 - 1))
def test_a_request_survives_the_wire(legacy: bool, command: str, parameters: str, number: int | None) -> None:
    names = ("cmd", "params") if legacy else ("command", "parameters")
    sent = {"id": number, names[0]: command, names[1]: parameters}
    read = protocol.parse_request(json_object.encode_object(sent))
    command, parameters = (word.encode("utf-8", "replace").decode() for word in (command, parameters))
    assert (read.command, read.parameters, read.id, read.legacy) == (command, parameters, number, legacy)


def test_arguments_are_an_object_wherever_they_stand() -> None:
    request = protocol.parse_request(b'{"arguments": {"dim": 1}, "traceparent": "t", "command": "x"}')
    assert (request.arguments, request.traceparent) == ({"dim": 1}, "t")
    for data in (b'{"command": "x"}', b'{"command": "x", "arguments": null, "traceparent": null}'):
        request = protocol.parse_request(data)
        assert (request.arguments, request.traceparent) == ({}, "")


def test_arguments_from_the_compiled_module_are_read_when_they_are_asked_for() -> None:
    request = Request("x", "", 7, None, "", "", "t", b'{"dim": 1}')
    assert request.arguments == {"dim": 1}
    assert request.arguments is request.arguments


def test_names_of_tensors_are_taken_apart() -> None:
    for data in (
        b'{"command":"c","parameters":"a,b","id":7,"timestamp":1,"names":"a obs b layer.0","buffers":"a 7 .host-1"}',
        b'{"names": "a obs b layer.0", "command": "c"}',
    ):
        assert protocol.names_in(protocol.read_request(data).names) == {"obs": "a", "layer.0": "b"}
    assert protocol.names_in("") == {}
    for text in (
        "a",
        "a ",
        " a obs",
        "a obs ",
        "a  obs",
        "a ../b",
        "../a obs",
        "a obs b",
        "a obs b obs",
        "a obs a act",
    ):
        with pytest.raises(InputError, match="in 'names' does not name tensors"):
            protocol.names_in(text)
    assert protocol.read_request(b'{"command": "c", "names": ["a", "obs"]}').problem is not None
    response = Response("c", id=7, tensors=["a"])
    response.names = "a loss"
    assert protocol.parse_response(protocol.encode_response(response)).names == "a loss"
    response.more = True
    assert protocol.parse_response(protocol.encode_response(response)).names == "a loss"


@given(command=st.text(min_size=1), result=st.text(), message=st.text(), tensors=st.lists(st.sampled_from(GOOD_TAGS)))
def test_a_response_survives_the_wire(command: str, result: str, message: str, tensors: list[str]) -> None:
    failure = Failure("E9999", message, "ValueError", "Traceback")
    read = protocol.parse_response(
        protocol.encode_response(Response(command, result, 4, tensors=tensors, message=message, failure=failure))
    )
    assert (read.command, read.result, read.message, read.tensors, read.id) == (command, result, message, tensors, 4)
    assert read.failure is not None
    assert (read.failure.code, read.failure.message) == ("E9999", message)


def test_a_legacy_response_names_its_tensors_by_commas() -> None:
    data = protocol.encode_response(Response("x", "ok", tensors=["result_0", "result_1"], legacy=True))
    message = json.loads(data)
    assert (message["cmd"], message["params"]) == ("x", "result_0,result_1")
    assert "command" not in message
    assert protocol.parse_response(data).tensors == ["result_0", "result_1"]


def test_a_last_answer_says_so() -> None:
    last = Response("exit", id=3)
    last.leaving = True
    assert protocol.parse_response(protocol.encode_response(last)).leaving
    assert not protocol.parse_response(protocol.encode_response(Response("exit", id=3))).leaving


def test_a_legacy_response_carries_its_text_and_its_error() -> None:
    failure = Failure("E1004", "no such thing")
    message = json.loads(protocol.encode_response(Response("x", "error", failure=failure, legacy=True)))
    assert message["params"] == "error"
    assert message["error"]["code"] == "E1004"


@pytest.mark.parametrize(
    "data",
    [
        b'{"command": "x", "tensors": "a"}',
        b'{"command": "x", "tensors": ["../a"]}',
        b'{"command": "x", "tensors": [1]}',
        b'{"command": "x", "error": "no"}',
        b'{"command": "x", "result": 1}',
    ],
)
def test_a_malformed_response_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match=r"response|tensor tag"):
        protocol.parse_response(data)


def test_bytes_that_are_not_utf8_survive() -> None:
    for text in ("a\udc80b", "\udcff", "\u00e4 \udcff \U0001f600"):
        data = protocol.encode_response(Response("x", text))
        assert json.loads(data.decode("utf-8"))["result"] == text
        assert protocol.parse_response(data).result == text


def test_half_a_character_of_another_kind_is_refused() -> None:
    for text in ("a\ud800b", "\udc7f", "\udcff\ud800", "\udfff"):
        with pytest.raises(InputError, match=r"half a character, '\\ud"):
            protocol.encode_response(Response("x", text))
        with pytest.raises(InputError, match="not UTF-8"):
            protocol.parse_response(json.dumps({"command": "x", "result": text}).encode())


def test_a_status_is_one_printable_line() -> None:
    assert protocol.error_status("\n first\x1b[31m\nsecond") == "error: first [31m"
    assert len(protocol.error_status("x" * 10_000)) < 600


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for parse in (protocol.parse_request, protocol.parse_response):
        try:
            parse(data)
        except InputError:
            continue


def test_json_without_its_core_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter whose module `json` is made otherwise takes that as it is documented."""
    monkeypatch.setitem(sys.modules, "_json", None)
    spec = importlib.util.spec_from_file_location("tech_renaissance.protocol.json_without", json_object.__file__)
    assert spec is not None
    assert spec.loader is not None
    other = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(other)
    message = {"text": 'é" \\ \n', "list": [1, -2.5, True, None, {"a": {}}], "many": 2**70}
    assert other._scan is not json_object._scan
    data = json_object.encode_object(message)
    assert other.encode_object(message) == data
    assert other.parse_object(data, "message") == json_object.parse_object(data, "message") == message
    for wrong in (b"{", b'{"a":NaN}', b'{"a":1e999}', b'{"a" 1}', b"[]", b'{"a":1}x', b'{"a":"\n"}'):
        errors = []
        for module in (json_object, other):
            with pytest.raises(InputError) as caught:
                module.parse_object(wrong, "message")
            errors.append(str(caught.value).split(":")[0])
        assert errors[0].startswith("message")
        assert errors[1].startswith("message")

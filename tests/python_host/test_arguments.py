"""What callers give is taken as it is, or named with what was expected."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from tech_renaissance import InputError, PythonSession, SessionOptions, wait_any
from tech_renaissance.host.session_options import core_arguments

ONE = np.ones(3, np.float32)
CALLS: dict[str, Callable[[PythonSession, Any], object]] = {
    "wait_until_ready": lambda session, value: session.wait_until_ready(value),
    "wait_until_ok": lambda session, value: session.wait_until_ok(value),
    "wait_for_response": lambda session, value: session.wait_for_response(value),
    "fetch_response": lambda session, value: session.fetch_response("text x", value),
    "wait_for_tensor": lambda session, value: session.wait_for_tensor(value),
    "wait_for_tensors": lambda session, value: session.wait_for_tensors(value),
    "fetch_tensor": lambda session, value: session.fetch_tensor("text x", value),
    "calculate": lambda session, value: session.calculate("echo", ONE, timeout_ms=value),
    "calculate_many": lambda session, value: session.calculate_many("echo", ONE, timeout_ms=value),
    "calculate_named": lambda session, value: session.calculate_named("echo", ONE, timeout_ms=value),
    "calculate_async": lambda session, value: session.calculate_async("echo", ONE, timeout_ms=value).result(),
    "stream": lambda session, value: session.stream("echo", ONE, timeout_ms=value),
    "restart": lambda session, value: session.restart(value),
    "please_exit": lambda session, value: session.please_exit(value),
    "wait_any": lambda session, value: wait_any(session, timeout_ms=value),
}
TEXTS: dict[str, Callable[[PythonSession, Any], object]] = {
    "message": lambda session, value: session.fetch_response(value),
    "command": lambda session, value: session.calculate(value, ONE),
    "tag": lambda session, value: session.send_tensor(ONE, value),
    "session_id": lambda session, value: PythonSession.connect(value),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("value", [2.5, "100", -1, True, [1], 2**63])
def test_a_limit_is_a_whole_number(session: PythonSession, name: str, value: object) -> None:
    with pytest.raises(InputError, match=r"^timeout_ms is .*: expected .*milliseconds") as caught:
        CALLS[name](session, value)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("value", [1, None, b"x", ["x"]])
def test_a_text_is_a_string(session: PythonSession, name: str, value: object) -> None:
    with pytest.raises(InputError, match=rf"^{name} is .*: expected a string$"):
        TEXTS[name](session, value)


def test_other_arguments(session: PythonSession) -> None:
    for shape in (2.5, "23", (1, "2"), None, (True,), (2**70,)):
        with pytest.raises(InputError, match=r"^shape is .*: expected whole numbers, such as \(2, 3\)$"):
            session.empty(shape)  # type: ignore[arg-type]
    assert session.empty(3).shape == (3,)  # type: ignore[arg-type]
    assert session.empty((np.int64(2), 3)).shape == (2, 3)
    assert session.fetch_response("text ok", np.int64(5_000)) == "ok"  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [1, "no", None])
def test_the_rest_is_named_as_well(session: PythonSession, value: Any) -> None:
    calls: dict[str, Callable[[], object]] = {
        "ensure": lambda: session.please_exit(5_000, value),
        "quiet": lambda: session.set_quiet_mode(value),
        "options": lambda: PythonSession.connect("x", value),
        "workspace": lambda: PythonSession.list(value),
        "timeout": lambda: session.calculate_async("echo", ONE).result(value),
    }
    takes = {"options": [None], "workspace": ["no"], "timeout": [1, None], "quiet": [1], "ensure": [1]}
    for name, call in calls.items():
        if value not in takes[name]:
            with pytest.raises(InputError, match=rf"^{name} is .*: expected "):
                call()
    assert session.is_alive()


def test_a_limit_may_be_a_timedelta(session: PythonSession) -> None:
    assert session.fetch_response("text ok", timedelta(seconds=5)) == "ok"
    assert session.calculate("echo", ONE, timeout_ms=timedelta(minutes=1)).shape == (3,)
    assert wait_any(session, timeout_ms=timedelta(microseconds=1)) is None, "rounded up, as 0 would wait for ever"
    with pytest.raises(InputError, match=r"^timeout_ms is datetime\.timedelta\(.*: expected a whole number"):
        session.fetch_response("text ok", -timedelta(seconds=1))
    options = SessionOptions(start_timeout_ms=timedelta(seconds=2), default_timeout_ms=timedelta(0))
    assert {"start_timeout_ms": 2000, "default_timeout_ms": 0}.items() <= core_arguments(options).items()


def test_names_that_are_not_utf8_come_back(session: PythonSession) -> None:
    name = os.fsdecode(b"\xff\xfe \xc3\xa9 \xed\xa0\x80")
    for _ in range(3):
        assert session.fetch_response(f"text {name}") == name
    assert session.fetch_response("text   indented\n\tby hand \n") == "  indented\n\tby hand \n"
    with pytest.raises(InputError, match=r"message has half a character, '\\ud800', at index 6"):
        session.fetch_response("text x\ud800")

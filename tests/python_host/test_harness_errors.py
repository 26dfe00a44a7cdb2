"""A ServerHarness fails in the words of a session."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tech_renaissance import PythonSession, TRException
from tech_renaissance.testing import ServerHarness

SERVER = Path(__file__).with_name("places_server.py")
sys.path.insert(0, str(SERVER.parent))

import places_server  # noqa: E402 - as what the session runs

#: Wrong in itself, whatever the server.
WRONG: dict[str, Callable[[Any], object]] = {
    "no tensor in the answer": lambda either: either.calculate("text", np.ones(2)),
    "no tensor for a text": lambda either: either.fetch_tensor("text"),
    "a list": lambda either: either.calculate("text", [np.ones(2), 1]),
    "too many": lambda either: either.calculate("text", *range(27)),
    "no tag": lambda either: either.send_tensor(np.ones(2), "../x"),
    "no command": lambda either: either.fetch_response(""),
    "no JSON": lambda either: either.fetch_response("{"),
}


def failure(call: Callable[[], object]) -> TRException:
    with pytest.raises(TRException) as caught:
        call()
    return caught.value


def frames(error: TRException) -> list[str]:
    """Those of the server, and what was raised."""
    lines = error.traceback.splitlines()
    return [line for line in lines if str(SERVER) in line] + lines[-1:]


@pytest.mark.parametrize("command", [*places_server.FAILING, "as_json"])
def test_a_harness_fails_as_a_session_does(session: PythonSession, command: str) -> None:
    with ServerHarness(places_server.Server()) as harness:
        in_session = failure(lambda: session.fetch_response(command))
        in_harness = failure(lambda: harness.fetch_response(command))
    assert type(in_harness) is type(in_session)
    assert (in_harness.code, in_harness.python_type) == (in_session.code, in_session.python_type)
    # The library has its own ways to tensors in shared memory.
    assert str(in_harness).partition("\nTraceback")[0] == str(in_session).partition("\nTraceback")[0]
    assert frames(in_harness) == frames(in_session)


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_in_itself_is_wrong_in_both(session: PythonSession, wrong: str) -> None:
    with ServerHarness(places_server.Server()) as harness:
        in_session, in_harness = failure(lambda: WRONG[wrong](session)), failure(lambda: WRONG[wrong](harness))
    assert (type(in_harness), in_harness.code) == (type(in_session), in_session.code)

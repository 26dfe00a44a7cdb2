"""Errors and time-outs tell where in the user's code they come from, in a session as in a harness."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tech_renaissance import InputError, NotFoundError, PythonSession, RestartError, SessionOptions, TRException

PLACES_SERVER = Path(__file__).with_name("places_server.py")
SERVER = PLACES_SERVER
sys.path.insert(0, str(PLACES_SERVER.parent))

import places_server  # noqa: E402 - as what the sessions run


def line_of(word: str) -> int:
    lines = PLACES_SERVER.read_text().splitlines()
    return max(number for number, line in enumerate(lines, 1) if word in line)  # below the list of these


def failure(call: Callable[[], object]) -> TRException:
    with pytest.raises(TRException) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("command", places_server.FAILING)
def test_each_error_names_the_line(session: PythonSession, command: str) -> None:
    place = rf"\(at {re.escape(str(PLACES_SERVER))}:{line_of(places_server.FAILING[command])}, in \w+\)"
    found = failure(lambda: session.fetch_response(command))
    assert re.search(place, str(found)), str(found)


def test_an_unknown_command_is_compared_with_those_in_the_source(session: PythonSession) -> None:
    with pytest.raises(NotFoundError, match=r"did you mean 'count'\? .*; it compares with 'raise', .*'count'$"):
        session.fetch_response("coutn")


def test_tensors_in_a_list_are_told_to_be_given_one_by_one(session: PythonSession) -> None:
    with pytest.raises(InputError, match=r'one by one, with a star: calculate_many\("command", \*tensors\)'):
        session.calculate_many("fit", [np.ones(2), np.ones(2)])


@pytest.mark.parametrize("kind", ["plain", "threads", "async"])
def test_a_limit_that_passes_tells_where_the_code_stands(options: SessionOptions, kind: str) -> None:
    place = {"plain": "hold", "threads": "hold", "async": "hold_async"}[kind]
    options = replace(options, arguments=[kind], max_ongoing_requests=2)
    with PythonSession(options) as session:
        session.wait_until_ready()
        found = failure(lambda: session.fetch_response("wait", 1_000))
        line = line_of("# waits" if kind == "async" else "# blocks")
        expected = rf", its code stands at {re.escape(str(PLACES_SERVER))}:{line}, in {place};"
        assert re.search(expected, str(found)), str(found)
        stack = found.traceback.splitlines()
        assert re.fullmatch(rf'  File "{re.escape(str(PLACES_SERVER))}", line \d+, in main_logic', stack[0])
        assert re.search(f"in {place}$", found.traceback, re.M)
        session.terminate()


def test_a_limit_that_passes_during_on_start_tells_where_that_stands(options: SessionOptions) -> None:
    with PythonSession(replace(options, arguments=["slow_start"])) as session:
        with pytest.raises(TimeoutError, match=r"is not ready yet, its code stands at .*:\d+, in on_start;"):
            session.fetch_response("x", 2_000)
        session.terminate()


def test_a_misspelt_main_logic_is_told_when_the_server_starts(options: SessionOptions, tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text(
        "from tech_renaissance import TechRenaissanceServer\n"
        "class Server(TechRenaissanceServer):\n"
        "    def main_loop(self, command, parameters):\n"
        "        return True\n"
        "Server().run()\n"
    )
    meant = rf"its method 'main_loop' \(at {re.escape(str(script))}:3"
    expected = rf"Server has no endpoint, and does not override main_logic\(.*{meant}"
    with (
        pytest.raises(RestartError, match=expected),
        PythonSession(replace(options, script=script)) as session,
    ):
        session.wait_until_ready()


def test_names_as_programs_have_them_are_told_in_full(tmp_path: Path) -> None:
    with PythonSession(SessionOptions(workspace=tmp_path, quiet=True)) as session:
        with pytest.raises(NotFoundError, match=r"did you mean numpy.sum\?"):
            session.calculate("np.sum", np.ones(2))
        with pytest.raises(NotFoundError, match=r"'torch.relu\(a\)' is no command: .* as in 'torch.relu a'"):
            session.fetch_response("torch.relu(a)")
        with pytest.raises(NotFoundError, match=r"'torch.sum\(a,' is no command"):
            session.fetch_response("torch.sum(a, dim=1)")

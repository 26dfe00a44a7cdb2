"""The requests in docs/default-server.md are served, and the names that it lists are those on offer."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from snippets import REPOSITORY

from tech_renaissance import InputError, NotFoundError, PythonSession, SessionOptions

PAGE = (REPOSITORY / "docs" / "default-server.md").read_text(encoding="utf-8")
REQUESTS = re.findall(r"^\| `((?:torch|numpy)\.[^`]*)` \|", PAGE, re.MULTILINE)
PLAIN = [name for row in re.findall(r"^\| ((?:`\w+` ?)+)\|", PAGE, re.MULTILINE) for name in re.findall(r"\w+", row)]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PythonSession]:
    """A session with two tensors in it."""
    options = SessionOptions(workspace=tmp_path_factory.mktemp("workspace"), python=sys.executable, quiet=True)
    with PythonSession(options) as running:
        for tag, value in (("a", 4.0), ("b", 9.0)):
            running.send_tensor(np.full((2, 2), value, np.float32), tag)
        yield running


@pytest.mark.parametrize("request_text", REQUESTS)
def test_request_is_served(session: PythonSession, request_text: str) -> None:
    """It gives at least one tensor."""
    session.send_request(request_text)
    assert session.wait_for_tensors(60_000)


@pytest.mark.parametrize("name", PLAIN)
def test_plain_name_is_served(session: PythonSession, name: str) -> None:
    """It takes two tensors or one."""
    both = " a,b" if name in ("matmul", "add", "mul", "linear") else " a"
    assert session.fetch_tensor(name + both, 60_000).shape == (2, 2)


def test_what_the_page_refuses(session: PythonSession) -> None:
    """Code and class are as the page says."""
    with pytest.raises(NotFoundError):
        session.fetch_response("torch.load a")
    with pytest.raises(InputError) as caught:
        session.fetch_response("torch.add a b out=a")
    assert caught.value.code == "E1003"


def test_size_limit(tmp_path: Path) -> None:
    """The variable that the page names sets the limit."""
    options = SessionOptions(
        workspace=tmp_path, python=sys.executable, quiet=True, environment={"TR_MAX_TENSOR_BYTES": "1000"}
    )
    with PythonSession(options) as session, pytest.raises(InputError) as caught:
        session.fetch_response("numpy.zeros (1000,1000)", 60_000)
    assert caught.value.code == "E1005"

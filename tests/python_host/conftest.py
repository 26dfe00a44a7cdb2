"""Sessions for the tests of `PythonSession` in Python."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tech_renaissance import PythonSession, SessionOptions

SERVER = Path(__file__).with_name("host_server.py")


@pytest.fixture
def options(tmp_path: Path) -> SessionOptions:
    """Options of a session with the server of these tests and a workspace of its own."""
    return SessionOptions(
        script=SERVER, workspace=tmp_path / "workspace", python=sys.executable, quiet=True, default_timeout_ms=30_000
    )


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PythonSession]:
    """A session that is shared by the tests of a file, none of which ends its worker."""
    workspace = tmp_path_factory.mktemp("workspace")
    with PythonSession(
        SessionOptions(script=SERVER, workspace=workspace, python=sys.executable, quiet=True, default_timeout_ms=30_000)
    ) as session:
        yield session

"""Sessions for the tests of `PythonSession` in Python.

A file of tests names its server as SERVER, and as FRAMEWORK what its shared session gives.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tech_renaissance import PythonSession, SessionOptions


def options_for(request: pytest.FixtureRequest, workspace: Path) -> SessionOptions:
    script = getattr(request.module, "SERVER", Path(__file__).with_name("host_server.py"))
    return SessionOptions(
        script=script, workspace=workspace, python=sys.executable, quiet=True, default_timeout_ms=30_000
    )


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs the tests that are coroutines, each on an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    asyncio.run(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture
def options(request: pytest.FixtureRequest, tmp_path: Path) -> SessionOptions:
    """Options of a session with the server of these tests and a workspace of its own."""
    return options_for(request, tmp_path / "workspace")


@pytest.fixture(scope="module")
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PythonSession]:
    """A session that is shared by the tests of a file, none of which ends its worker."""
    options = options_for(request, tmp_path_factory.mktemp("workspace"))
    with PythonSession(options, framework=getattr(request.module, "FRAMEWORK", None)) as session:
        session.wait_until_ready()
        assert session.stats().carrier == "mailbox"
        yield session

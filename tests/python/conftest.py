"""Fixtures for the tests of the worker: real processes in a workspace on tmpfs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from host import LIBRARY, SERVERS, Host, running, temporary_workspace

# For mailboxes in this process; the workers get it from Host.
os.environ.setdefault("TR_LIBRARY", str(LIBRARY))


@pytest.fixture(scope="module")
def probe() -> Iterator[Host]:
    """One probe server for the tests that leave it alive, which each of them proves."""
    with running("probe") as host:
        yield host


@pytest.fixture
def workspace() -> Iterator[Path]:
    """An empty workspace."""
    with temporary_workspace() as path:
        yield path


@pytest.fixture
def start(workspace: Path) -> Iterator[Callable[..., Host]]:
    """Starts sessions with a server of tests/python/servers, named without its ending, and ends them."""
    hosts: list[Host] = []

    def start_one(server: str | None = None, **options: object) -> Host:
        if server is not None:
            options["script"] = SERVERS / f"{server}.py"
        hosts.append(Host(workspace, session_id=f"test{len(hosts)}", **options))  # type: ignore[arg-type]
        return hosts[-1]

    yield start_one
    for host in hosts:
        host.close()

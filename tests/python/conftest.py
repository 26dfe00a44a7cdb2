"""Fixtures for the tests of the worker: real processes in a workspace on tmpfs."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from host import Host

SERVERS = Path(__file__).parent / "servers"


def make_workspace() -> Path:
    """A folder on tmpfs where there is one, as hosts choose it."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix="tr-test-", dir=place))


@pytest.fixture
def workspace() -> Iterator[Path]:
    """An empty workspace."""
    path = make_workspace()
    yield path
    shutil.rmtree(path, ignore_errors=True)


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


@pytest.fixture(scope="module")
def default_torch() -> Iterator[Host]:
    """A default server, shared by a module's tests as importing torch takes seconds."""
    pytest.importorskip("torch")
    path = make_workspace()
    with Host(path) as host:
        yield host
    shutil.rmtree(path, ignore_errors=True)

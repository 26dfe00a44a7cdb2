"""Tensors that a worker hands on between its host and another worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from served_loan_endpoints import mapping_of
from serving import SERVICES, Served

from tech_renaissance import ServiceClient, attach

STAGES = SERVICES.with_name("served_loan_endpoints.py")
MANY = 300_000


@pytest.fixture(scope="module")
def stage() -> Iterator[tuple[ServiceClient, Path]]:
    # On tmpfs, as sessions are by default: elsewhere the system may tell of other inodes than it shows of mappings.
    with TemporaryDirectory(dir="/dev/shm", prefix="tr_loans_") as folder:
        yield from _served(Path(folder) / "workspace")


def _served(workspace: Path) -> Iterator[tuple[ServiceClient, Path]]:
    with Served(workspace, f"{STAGES}:Stage").ready("stage") as served:
        with attach("stage", workspace=str(workspace), framework="numpy") as client:
            yield client, workspace
        served.signal()
        assert served.end()[0] == 0


def files_of(workspace: Path, session: str) -> dict[int, int]:
    """How many names each large file of a session has, by inode."""
    found = {}
    for path in workspace.rglob("*"):
        if f"_{session}/" in str(path) and path.is_file() and path.stat().st_size > 2 * MANY:
            found[path.stat().st_ino] = path.stat().st_nlink
    return found


def test_an_input_goes_on_where_it_lies(stage: tuple[ServiceClient, Path]) -> None:
    client, workspace = stage
    for value in range(5):
        permissions, inode, total = client.where(np.full(MANY, value, "f4"))
        assert total == MANY * value
    assert permissions == "rw-p"
    assert inode in files_of(workspace, "stage-0")


def test_what_a_stage_makes_where_others_can_see_it_goes_on_from_there(stage: tuple[ServiceClient, Path]) -> None:
    client, _ = stage
    for value in range(1, 5):
        permissions, inode, total, own_permissions, own_inode = client.where_made(MANY, float(value))
        assert (permissions, own_permissions, total) == ("rw-p", "rw-s", MANY * value)
        assert inode == own_inode


def test_a_result_comes_from_where_it_lies(stage: tuple[ServiceClient, Path]) -> None:
    client, workspace = stage
    for value in range(30):
        result = client.filled(MANY, float(value))
        assert (result == value).all()
    assert mapping_of(result)[1] in files_of(workspace, "stage.store-0")
    # From one result to the next call, which another worker gets it in.
    permissions, _, total = client.where(result)
    assert (permissions, total) == ("rw-p", MANY * 29)
    del result
    client.filled(MANY, 1.0)
    for session in ("stage-0", "stage.store-0"):
        assert len(files_of(workspace, session)) <= 4


def test_nobody_sees_what_another_does_to_it(stage: tuple[ServiceClient, Path]) -> None:
    client, _ = stage
    for value in (1.0, 2.0, 3.0):
        mine = client.filled_and_kept(MANY, value)
        mine[:] = -1
        assert client.sum_of_kept() == MANY * value
        echo = client.echoed_and_kept(np.full(MANY, value, "f4"))
        echo[:] = -1
        assert client.sum_of_kept() == MANY * value
    mine = client.filled(MANY, 5.0)
    for _ in range(3):
        assert (client.added(mine) == 7).all()
        assert (mine == 5).all()

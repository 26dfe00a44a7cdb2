"""Short runs of what `make faults` and `make soak` do at length; docs/reliability.md has the figures of those."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
BUILD = Path(os.environ.get("TR_BUILD_DIR", REPOSITORY / "build" / "dev"))

pytestmark = pytest.mark.skipif(not (BUILD / "tests" / "tr_faults").exists(), reason="the C++ tests are not built")


def run(script: str, *arguments: str) -> str:
    """Its output; fails with it when the script finds something wrong."""
    command = [sys.executable, str(HERE / script), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_each_death_at_each_step_on_each_carrier_ends_well() -> None:
    """One kill at every other step."""
    output = run("table.py", "--kills", "1", "--sample", "2")
    assert "lost 0, hung 0, leaked 0" in output
    for who in ("worker", "busy worker", "template", "host", "client", "shared worker", "owner", "pool's worker",
                "worker with batches"):  # fmt: skip
        assert f"  {who} " in output


def test_a_short_soak() -> None:
    """Random requests, kills and stops."""
    output = run("soak.py", "--minutes", "0.1", "--sessions", "2")
    assert "lost 0, wrong 0" in output


def test_each_caller_of_a_batch_gets_its_own_rows() -> None:
    """Under deaths and cancels."""
    output = run("batches.py", "--calls", "4000", "--kill-every", "800")
    assert "wrong 0, lost 0, hung 0" in output


def test_a_graph_with_fifty_clients_in_a_storm() -> None:
    """Each worker of the graph is killed, more are started, all are replaced; C++ and Python programs call it."""
    output = run("graph.py", "--clients", "50", "--rounds", "1")
    assert "lost 0, wrong 0, hung 0, leaked 0" in output


def test_the_library_has_no_sequence_points() -> None:
    """They are in the tests' own build of its sources, and nowhere else."""

    def holds_steps(path: Path) -> bool:
        return b"message announced" in path.read_bytes()

    assert holds_steps(BUILD / "tests" / "tr_faults")
    libraries = [*(BUILD / "lib").glob("libtech_renaissance.*"), *(REPOSITORY / "python").glob("*/_core*.so")]
    assert libraries
    assert not [path for path in libraries if holds_steps(path)]

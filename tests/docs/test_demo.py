"""`make demo`: every example runs, shows what it should, and stops cleanly when somebody presses Ctrl-C."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from package_builds import DEV_BUILD
from snippets import REPOSITORY

EXAMPLES = REPOSITORY / "cpp" / "examples"
PROGRAMS = DEV_BUILD / "examples"
pytestmark = pytest.mark.skipif(
    not PROGRAMS.is_dir(), reason=f"no examples in {PROGRAMS}: 'make build-dev' builds them"
)


def environment(workspace: Path) -> dict[str, str]:
    """As `make demo` sets it, but for the workspace."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TR_", "VIRTUAL"))}
    return {**kept, "TR_PYTHON": sys.executable, "TR_WORKSPACE": str(workspace)}


def test_every_example_is_in_the_demo() -> None:
    """`run` runs each program of the folder."""
    script = (EXAMPLES / "run").read_text(encoding="utf-8")
    programs = [*EXAMPLES.glob("*.cpp"), *EXAMPLES.glob("*/*.cpp")]
    assert len(programs) > 6
    for program in programs:
        assert f'"$programs/{program.stem}"' in script


def test_demo(tmp_path: Path) -> None:
    """It succeeds, multiplies right, recovers from errors, and reads more than 95 % of the digits, also as a graph."""
    done = subprocess.run(
        ["sh", EXAMPLES / "run", PROGRAMS],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(tmp_path),
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("9., 9., 9., 9., 9.") == 4
    assert "ZeroDivisionError, code E9999" in done.stdout
    assert re.search(r"without a worker +p50 .* of 300 cycles late, position 0\.\d", done.stdout)
    assert re.search(r"with a worker +p50 .* of 300 cycles late, position 0\.\d", done.stdout)
    accuracy = re.search(r"unseen images are right: ([\d.]+) %", done.stdout)
    assert accuracy, done.stdout
    assert float(accuracy[1]) > 95
    for program in ("C\\+\\+: ", "Python:"):
        assert re.search(rf"{program} +[1-9]\d* pages read, [1-9]\d* per second; 9[5-9]", done.stdout), done.stdout
    stages = dict(re.findall(r"^(annotate[\w.-]*): (/.*)$", done.stdout, re.MULTILINE))
    assert len(stages) == 3
    assert len(set(stages.values())) == 2, "two environments"
    assert re.search(r"\d+ calls of classify made \d+ batches: ", done.stdout)
    assert os.listdir(tmp_path / "python_session") == [".lock"]


def test_interrupted_demo_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C in the middle of a training ends host and worker, and the session directory goes."""
    subprocess.run(
        [sys.executable, EXAMPLES / "prepare_digits.py", tmp_path / "digits"],
        env={**environment(tmp_path), "PYTHONPATH": str(REPOSITORY / "python")},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    host = subprocess.Popen(
        [PROGRAMS / "digits", tmp_path / "digits"],
        cwd=EXAMPLES,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(tmp_path),
    )
    assert host.stdout
    with host, host.stdout:
        worker = 0
        for line in host.stdout:
            if found := re.search(r"worker (\d+):", line):
                worker = os.pidfd_open(int(found[1]))
            if "epoch  2" in line:
                host.send_signal(signal.SIGINT)
        assert host.wait() == -signal.SIGINT
    ended = select.poll()
    ended.register(worker, select.POLLIN)
    try:
        assert ended.poll(10_000), "the worker lives on"
    finally:
        os.close(worker)
    assert os.listdir(tmp_path / "python_session") == [".lock"]

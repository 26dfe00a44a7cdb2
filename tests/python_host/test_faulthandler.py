"""Python's faulthandler, in a Python host, beside the handler that the library has for mapped tensors."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from programs import PACKAGE_PARENT

SERVER = str(Path(__file__).with_name("host_server.py"))
HOST = """
import faulthandler, mmap, os, sys
import numpy as np
from tech_renaissance import PythonSession, RestartError, SessionOptions

server, workspace, when, fault, path = sys.argv[1:]
if when == "before":
    faulthandler.enable()
session = PythonSession(SessionOptions(script=server, workspace=workspace, python=sys.executable, quiet=True))
session.start()
kept = session.empty((100_000,), np.float32)
if when == "after":
    faulthandler.enable()
tensor = session.empty((100_000,), np.float32, "x")
tensor[:] = 1
if fault == "theirs":
    with open(path, "w+b") as file:
        file.truncate(1 << 20)
        mapped = mmap.mmap(file.fileno(), 1 << 20)
        file.truncate(0)
        mapped[0]
for folder, _, names in os.walk(session.session_dir()):
    for name in names:
        if os.path.getsize(os.path.join(folder, name)) >= 400_000:
            os.truncate(os.path.join(folder, name), 0)
print("reads", float(tensor[50_000]))
try:
    session.fetch_response("text a")
except RestartError as error:
    print(error)
session.restart()
print(session.fetch_response("text on"))
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_tensor_that_is_cut_short_is_ours(tmp_path: Path, when: str) -> None:
    host = run(tmp_path, when, "ours")
    assert host.returncode == 0, host
    assert re.search(r"reads 0\.0\n.* was cut short while it was mapped.*\non\n", host.stdout), host
    assert "Fatal Python error" not in host.stderr


@pytest.mark.parametrize("when", ["before", "after"])
def test_any_other_fault_is_faulthandlers(tmp_path: Path, when: str) -> None:
    host = run(tmp_path, when, "theirs")
    assert host.returncode == -signal.SIGBUS
    assert "Fatal Python error: Bus error" in host.stderr
    assert "in <module>" in host.stderr  # with its traceback


def run(tmp_path: Path, when: str, fault: str) -> subprocess.CompletedProcess[str]:
    """Runs the host to its end."""
    arguments = [SERVER, str(tmp_path / "workspace"), when, fault, str(tmp_path / "file")]
    return subprocess.run(
        [sys.executable, "-c", HOST, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": PACKAGE_PARENT},
        check=False,
    )

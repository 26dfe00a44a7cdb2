"""What docs/serving.md and docs/graphs.md show is served, called and printed."""

from __future__ import annotations

import configparser
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from snippets import REPOSITORY, commands, files

PAGES = [REPOSITORY / "docs" / name for name in ("serving.md", "graphs.md")]
TR = [sys.executable, "-m", "tech_renaissance"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for page in PAGES:
        for name, text in files(page).items():
            (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    package = {"PYTHONPATH": str(REPOSITORY / "python"), "TR_PYTHON": sys.executable}
    return {**os.environ, **package, "TR_WORKSPACE": str(folder / "sessions")}


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def served(folder: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """The folder of the page, while its service is served."""
    process = subprocess.Popen(
        [*TR, "serve", request.param], cwd=folder, env=environment(folder), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        assert any(line.endswith("is ready\n") for line in process.stdout)
        yield folder
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    assert process.wait(30) == 0


@pytest.mark.parametrize("served", ["filters.py:Filters"], indirect=True)
def test_programs_call_what_is_served(served: Path) -> None:
    assert run(served, sys.executable, "host.py").count("2.5") == 4
    assert "filters-1" in run(served, *TR, "status", "filters")
    assert "filters-3" in run(served, *TR, "scale", "filters", "Filters=4")
    assert run(served, *TR, "ls").endswith("Filters (4)\n")
    run(served, *TR, "reload", "filters")


@pytest.mark.parametrize("served", ["front.py:Front"], indirect=True)
def test_a_service_calls_another(served: Path) -> None:
    lines = "import numpy as np, tech_renaissance as tr\nfront = tr.attach('front')\n"
    lines += "print(front.brighten_twice(np.ones((2, 2), 'float32')))"
    assert run(served, sys.executable, "-c", lines).count("2.") == 4


def test_commands_print_what_stands_there(folder: Path) -> None:
    for command in (command for page in PAGES for command in commands(page)):
        words = shlex.split(command.text)
        variables = dict(word.split("=", 1) for word in words if word.startswith("TR_"))
        words = [
            sys.executable if word == "python" else word
            for word in words
            if word not in map("=".join, variables.items())
        ]
        done = subprocess.run(
            words, cwd=folder, env={**environment(folder), **variables}, capture_output=True, text=True, check=True
        )
        assert command.prints(done.stdout), f"$ {command.text}\n{done.stdout}"


def test_the_unit_is_one(folder: Path) -> None:
    unit = configparser.RawConfigParser()
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(folder / "filters.service")
    command = unit["Service"]["ExecStart"].partition("-m tech_renaissance ")[2].split()
    assert run(folder, *TR, *command, "--dry-run").startswith("Filters: ")
    assert unit["Service"]["Type"] == "notify"


def test_systemd_hears_when_it_is_ready(folder: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(folder / "notify"))
        process = subprocess.Popen(
            [*TR, "serve", "filters.py:Filters", "--quiet"],
            cwd=folder,
            env={**environment(folder), "NOTIFY_SOCKET": str(folder / "notify")},
        )
        assert told.recv(100) == b"READY=1"
        process.send_signal(signal.SIGTERM)
        assert told.recv(100) == b"STOPPING=1"
        assert process.wait(30) == 0

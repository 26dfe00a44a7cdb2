"""`python -m tech_renaissance serve` as a process, for its tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from programs import PACKAGE_PARENT

from tech_renaissance import PythonSession, SessionOptions

SERVICES = Path(__file__).with_name("served_endpoints.py")


class Served:
    """One such process, with a workspace of its own; ended at the end of `with`."""

    def __init__(self, workspace: Path, server: str, *arguments: object, **environment: str) -> None:
        self.workspace = workspace
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tech_renaissance", "serve", server, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=workspace.parent,
            env=environment_of(workspace, **environment),
        )

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def until(self, text: str) -> str:
        """Reads its output up to a line with this; that line."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if text in line:
                return self.lines[-1]
        raise AssertionError(f"no line with {text!r}: {self.lines}, {self.end()}")

    def until_error(self, text: str) -> str:
        """The same on standard error."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if text in line:
                return line.rstrip("\n")
        raise AssertionError(f"no line with {text!r} on standard error")

    def ready(self, name: str = "filters") -> Served:
        """When it is."""
        self.until(f"{name} is ready")
        return self

    def signal(self, number: int = signal.SIGINT) -> None:
        self.process.send_signal(number)

    def end(self) -> tuple[int, str]:
        """Waits for its end; exit status and what it has written to standard error since."""
        out, error = self.process.communicate(timeout=30)
        self.lines += out.splitlines()
        return self.process.returncode, error

    def command(self, name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Another command, in another process."""
        return command(self.workspace, name, *arguments)

    def connect(self, session_id: str = "filters-0") -> PythonSession:
        """A session with one of its workers."""
        return PythonSession.connect(session_id, options(self.workspace))


def options(workspace: Path) -> SessionOptions:
    return SessionOptions(workspace=workspace, quiet=True, default_timeout_ms=20_000)


def command(workspace: Path, name: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m tech_renaissance <name>`, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "tech_renaissance", name, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=workspace.parent,
        env=environment_of(workspace, **environment),
    )


def environment_of(workspace: Path, **more: str) -> dict[str, str]:
    package = {"PYTHONPATH": PACKAGE_PARENT, "TR_PYTHON": sys.executable, "TR_WORKSPACE": str(workspace)}
    return {**os.environ, **package, **more}

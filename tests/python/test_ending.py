"""The end of a worker: no text of open files is lost, and PyTorch is not torn down."""

from __future__ import annotations

import gzip
import signal
from pathlib import Path

import pytest
from host import Host

SOURCE = """
import atexit, ctypes, gzip, os, sys, threading
import {framework}
from tech_renaissance import TechRenaissanceServer

plain = open("plain.txt", "w")
packed = gzip.open("packed.gz", "wb")


class Left:
    def __del__(self, make=os.mkdir):
        make("torn_down")


left = Left()


class Server(TechRenaissanceServer):
    def main_logic(self, command, parameters):
        self.write_response(command, parameters)
        return True


def note(name):
    open(name, "w").close()


atexit.register(note, "first")
thread_may_end = threading.Event()
threading.Thread(target=lambda: (thread_may_end.wait(), note("thread"))).start()
Server().run()
atexit.register(note, "last")
plain.write("x" * 100)
packed.write(b"y" * 100)
ctypes.CDLL(None).printf(b"from C\\n")
print("from Python")
thread_may_end.set()
{end}
"""
WRITTEN = ["first", "last", "thread"]


def leave(
    tmp_path: Path,
    framework: str = "torch",
    end: str = "",
    environment: dict[str, str] | None = None,
    python: Path | None = None,
) -> tuple[int, str]:
    """Runs such a worker until it has left as asked; its exit code and its log."""
    script = tmp_path / "server.py"
    script.write_text(SOURCE.format(framework=framework, end=end), encoding="utf-8")
    settings = {"PYTHONUNBUFFERED": "", **(environment or {})}
    with Host(tmp_path, script, python=[str(python)] if python else None, environment=settings) as host:
        host.hello()
        host.send("__exit__")
        host.receive()
        code = host.process.wait(30)
        return code, host.log()


def nothing_is_lost(tmp_path: Path, log: str) -> bool:
    """Files, what C and Python have printed, and what hangs on the end are there."""
    assert (tmp_path / "plain.txt").read_text() == "x" * 100
    assert "from C\n" in log
    assert "from Python\n" in log
    return all((tmp_path / name).exists() for name in WRITTEN)


def test_it_leaves_before_the_teardown(tmp_path: Path) -> None:
    code, log = leave(tmp_path)
    assert code == 0, log
    assert nothing_is_lost(tmp_path, log)
    assert gzip.decompress((tmp_path / "packed.gz").read_bytes()) == b"y" * 100  # which Python itself may lose
    assert not (tmp_path / "torn_down").exists()


@pytest.mark.parametrize(
    ("framework", "environment"),
    [("json", {}), ("torch", {"CUDA_INJECTION64_PATH": "/nowhere"})],
    ids=["plain", "tool"],
)
def test_others_are_torn_down(tmp_path: Path, framework: str, environment: dict[str, str]) -> None:
    """Where it takes no time, and where a tool writes what it has found at the very end."""
    code, log = leave(tmp_path, framework, environment=environment)
    assert code == 0, log
    assert nothing_is_lost(tmp_path, log)
    assert (tmp_path / "torn_down").exists()


@pytest.mark.parametrize("version", ["3.9.18", "3.10.13", "3.12.1", "3.13.0"])
def test_other_interpreters_leave_so_too(tmp_path: Path, version: str) -> None:
    """With a module of PyTorch's name, as they do not have it."""
    python = Path.home() / ".pyenv" / "versions" / version / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no Python {version} on this machine")
    (tmp_path / "torch.py").touch()
    code, log = leave(tmp_path, python=python)
    assert code == 0, log
    assert nothing_is_lost(tmp_path, log)
    assert not (tmp_path / "torn_down").exists()


def test_garbage_collection_may_be_off(tmp_path: Path) -> None:
    code, log = leave(tmp_path, framework="torch, gc; gc.disable()")
    assert code == 0, log
    assert nothing_is_lost(tmp_path, log)
    assert not (tmp_path / "torn_down").exists()


def test_an_exception_behind_run_is_told(tmp_path: Path) -> None:
    code, log = leave(tmp_path, end="raise ValueError('behind run')")
    assert code == 1
    assert "ValueError: behind run" in log
    assert nothing_is_lost(tmp_path, log)
    assert not (tmp_path / "torn_down").exists()


def test_a_fork_behind_run_ends_as_it_would(tmp_path: Path) -> None:
    code, log = leave(
        tmp_path,
        end="pid = os.fork()\nif pid == 0: sys.exit(5)\nprint(os.WEXITSTATUS(os.waitpid(pid, 0)[1]), 'of the fork')",
    )
    assert code == 0, log
    assert "5 of the fork" in log


def test_a_signal_ends_it_as_quickly(tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text(SOURCE.format(framework="torch", end=""), encoding="utf-8")
    with Host(tmp_path, script) as host:
        host.hello()
        host.process.send_signal(signal.SIGTERM)
        assert host.process.wait(30) == 0
        assert nothing_is_lost(tmp_path, host.log())
    assert not (tmp_path / "torn_down").exists()


def test_sys_exit_in_a_request_keeps_its_code(tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    source = SOURCE.format(framework="torch", end="")
    source = source.replace("Server().run()", "try: Server().run()\nfinally: thread_may_end.set()")
    script.write_text(source.replace("self.write_response(command, parameters)", "sys.exit(7)"), encoding="utf-8")
    with Host(tmp_path, script) as host:
        host.hello()
        host.send("leave")
        host.receive()
        assert host.process.wait(30) == 7
    assert (tmp_path / "torn_down").exists()

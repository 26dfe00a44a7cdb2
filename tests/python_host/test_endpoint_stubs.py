"""Typed functions that are written for the endpoints of a server: a header compiles and calls, a .pyi is understood."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tech_renaissance import __main__ as command

SERVER = Path(__file__).with_name("endpoint_stub_server.py")


def written(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, server: str = f"{SERVER}:Server") -> str:
    monkeypatch.setattr(sys, "argv", ["tech_renaissance", "stubs", server, "-o", str(folder / name)])
    assert command.main() == 0
    return (folder / name).read_text(encoding="utf-8")


def test_a_stub_says_what_a_type_checker_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mypy")
    text = written("server_stub.pyi", tmp_path, monkeypatch)
    assert "def scale(self, x: Any, by: float = ..., *, timeout_ms: int | timedelta | None = None) -> Any: ..." in text
    program = """
from typing import TYPE_CHECKING, cast
from tech_renaissance import PythonSession
if TYPE_CHECKING:
    from server_stub import Server
session = cast("Server", PythonSession("server.py"))
reveal_type(session.find(1, mode="fast").label)
session.greet(5)
session.scale(1, buy=2)
"""
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    mypy = [sys.executable, "-m", "mypy", "--no-incremental", "program.py"]
    found = subprocess.run(mypy, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert 'Revealed type is "str"' in found.stdout.replace("builtins.", "")
    assert 'Argument 1 to "greet" of "Server" has incompatible type "int"; expected "str"' in found.stdout
    assert 'Unexpected keyword argument "buy" for "scale" of "Server"' in found.stdout


@pytest.mark.parametrize(
    ("server", "message"),
    [
        ("nowhere.py:Server", "there is no file nowhere.py"),
        ("no_such_module:Server", "there is no module no_such_module"),
        (f"{SERVER}:Nobody", "there is no class Nobody"),
        (str(SERVER), "expected path/server.py:Class or package.module:Class"),
        ("json.decoder:JSONDecoder", "JSONDecoder has no endpoint"),
    ],
)
def test_what_cannot_be_written_is_said(
    server: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tech_renaissance", "stubs", server, "-o", str(tmp_path / "x.h")])
    assert command.main() == 1
    assert message in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["tech_renaissance", "stubs", f"{SERVER}:Server", "-o", "x.txt"])
    assert command.main() == 1
    assert "expected a file that ends with .h, .hpp, .pyi" in capsys.readouterr().err

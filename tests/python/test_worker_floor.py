"""Interpreters with nothing installed, from the oldest that is supported to a recent one."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from channel_host import ChannelHost
from host import PACKAGE_DIR, SERVERS, Host

VERSIONS = ["3.9.18", "3.13.0"]


@pytest.fixture(params=VERSIONS)
def bare(request: pytest.FixtureRequest) -> list[str]:
    """An interpreter without site packages."""
    python = Path.home() / ".pyenv" / "versions" / request.param / "bin" / "python3"
    if not python.exists():
        pytest.skip(f"no Python {request.param} on this machine")
    return [str(python), "-S", "-s", "-X", "faulthandler"]


def test_a_bare_interpreter_serves_hello(start: Callable[..., Host], bare: list[str]) -> None:
    host = start(python=bare)
    hello = host.hello()
    assert hello["packages"] == {}
    assert host.ask("hello")["result"] == f"Hello, C++! This is Python {hello['python']}."
    assert host.ask("hi")["result"] == f"Hi, C++! This is Python {hello['python']}."
    assert "torch.linalg.*" in str(host.ask("help")["result"])
    assert host.log() == ""


@pytest.mark.parametrize("version", ["3.9.18", "3.10.13", "3.11.7", "3.12.1", "3.13.0"])
def test_the_host_s_library_is_a_module_of_any_interpreter(workspace: Path, version: str) -> None:
    python = Path.home() / ".pyenv" / "versions" / version / "bin" / "python3"
    if not python.exists():
        pytest.skip(f"no Python {version} on this machine")
    options = {"python": [str(python), "-S", "-s"]}
    with closing(ChannelHost(workspace, SERVERS / "probe.py", "library", **options)) as host:
        hello = host.hello()
        assert (hello["carrier"], hello["mailbox"], hello["fallback"]) == ("mailbox", "library", "")
        assert host.first.ask("echo", "again")["result"] == "again"


def _hello_without(modules: list[str], workspace: Path) -> dict[str, object]:
    """What a worker says of itself whose interpreter lacks these modules."""
    script = workspace / "without.py"
    script.write_text(
        f"import sys, runpy\nsys.modules.update(dict.fromkeys({modules!r}))\n"
        f"runpy.run_path({str(SERVERS / 'probe.py')!r}, run_name='__main__')\n"
    )
    with closing(ChannelHost(workspace, script, "library")) as host:
        return host.hello()


def test_an_interpreter_that_cannot_load_it_takes_the_files(workspace: Path) -> None:
    """Without ctypes there is no futex either."""
    hello = _hello_without(["_imp", "_ctypes"], workspace)
    assert (hello["carrier"], hello["mailbox"]) == ("files", "")
    assert "a futex cannot be called" in str(hello["fallback"])


def test_an_interpreter_without_ctypes_can_load_it(workspace: Path) -> None:
    hello = _hello_without(["_ctypes"], workspace)
    assert (hello["carrier"], hello["mailbox"], hello["fallback"]) == ("mailbox", "library", "")


def test_a_bare_interpreter_is_ready_quickly(start: Callable[..., Host], bare: list[str]) -> None:
    """An upper bound that a loaded machine keeps; the benchmark measures it."""
    start(python=bare).hello()
    times = []
    for _ in range(3):
        host = start(python=bare)
        host.hello()
        times.append(time.monotonic() - host.started)
    assert min(times) < 0.3


@pytest.mark.parametrize("command", ["torch.matmul", "numpy.matmul", "matmul", "conv_k3_s1_p0"])
def test_what_is_not_installed_is_named_with_the_remedy(
    start: Callable[..., Host], bare: list[str], command: str
) -> None:
    host = start(python=bare)
    failure = host.ask(command, "a,b")["error"]
    library = "numpy" if command.startswith("numpy") else "torch"
    assert f"{bare[0]} -m pip install {library}" in failure["message"]  # type: ignore[index]
    assert host.ask("hello")["result"].startswith("Hello")  # type: ignore[attr-defined]


def test_everything_but_tensors_works(start: Callable[..., Host], bare: list[str]) -> None:
    host = start("probe", python=bare)
    assert host.ask("tensors")["tensors"] == ["result_0", "result_1", "result_2"]
    assert host.ask("raise_value_error", "x")["error"]["message"].startswith('not "x" (at ')  # type: ignore[index]
    assert host.ask("nonsense")["error"]["code"] == "E1004"  # type: ignore[index]
    failure = host.ask("get", "a b")["error"]
    assert failure["code"] == "E1001"  # type: ignore[index]
    assert "pip install torch" in failure["message"]  # type: ignore[index]
    assert host.ask("__exit__")["result"] == "ok"
    assert host.exit_code() == 0


def test_what_takes_long_to_import_is_not(bare: list[str]) -> None:
    """Each of these takes longer than all of the package: a server that needs them imports them itself."""
    heavy = {"re", "json", "enum", "functools", "collections", "typing", "ctypes", "threading", "asyncio", "traceback"}
    code = (
        f"import sys; sys.path.insert(0, {str(PACKAGE_DIR)!r}); from tech_renaissance import TechRenaissanceServer; "
        f"import tech_renaissance.worker.runtime; print(*({heavy!r} & set(sys.modules)))"
    )
    assert subprocess.run([*bare, "-c", code], capture_output=True, text=True, check=True).stdout.split() == []

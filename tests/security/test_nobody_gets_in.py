"""Who is not this user gets nothing, and who is gets nothing executed: modes, owners, links, names, pickles."""

from __future__ import annotations

import ast
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
PACKAGE = REPOSITORY / "python" / "tech_renaissance"
HOST = HERE / "session_host.py"
STRANGER, OTHER = 54_321, 54_322

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="makes files of other users")


@pytest.fixture
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that anybody may write to, as /tmp is."""
    import shutil
    import tempfile

    path = Path(tempfile.mkdtemp(prefix="tr-shared-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    path.chmod(0o1777)
    yield path
    shutil.rmtree(path)


def run_host(workspace: str, *, umask: int = 0o022, user: int = -1, **environment: str) -> dict[str, object]:
    """What a host of its own process and user saw."""
    settings = {key: value for key, value in os.environ.items() if not key.startswith(("TR_", "PYTHON"))}
    settings |= {"PYTHONPATH": str(REPOSITORY / "python"), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    done = subprocess.run(
        [sys.executable, HOST, workspace, str(user)], capture_output=True, text=True, umask=umask, env=settings,
        timeout=60, cwd="/", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.mark.parametrize("wake_up", ["auto", "polling"])
@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_all_is_this_users_alone_whatever_the_umask(shared: Path, umask: int, wake_up: str) -> None:
    check_modes(run_host(str(shared / "mine"), umask=umask, TR_WAKEUP=wake_up), "7.0")


@needs_root
@pytest.mark.parametrize("wake_up", ["auto", "polling"])
def test_an_umask_that_takes_the_owners_rights_away_stops_nobody(shared: Path, wake_up: str) -> None:
    """Root could read its files in any mode."""
    check_modes(run_host(str(shared / "mine"), umask=0o777, user=STRANGER, TR_WAKEUP=wake_up), "hello")


def check_modes(seen: dict[str, object], answer: str) -> None:
    """Directories 0700, files 0600."""
    assert seen.get("answer") == answer, seen
    modes: dict[str, int] = seen["modes"]  # type: ignore[assignment]
    wrong = {
        path: oct(mode)
        for path, mode in modes.items()
        if stat.S_IMODE(mode) != (0o700 if stat.S_ISDIR(mode) else 0o600)
    }
    assert not wrong
    assert len(modes) > 7


@needs_root
@pytest.mark.parametrize("what", ["folder of sessions", "session", "link", "world-writable"])
def test_what_another_user_has_put_there_is_refused(shared: Path, what: str) -> None:
    sessions = shared / "python_session"
    if what == "folder of sessions":
        sessions.mkdir()
        os.chown(sessions, OTHER, OTHER)
        expected = f"belongs to user {OTHER}"
    elif what == "session":
        sessions.mkdir(0o700)
        os.chown(sessions, STRANGER, STRANGER)
        (sessions / "tr_session_mine").mkdir()
        os.chown(sessions / "tr_session_mine", OTHER, OTHER)
        expected = f"belongs to user {OTHER}"
    elif what == "link":
        (shared / "elsewhere").mkdir()
        sessions.symlink_to(shared / "elsewhere")
        expected = "it is a symbolic link"
    else:
        sessions.mkdir()
        sessions.chmod(0o777)
        os.chown(sessions, STRANGER, STRANGER)
        expected = "others may write to it"
    seen = run_host(str(shared), user=STRANGER)
    assert seen["code"] == "E1003"
    assert expected in str(seen["error"])
    assert not list(sessions.rglob("*.json"))


@needs_root
def test_the_default_workspace_of_another_user_is_refused() -> None:
    place = Path("/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp") / f"tech_renaissance-{STRANGER}"
    place.mkdir()
    os.chown(place, OTHER, OTHER)
    try:
        seen = run_host("", user=STRANGER, TMPDIR="/tmp")
        assert seen["code"] == "E1003"
        assert f"belongs to user {OTHER}" in str(seen["error"])
        assert not list(place.iterdir())
    finally:
        place.rmdir()


@needs_root
def test_a_worker_refuses_the_session_of_another_user(shared: Path) -> None:
    session = shared / "python_session" / "tr_session_x"
    session.mkdir(parents=True)
    os.chown(session, OTHER, OTHER)
    done = subprocess.run(
        ["/usr/bin/python3", PACKAGE / "scripts" / "default.py", "x"], capture_output=True, text=True, user=STRANGER,
        group=STRANGER, extra_groups=[], cwd="/", timeout=60, check=False,
        env={"TR_SESSION_DIR": str(session), "PYTHONPATH": str(PACKAGE.parent), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 1
    assert f"belongs to user {OTHER}, not to {STRANGER}" in done.stderr


def test_nothing_is_ever_unpickled_or_evaluated() -> None:
    """No module of the package imports what could, or calls it."""
    modules = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "code", "codeop"}
    calls = {"eval", "exec", "compile", "__import__", "execfile"}
    attributes = {"load", "loads", "save", "savez", "fromfile", "memmap", "tofile", "system", "popen"}
    # For people, at their own command: what reads says so in each call that it takes no pickles.
    for_people = {("tsr.py", "memmap"), ("tsr_convert.py", "save")}
    careful = {"allow_pickle": False, "weights_only": True}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            where = f"{path.name}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import):
                assert not modules & {alias.name.partition(".")[0] for alias in node.names}, where
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").partition(".")[0] not in modules, where
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                own_names = path == PACKAGE / "__init__.py" and node.func.id == "__import__"  # of a table of its own
                # Annotations that are texts: the server's own source, as `typing.get_type_hints` evaluates them.
                own_source = path == PACKAGE / "endpoints" / "annotations.py" and node.func.id == "eval"
                assert own_names or own_source or node.func.id not in calls, where
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
                says = {word.arg: word.value.value for word in node.keywords if isinstance(word.value, ast.Constant)}
                if node.func.attr == "load" and any(says.get(name) is value for name, value in careful.items()):
                    continue
                if node.func.attr in attributes and (path.name, node.func.attr) not in for_people:
                    assert owner not in ("torch", "numpy", "np", "os"), where


def test_no_function_on_offer_opens_a_file_or_runs_anything(tmp_path: Path) -> None:
    """Each is called with paths in every place: by the audit hooks of Python and by the kernel, nothing is opened."""
    pytest.importorskip("torch")
    done = subprocess.run(
        [sys.executable, HERE / "call_everything.py", tmp_path], capture_output=True, text=True, timeout=110,
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(PACKAGE.parent)}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["events"] == []
    assert seen["touched"] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["canary"]
    assert seen["functions"] > 1000
    assert seen["succeeded"] > 1000  # so that it is the functions that were called, not only their argument checks

"""What `python -m tech_renaissance replay` refuses to run, and what it cannot try."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from programs import PACKAGE_PARENT
from test_post_mortem import SOURCE, fail, replay

from tech_renaissance import PythonSession, RestartPolicy, SessionOptions, errors

OTHER = 54_322
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="makes files of other users")


def keeping(folder: Path, server: str = SOURCE) -> SessionOptions:
    """Options of a session in this folder that keeps its failures."""
    script = folder / "server.py"
    script.write_text(server, encoding="utf-8")
    return SessionOptions(
        script=script, workspace=folder / "workspace", python=sys.executable, quiet=True, keep_on_failure=True,
        default_timeout_ms=30_000,
    )  # fmt: skip


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A ValueError with two tensors: `a` was sent with the request, `weights` before it."""
    with PythonSession(keeping(tmp_path_factory.mktemp("original"))) as session:
        session.wait_until_ready()
        session.send_tensor(np.ones(3), "weights")
        yield fail(session, "fail", np.ones(3))


@pytest.fixture
def kept(original: Path, tmp_path: Path) -> Path:
    """A copy to do anything to."""
    return Path(shutil.copytree(original, tmp_path / "kept"))


def cut(path: Path) -> None:
    os.truncate(path, 70)


def make_link(path: Path) -> None:
    path.symlink_to(path.rename(path.with_suffix(".moved")))


def make_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def scrawl(path: Path) -> None:
    path.write_text("{", encoding="utf-8")


def empty(path: Path) -> None:
    path.write_text("{}", encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "harm", "text"),
    [
        ("a.tsr", Path.unlink, "a.tsr is missing"),
        ("weights.tsr", Path.unlink, "weights.tsr is missing"),
        ("a.tsr", cut, "a.tsr: truncated header: expected 128 bytes, found 70"),
        ("a.tsr", make_link, "a.tsr: expected a regular file, found a symbolic link"),
        ("a.tsr", make_fifo, "a.tsr: expected a regular file, found something else"),
        ("request.json", Path.unlink, "request.json is missing"),
        ("request.json", make_fifo, "request.json: expected a regular file, found something else"),
        ("request.json", scrawl, "request.json is not JSON"),
        ("hello.json", Path.unlink, "hello.json is missing"),
        ("failure.json", Path.unlink, "expected a directory that SessionOptions::keep_on_failure has kept"),
        ("failure.json", make_link, "failure.json: expected a readable regular file, found: a symbolic link"),
        ("failure.json", scrawl, "failure.json is not JSON"),
        ("failure.json", empty, "failure.json is not the record of a failure"),
    ],
)
def test_what_is_damaged_is_not_tried(kept: Path, name: str, harm: Callable[[Path], None], text: str) -> None:
    harm(kept / name)
    result = replay(kept)
    assert result.returncode == 2, result
    assert result.stderr.startswith(f"cannot replay {kept}: "), result
    assert text in result.stderr
    assert result.stdout == ""


def test_what_was_found_may_have_been_malformed_from_the_first(kept: Path, tmp_path: Path) -> None:
    cut(kept / "weights.tsr")
    result = replay(kept)
    assert result.returncode == 0, result
    mended = tmp_path / "mended.py"
    mended.write_text(SOURCE.replace("raise ValueError(parameters)", "return True"), encoding="utf-8")
    result = replay(kept, "--script", str(mended))
    assert result.returncode == 2, result
    assert "weights.tsr: truncated header: expected 128 bytes, found 70" in result.stderr


def test_a_server_that_does_not_come_up_says_nothing(kept: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0\n", encoding="utf-8")
    for arguments in (("--python", "/bin/false"), ("--script", str(broken))):
        result = replay(kept, *arguments)
        assert result.returncode == 2, result
        assert "replayed: the worker exited with code 1 before it was ready\n" in result.stdout
        assert "the server did not come as far as the failure" in result.stderr
        assert "does not repeat" not in result.stdout
    for arguments, text in (
        (("--script", str(tmp_path / "none.py")), "none.py does not exist: name another one with --script"),
        (("--python", str(tmp_path / "none")), "none is not an executable file: name another one with --python"),
    ):
        result = replay(kept, *arguments)
        assert result.returncode == 2, result
        assert text in result.stderr


def test_a_start_that_failed_may_fail_again(tmp_path: Path) -> None:
    options = keeping(tmp_path)
    options.restart = RestartPolicy(attempts=1, idempotent=["work"])
    with PythonSession(options) as session:
        session.wait_until_ready()
        Path(options.script).unlink()
        os.kill(session.stats().worker_pid, signal.SIGKILL)
        with pytest.raises(errors.InputError, match="does not exist"):
            session.fetch_response("work")
        kept = Path(session.stats().kept)
    assert not {"request.json", "hello.json"} & {path.name for path in kept.iterdir()}  # of the worker before
    result = replay(kept)
    text = "the worker could not be started"
    assert f"recorded: {text}\nreplayed: {text}\nthe failure repeats\n" in result.stdout, result
    assert result.returncode == 0
    Path(options.script).write_text(SOURCE, encoding="utf-8")
    result = replay(kept)
    assert "replayed: the worker was ready\nthe failure does not repeat\n" in result.stdout, result
    assert result.returncode == 1


@pytest.mark.parametrize("given", [[], ["--number", "7"]])
def test_a_replay_has_the_arguments_of_the_script(tmp_path: Path, given: list[str]) -> None:
    parser = "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--number', default='5')\n"
    server = (
        "from tech_renaissance import TechRenaissanceServer\n"
        f"{parser}number = parser.parse_args().number\n"
        "class Server(TechRenaissanceServer):\n"
        "    def main_logic(self, command, parameters):\n"
        "        raise {'5': ValueError, '7': KeyError}[number]\n"
        "Server().run()\n"
    )
    options = replace(keeping(tmp_path, server), arguments=given)
    with PythonSession(options) as session:
        kept = fail(session, "x")
    outcome = replay(kept)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert f"replayed: the request failed with E9999, {'KeyError' if given else 'ValueError'}" in outcome.stdout


def test_what_is_no_file_hinders_no_keeping(tmp_path: Path) -> None:
    with PythonSession(keeping(tmp_path)) as session:
        session.wait_until_ready()
        (folder,) = (tmp_path / "workspace").rglob("tr_session_*")
        (folder / "folder.tsr").mkdir()
        (folder / "fifo.tsr").touch()
        make_fifo(folder / "fifo.tsr")
        kept = fail(session, "fail", 1.0)
    assert {path.name for path in kept.glob("*.tsr")} == {"a.tsr"}
    result = replay(kept)
    assert "fifo.tsr is missing, and failure.json names it: it was removed, or was no file" in result.stderr, result
    assert result.returncode == 2


def test_a_tensor_that_was_missing_is_missing_again(tmp_path: Path) -> None:
    with PythonSession(keeping(tmp_path)) as session:
        with pytest.raises(errors.NotFoundError):
            session.fetch_response("frames nothing")
        result = replay(Path(session.stats().kept))
    assert "replayed: the request failed with E1004, NotFoundError\nthe failure repeats\n" in result.stdout, result
    assert result.returncode == 0


def test_an_answer_that_is_none_is_none_again(tmp_path: Path) -> None:
    server = SOURCE.replace(
        'if command == "kill":',
        'if command == "mumble":\n'
        '            open(os.environ["TR_SESSION_DIR"] + "/response.json", "w").write("[]")\n'
        "            threading.Event().wait()\n"
        '        if command == "kill":',
    )
    options = keeping(tmp_path, server)
    options.wake_up = "polling"
    with PythonSession(options) as session:
        kept = fail(session, "mumble")
    result = replay(kept)
    assert "replayed: the request failed with E1001\nthe failure repeats\n" in result.stdout, result


@pytest.fixture
def marked(kept: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A kept directory whose record names a script of somebody else's, and the file that it leaves when it runs."""
    mark, script = tmp_path / "mark", tmp_path / "theirs.py"
    script.write_text(f"open({str(mark)!r}, 'w')\n", encoding="utf-8")
    record = json.loads((kept / "failure.json").read_text(encoding="utf-8"))
    record["worker"]["command"][1] = str(script)
    (kept / "failure.json").write_text(json.dumps(record), encoding="utf-8")
    return kept, mark


def check_refused(kept: Path, mark: Path, what: Path, seen: str) -> None:
    """Nothing runs, whatever else is named; a copy does."""
    for arguments in ((), ("--python", sys.executable, "--script", str(mark.with_name("theirs.py")))):
        result = replay(kept, *arguments)
        assert result.returncode == 2, result
        assert f"refused: {what} belongs to {seen}. A replay runs the interpreter and the script" in result.stderr
        assert "'cp -r'" in result.stderr
        assert not mark.exists()
    copy = kept.with_name("copy")
    subprocess.run(["cp", "-r", kept, copy], check=True)
    subprocess.run(["chmod", "-R", "go-w", copy], check=True)
    assert "before it was ready" in replay(copy).stdout
    assert mark.exists()


@pytest.mark.parametrize(
    ("name", "mode"), [("", 0o770), ("", 0o1707), ("failure.json", 0o620), ("failure.json", 0o602)]
)
def test_what_others_may_write_is_refused(marked: tuple[Path, Path], name: str, mode: int) -> None:
    kept, mark = marked
    (kept / name).chmod(mode)
    check_refused(kept, mark, kept / name, f"user {os.geteuid()} and has mode {mode:04o}")


@needs_root
@pytest.mark.parametrize("name", ["", "failure.json"])
def test_what_is_another_users_is_refused(marked: tuple[Path, Path], name: str) -> None:
    kept, mark = marked
    os.chown(kept / name, OTHER, OTHER)
    mode = (kept / name).stat().st_mode & 0o777
    check_refused(kept, mark, kept / name, f"user {OTHER} and has mode {mode:04o}")


@needs_root
def test_what_is_roots_may_be_replayed_by_anybody() -> None:
    """With the system's Python, which another user may run; what runs fails as it did, before it is ready."""
    with tempfile.TemporaryDirectory(prefix="tr-roots-") as folder:
        os.chmod(folder, 0o755)
        options = keeping(Path(folder), "raise SystemExit(3)\n")
        options.python = "/usr/bin/python3"
        session = PythonSession(options)
        session.start()
        with pytest.raises(errors.RestartError):
            session.wait_until_ready()
        kept = Path(session.stats().kept)
        for path in (*kept.parents[:3], kept, *kept.iterdir()):
            if path.is_relative_to(folder):
                path.chmod(0o755)
        done = subprocess.run(
            ["/usr/bin/python3", "-m", "tech_renaissance", "replay", kept], capture_output=True, text=True, user=OTHER,
            group=OTHER, extra_groups=[], cwd="/", timeout=60, check=False,
            env={"PYTHONPATH": PACKAGE_PARENT, "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        assert "the failure repeats" in done.stdout, done
        assert done.returncode == 0


def test_a_link_of_ones_own_may_be_followed(kept: Path) -> None:
    link = kept.with_name("link")
    link.symlink_to(kept)
    assert replay(link).returncode == 0


def test_what_is_no_directory_is_named(kept: Path) -> None:
    for path, text in ((kept / "a.tsr", "it is no directory"), (kept / "none", f"there is no {kept / 'none'}")):
        result = replay(path)
        assert result.returncode == 2, result
        assert f"{text}: expected a directory that SessionOptions::keep_on_failure has kept" in result.stderr


def test_help_tells_the_exit_codes(kept: Path) -> None:
    text = replay(kept, "--help").stdout
    assert "exit codes:\n  0  the failure repeats" in text
    assert "\n  1  it does not" in text
    assert "\n  2  it could not be tried" in text

"""The messages in docs/errors.md are those that a caller gets."""

from __future__ import annotations

import contextlib
import re
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from snippets import REPOSITORY, matches, unfolded

from tech_renaissance import (
    Pool,
    PoolOptions,
    PythonSession,
    RestartError,
    RestartPolicy,
    SessionOptions,
    TRException,
    errors,
    read_tsr,
    write_tsr,
)

PAGE = (REPOSITORY / "docs" / "errors.md").read_text(encoding="utf-8")
EXAMPLES = REPOSITORY / "cpp" / "examples"


def section(title: str) -> tuple[str, str, str]:
    """Class, code and message that the section of this title shows."""
    found = re.search(rf"^### {title}: `(\w+)`, (E\d+)\n.*?^```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1], found[2], found[3]


def options(workspace: Path, script: Path, python: str = sys.executable) -> SessionOptions:
    """A quiet session of the name "demo"."""
    return SessionOptions(script=script, session_id="demo", workspace=workspace, python=python, quiet=True)


def ask(folder: Path, request: str, timeout_ms: int = 30_000) -> None:
    """Sends one request to the server of the example error_recovery."""
    with PythonSession(options(folder, EXAMPLES / "fragile_server.py")) as session:
        session.wait_until_ready()
        session.fetch_response(request, timeout_ms=timeout_ms)


def python_code_raises(folder: Path) -> None:
    ask(folder, "divide 1 0")


def unknown_command(folder: Path) -> None:
    ask(folder, "multiply 1 0")


def worker_dies(folder: Path) -> None:
    ask(folder, "crash")


def time_passes(folder: Path) -> None:
    ask(folder, "stall", timeout_ms=200)


def wrong_count(folder: Path) -> None:
    with PythonSession(options(folder, EXAMPLES / "statistics_server.py")) as session:
        session.calculate("statistics", 1.0, 2.0)


def another_has_sent(folder: Path) -> None:
    with ThreadPoolExecutor(1) as other, PythonSession(options(folder, EXAMPLES / "fragile_server.py")) as session:
        session.send_request("stall")
        other.submit(session.wait_for_response).result()


def script_ends_at_once(folder: Path) -> None:
    script = folder / "server.py"
    script.write_text("from tech_renaissance import Serve\n", encoding="utf-8")
    with PythonSession(options(folder, script)) as session:
        session.fetch_response("hello")


def no_interpreter(folder: Path) -> None:
    PythonSession(options(folder, EXAMPLES / "fragile_server.py", python="/opt/python/bin/python3")).start()


def too_old(folder: Path) -> None:
    python = folder / "python"
    python.write_text("#!/bin/sh\ncase \"$*\" in *version_info*) printf 'version 3.8.18';; esac\nexit 1\n")
    python.chmod(0o700)
    with PythonSession(options(folder, EXAMPLES / "fragile_server.py", python=str(python))) as session:
        session.wait_until_ready()


def never_serves(folder: Path) -> None:
    script = folder / "server.py"
    script.write_text("import tech_renaissance\n", encoding="utf-8")
    with PythonSession(options(folder, script)) as session:
        session.wait_until_ready()


def directory_removed(folder: Path) -> None:
    with PythonSession(options(folder, EXAMPLES / "statistics_server.py")) as session:
        session.wait_until_ready()
        while Path(session.session_dir()).exists():  # the worker may be writing its status meanwhile
            shutil.rmtree(session.session_dir(), ignore_errors=True)
        session.calculate("statistics", 1.0)


def no_script(folder: Path) -> None:
    PythonSession(options(folder, folder / "server.py")).start()


def id_in_use(folder: Path) -> None:
    with PythonSession(options(folder, EXAMPLES / "fragile_server.py")):
        PythonSession(options(folder, EXAMPLES / "fragile_server.py")).start()


def no_such_session(folder: Path) -> None:
    demo = options(folder, EXAMPLES / "fragile_server.py")
    with PythonSession(demo) as one, PythonSession(replace(demo, session_id="robot")) as two:
        for session in (one, two):
            session.wait_until_ready()
        PythonSession.connect("camera", options=demo)


def owner_ends(folder: Path) -> None:
    demo = replace(options(folder, EXAMPLES / "fragile_server.py"), session_id="camera")
    with PythonSession(demo) as owner:
        owner.wait_until_ready()
        client = PythonSession.connect("camera", options=demo)
    try:
        client.fetch_response("divide 1 1")
    finally:
        client.close()


def request_ends_workers(folder: Path) -> None:
    policy = RestartPolicy(attempts=3, backoff_ms=1, idempotent=["crash"])
    with PythonSession(replace(options(folder, EXAMPLES / "fragile_server.py"), restart=policy)) as session:
        with pytest.raises(errors.RestartError, match="was at work when 3 workers died"):
            session.fetch_response("crash")
        session.fetch_response("crash")


def queue_is_full(folder: Path) -> None:
    full = PoolOptions(options(folder, EXAMPLES / "fragile_server.py"), max_queue_size=0, when_full="refuse")
    with Pool(replace(full, workers=1)) as pool:
        at_work = pool.submit("stall")
        try:
            pool.fetch_response("divide 1 1")
        finally:
            at_work.cancel()


def no_worker_left(folder: Path) -> None:
    script = folder / "server.py"
    shutil.copy(EXAMPLES / "fragile_server.py", script)
    policy = RestartPolicy(attempts=1)
    with Pool(replace(options(folder, script), restart=policy), workers=1) as pool:
        script.write_text("raise SystemExit('a line that is missing')")
        with contextlib.suppress(RestartError):
            pool.fetch_response("crash")
        pool.fetch_response("divide 1 1")


def malformed_file(folder: Path) -> None:
    write_tsr(1.5, folder / "x.tsr")
    with (folder / "x.tsr").open("ab") as file:
        file.write(b"more")
    read_tsr(folder / "x.tsr", "numpy")


CASES = {
    "The Python code raises": python_code_raises,
    "An unknown command": unknown_command,
    "A wrong number of tensors": wrong_count,
    "Another thread has sent the request": another_has_sent,
    "The worker dies": worker_dies,
    "A request that ends workers": request_ends_workers,
    "The script ends at once": script_ends_at_once,
    "No interpreter": no_interpreter,
    "The interpreter is too old": too_old,
    "A script that never serves": never_serves,
    "The session directory is removed": directory_removed,
    "The script does not exist": no_script,
    "The time limit passes": time_passes,
    "The session id is in use": id_in_use,
    "There is no such session": no_such_session,
    "The owner of a worker ends": owner_ends,
    "A tensor file is malformed": malformed_file,
    "The queue of a pool is full": queue_is_full,
    "No worker of a pool is left": no_worker_left,
}


@pytest.mark.parametrize("title", CASES)
def test_message(title: str, tmp_path: Path) -> None:
    """Class, code and text are as the page shows them."""
    provoke: Callable[[Path], None] = CASES[title]
    kind, code, shown = section(title)
    with pytest.raises(TRException) as caught:
        provoke(tmp_path)
    assert type(caught.value).__name__ == kind
    assert caught.value.code == code
    assert matches(unfolded(shown), unfolded(str(caught.value))), str(caught.value)


def test_every_code_is_listed() -> None:
    """The table of codes is complete."""
    codes = {value for name, value in vars(errors).items() if name.isupper() and isinstance(value, str)}
    assert codes == set(re.findall(r"^\| (E\d+) \|", PAGE, re.MULTILINE))

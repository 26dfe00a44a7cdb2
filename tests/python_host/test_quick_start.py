"""Workers forked from a template, for hosts in Python."""

from __future__ import annotations

from pathlib import Path

from tech_renaissance import PythonSession, SessionOptions


def options(workspace: Path, session_id: str, module: str) -> SessionOptions:
    return SessionOptions(
        session_id=session_id, workspace=str(workspace), quick_start=True, preload=[module], quiet=True
    )


def test_workers_come_from_a_template(tmp_path: Path) -> None:
    with (
        PythonSession(options(tmp_path, "one", "numpy")) as one,
        PythonSession(options(tmp_path, "two", "numpy")) as two,
    ):
        assert one.stats().start == two.stats().start == "template"
        assert one.stats().worker_pid != two.stats().worker_pid
        assert two.fetch_response("hello").startswith("Hello")


def test_without_a_template_the_start_is_plain(tmp_path: Path) -> None:
    with PythonSession(options(tmp_path, "plain", "no_such_module")) as session:
        assert session.stats().start.startswith("plain: ")
        assert session.fetch_response("hello").startswith("Hello")

"""`serve --reload`: new workers when a source changes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from serving import Served, command

SOURCE = """\
from tech_renaissance import endpoint


class Greeter:
    @endpoint
    def greet(self) -> str:
        return "NUMBER"
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "sources").mkdir()
    script = tmp_path / "sources" / "greeter.py"
    script.write_text(SOURCE, encoding="utf-8")
    return script


def change(script: Path, text: str) -> None:
    """As editors do it."""
    new = script.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(script)


def test_a_changed_source_gives_new_workers(tmp_path: Path, script: Path) -> None:
    pytest.importorskip("watchdog")
    with Served(tmp_path / "workspace", f"{script}:Greeter", "--reload") as served:
        served.until("sources are watched")
        with served.connect("greeter-0") as session:
            assert session.fetch_response("greet") == "NUMBER"
            change(script, SOURCE.replace("NUMBER", "one"))
            served.until("greeter.py changed")
            served.until("greeter is reloaded")
            session.restart()
            assert session.fetch_response("greet") == "one"

            change(script, "def")
            assert "workers are left as they are: " in served.until_error("greeter.py changed")
            assert session.fetch_response("greet") == "one"

            change(script, SOURCE.replace("class", "raise ValueError('on purpose')\nclass"))
            assert "greeter waits for another change: " in served.until_error("greeter waits")

            change(script, SOURCE.replace("NUMBER", "two"))
            served.until("greeter is reloaded")
            session.restart()
            assert session.fetch_response("greet") == "two"
        served.signal()
        assert served.end()[0] == 0


def test_without_watchdog_it_says_what_to_do(tmp_path: Path, script: Path) -> None:
    (tmp_path / "hidden" / "watchdog").mkdir(parents=True)
    (tmp_path / "hidden" / "watchdog" / "__init__.py").write_text("raise ImportError\n", encoding="utf-8")
    import programs

    path = f"{tmp_path / 'hidden'}:{programs.PACKAGE_PARENT}"
    found = command(tmp_path / "workspace", "serve", f"{script}:Greeter", "--reload", PYTHONPATH=path)
    assert found.returncode == 1
    assert f"install it with '{sys.executable} -m pip install watchdog'" in found.stderr

"""The log of a worker keeps its end, and does not fill the memory that it may lie in."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from programs import PACKAGE_PARENT

from tech_renaissance import PythonSession, RemoteError, RestartError, SessionOptions

MOST = 32 << 20  # bytes, as docs/errors.md says
KEPT = 4 << 20
SOURCE = """
import os, subprocess, sys
from tech_renaissance import TechRenaissanceServer

class Chatty(TechRenaissanceServer):
    def main_logic(self, command, parameters):
        if command == "fail":
            raise ValueError("x" * 100_000)
        if command == "flood":
            subprocess.run(["head", "-c", parameters, "/dev/zero"], check=True)
            parameters = "1"
        for number in range(int(parameters)):
            print(f"line {number} ", "x" * 10_000, file=sys.stderr if number % 2 else sys.stdout)
        if command == "die":
            print("last words")
            os.abort()
        self.write_response(command, "said")
        return True

Chatty().run()
"""


def test_a_long_log_is_shortened_to_its_end(options: SessionOptions, tmp_path: Path) -> None:
    script = tmp_path / "chatty.py"
    script.write_text(SOURCE, encoding="utf-8")
    with PythonSession(replace(options, script=script)) as session:
        log = Path(session.session_dir(), "worker.log")
        session.fetch_response("say 1000")
        assert log.read_text().startswith("line 0 ")
        for _ in range(4):
            session.fetch_response("say 1000")
            assert log.stat().st_size < MOST + 3 * KEPT
        first, second, *_, last = log.read_text().splitlines()
        assert first.startswith("tech_renaissance: the first ")
        assert first.endswith(" bytes were removed, as the log had become long")
        assert int(first.split()[3]) >= MOST - KEPT
        assert second.startswith("line ")
        assert last.startswith("line 999 ")
        for _ in range(2):  # the second of the workers goes on with a log that is shortened before its first line
            with pytest.raises(RestartError, match=r"the end of its log:\n(.*\n)*last words\n"):
                session.fetch_response("die 2500")
            session.restart()
        assert log.stat().st_size < MOST + 3 * KEPT


def test_what_is_not_printed_by_python_counts(options: SessionOptions, tmp_path: Path) -> None:
    script = tmp_path / "chatty.py"
    script.write_text(SOURCE, encoding="utf-8")
    with PythonSession(replace(options, script=script)) as session:
        log = Path(session.session_dir(), "worker.log")
        session.fetch_response(f"flood {MOST}")
        session.fetch_response("say 1")
        assert log.stat().st_size < KEPT + 100_000
        session.fetch_response(f"flood {MOST - KEPT - 10_000_000}")
        while log.stat().st_size > KEPT + 100_000:  # its own tracebacks
            size = log.stat().st_size
            with pytest.raises(RemoteError):
                session.fetch_response("fail")
            assert log.stat().st_size != size
            assert size < MOST + 200_000


def test_a_file_that_is_not_the_log_is_left_alone(tmp_path: Path) -> None:
    code = """
import sys
sys.path.insert(0, sys.argv[1])
from tech_renaissance.platform.output import log_output
log_output(sys.argv[2])
for _ in range(40):
    print("x" * 1048575)
"""
    own = tmp_path / "own.log"
    with own.open("wb") as output:
        subprocess.run(
            [sys.executable, "-c", code, PACKAGE_PARENT, str(tmp_path / "worker.log")], stdout=output, check=True
        )
    assert own.stat().st_size == 40 << 20

"""Servers that fork: the session is the worker's alone, whatever becomes of the process that was forked off."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tech_renaissance import PythonSession, SessionOptions

SOURCE = """
import multiprocessing, os, time
from tech_renaissance import TechRenaissanceServer

class Forks(TechRenaissanceServer):
    def main_logic(self, command, parameters):
        if command == "terminate":
            child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
            child.start()
            child.terminate()
            child.join()
            self.write_response(command, str(child.exitcode))
        elif command == "pool":
            with multiprocessing.get_context("fork").Pool(2) as pool:
                self.write_response(command, str(sum(pool.map(abs, range(10)))))
        elif command == "fork":
            self.children = getattr(self, "children", [])
            pid = os.fork()
            if pid == 0:
                if parameters == "raise":
                    raise ValueError("in the child")
                if parameters == "exit":
                    raise SystemExit(7)
                if parameters == "tell":
                    raise SystemExit("told by the child")
                if parameters == "answer":
                    self.write_response(command, "from the child")
                return True
            self.children.append(pid)
            self.write_response(command, str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
        else:
            self.write_response(command, f"{os.getpid()} {parameters}")
        return True

Forks().run()
"""


@pytest.mark.parametrize("wake_up", ["futex", "inotify"])
def test_a_fork_of_the_worker_leaves_the_session_alone(options: SessionOptions, tmp_path: Path, wake_up: str) -> None:
    script = tmp_path / "forks.py"
    script.write_text(SOURCE, encoding="utf-8")
    with PythonSession(replace(options, script=script, python=sys.executable, wake_up=wake_up)) as session:
        worker = session.stats().worker_pid
        for number in range(3):
            assert session.fetch_response("terminate") == "-15"
            assert session.fetch_response("pool") == "45"
            assert session.fetch_response("fork return") == "0"
            assert session.fetch_response("fork raise") == "1"
            assert session.fetch_response("fork exit") == "7"
            assert session.fetch_response("fork tell") == "1"
            assert "told by the child\n" in Path(session.session_dir(), "worker.log").read_text(encoding="utf-8")
            assert session.fetch_response("fork answer") == "0"  # logged and dropped
            assert session.fetch_response(f"echo {number}") == f"{worker} {number}"

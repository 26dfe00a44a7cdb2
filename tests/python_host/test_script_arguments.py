"""What a script finds in sys.argv, in sys.path, and when nobody has started it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from programs import PACKAGE_PARENT

from tech_renaissance import InputError, PythonSession, RestartError, SessionOptions

PARSER = """
import argparse, json, sys
from tech_renaissance import TechRenaissanceServer

parser = argparse.ArgumentParser()
parser.add_argument("--weights", default="none")
parser.add_argument("rest", nargs="*")
found = parser.parse_args()

class Server(TechRenaissanceServer):
    def main_logic(self, command, parameters):
        self.write_response(command, {"argv": list(sys.argv)[1:], **vars(found)})
        return True

Server().run()
"""


def run(options: SessionOptions) -> dict[str, object]:
    with PythonSession(options) as session:
        found: dict[str, object] = json.loads(session.fetch_response("x"))
        assert session.stats().start == ("template" if options.quick_start else "plain")
        return found


@pytest.mark.parametrize("quick_start", [False, True])
def test_arguments_reach_a_parser_and_the_session_id_does_not(
    options: SessionOptions, tmp_path: Path, quick_start: bool
) -> None:
    script = tmp_path / "server.py"
    script.write_text(PARSER)
    options = replace(options, script=script, session_id="demo", quick_start=quick_start, preload=["json"])
    assert run(options) == {"argv": ["demo"], "weights": "none", "rest": []}
    with_some = replace(options, arguments=["--weights", "a b.pt", "demo"])
    assert run(with_some) == {"argv": ["--weights", "a b.pt", "demo"], "weights": "a b.pt", "rest": ["demo"]}
    # The one argument that looks like the id is no less an argument.
    assert run(replace(options, arguments=["demo"])) == {"argv": ["demo"], "weights": "none", "rest": ["demo"]}


def test_arguments_reach_a_module(options: SessionOptions, tmp_path: Path) -> None:
    (tmp_path / "served.py").write_text(PARSER)
    environment = {"PYTHONPATH": str(tmp_path)}
    options = replace(options, module="served", environment=environment, arguments=("x",))
    assert run(options)["rest"] == ["x"]
    for wrong in ("text", [1], ["a\0b"]):
        with pytest.raises(InputError, match=r"SessionOptions.arguments is .*: expected a sequence of strings"):
            PythonSession(replace(options, arguments=wrong))  # type: ignore[arg-type]


def test_older_servers_find_the_id_where_it_was(options: SessionOptions, tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text(
        "import copy, pickle, sys\n"
        "from tech_renaissance import TechRenaissanceServer\n"
        "class Server(TechRenaissanceServer):\n"
        "    def main_logic(self, command, parameters):\n"
        "        self.write_response(command, [self.session_id, found, sys.argv[:1] + sys.argv[1:], sys.argv[-1:]])\n"
        "        return True\n"
        "if len(sys.argv) != 2:\n"
        "    sys.exit('usage: server.py <session id>')\n"
        "assert pickle.loads(pickle.dumps(sys.argv)) == copy.copy(sys.argv) == [sys.argv[0], 'demo']\n"
        "found = sys.argv[1]\n"
        "Server().run(sys.argv[1])\n"
    )
    with PythonSession(replace(options, script=script, session_id="demo")) as session:
        path = str(script)
        assert json.loads(session.fetch_response("x")) == ["demo", "demo", [path], [path]]


@pytest.mark.parametrize("arguments", [[], ["-f", "/tmp/kernel.json"], ["--port=1"], ["default"]])
def test_a_script_that_nobody_started_says_who_starts_it(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "server.py").write_text(PARSER.replace("parser.parse_args()", "parser.parse_args([])"))
    with PythonSession(SessionOptions(session_id="default", workspace=tmp_path, quiet=True)):  # which has a worker
        environment = {"PYTHONPATH": str(PACKAGE_PARENT), "TR_WORKSPACE": str(tmp_path)}
        command = [sys.executable, "server.py", *arguments]
        run = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "NotFoundError: this process is no worker: there is no directory of a session 'default'" in run.stderr
    assert "A worker is started by its host: PythonSession('server.py') in C++ or Python." in run.stderr


def test_a_relative_import_in_a_script_says_how_it_would_work(options: SessionOptions, tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text("from . import helpers\n")
    with (
        pytest.raises(RestartError, match=r'SessionOptions::module = "package.server"'),
        PythonSession(replace(options, script=script)) as session,
    ):
        session.wait_until_ready()


POOL = """
import multiprocessing, sys
from tech_renaissance import TechRenaissanceServer

def square(x):
    return x * x

class Server(TechRenaissanceServer):
    def main_logic(self, command, parameters):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            squares = pool.map(square, [2, 3])
        self.write_response(command, [squares, sys.path[:2]])
        return True

if __name__ == "__main__":
    Server().run()
"""


@pytest.mark.skipif(sys.version_info < (3, 11), reason="PYTHONSAFEPATH came with Python 3.11")
@pytest.mark.parametrize("quick_start", [False, True])
def test_a_safe_path_is_left_as_it_is(options: SessionOptions, tmp_path: Path, quick_start: bool) -> None:
    script = tmp_path / "server.py"
    script.write_text(POOL)
    environment = {"PYTHONSAFEPATH": "1", "PYTHONPATH": "/nowhere"}
    options = replace(options, script=script, environment=environment, quick_start=quick_start, preload=["json"])
    with PythonSession(options) as session:
        assert json.loads(session.fetch_response("x")) == [[4, 9], [str(PACKAGE_PARENT), "/nowhere"]]
        assert session.stats().start == ("template" if quick_start else "plain")


def test_the_end_of_the_log_can_be_shown(options: SessionOptions, tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    said = "        print('one\\ntwo', flush=True)\n"
    script.write_text(PARSER.replace("        self.write_response", f"{said}        self.write_response"))
    with PythonSession(replace(options, script=script)) as session:
        session.fetch_response("x")
        session.fetch_response("x")
        assert session.log_tail() == "one\ntwo\none\ntwo\n"
        assert session.log_tail(5) == "two\n"
        with pytest.raises(InputError, match="max_bytes is -1: expected a whole number of bytes"):
            session.log_tail(-1)

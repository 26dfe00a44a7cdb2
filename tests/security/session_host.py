"""A host of its own, for test_nobody_gets_in.py: session_host.py WORKSPACE USER. Prints what it saw as JSON.

As another USER, which it becomes once it has imported all, its worker is the system's Python, without tensors.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy

from tech_renaissance import PythonSession, SessionOptions, TRException

SERVER = Path(__file__).resolve().parents[1] / "python_host" / "host_server.py"


def modes_of_all(directory: str) -> dict[str, int]:
    """Of all that is there, at a moment when no file is in the making: its mode is set after it has been made.

    One that stays under such a name is in it.
    """
    end = time.monotonic() + 10
    while True:
        modes = {}
        try:
            for path, _, names in os.walk(directory):
                for name in [".", *names]:
                    modes[os.path.join(path, name)] = os.lstat(os.path.join(path, name)).st_mode
        except FileNotFoundError:  # it has got its name meanwhile
            continue
        if not any("/.tmp-" in path for path in modes) or time.monotonic() > end:
            return modes


def main() -> dict[str, object]:
    workspace, user = sys.argv[1], int(sys.argv[2])
    if user >= 0:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    python = sys.executable if user < 0 else "/usr/bin/python3"
    options = SessionOptions(script=SERVER, session_id="mine", workspace=workspace, python=python, quiet=True)
    try:
        with PythonSession(options) as session:
            answer = session.fetch_response("text hello")
            if user < 0:
                answer = str(session.calculate("echo", numpy.full(50_000, 7.0))[0])
            session.send_tensor(numpy.ones(3), "small")
            modes = modes_of_all(session.session_dir())
            parent = os.path.dirname(next(iter(modes)).rstrip("/."))
            for path in (parent, os.path.join(parent, ".lock"), os.path.dirname(parent)):
                modes[path] = os.lstat(path).st_mode
            return {"answer": answer, "modes": modes}
    except TRException as error:
        return {"error": str(error), "code": error.code}


print(json.dumps(main()))

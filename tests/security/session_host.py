"""A host of its own, for test_nobody_gets_in.py: session_host.py WORKSPACE USER. Prints what it saw as JSON.

As another USER, which it becomes once it has imported all, its worker is the system's Python, without tensors.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy

from tech_renaissance import PythonSession, SessionOptions, TRException

SERVER = Path(__file__).resolve().parents[1] / "python_host" / "host_server.py"


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
            modes = {}
            for path, _, names in os.walk(session.session_dir()):
                for name in [".", *names]:
                    modes[os.path.join(path, name)] = os.lstat(os.path.join(path, name)).st_mode
            parent = os.path.dirname(next(iter(modes)).rstrip("/."))
            for path in (parent, os.path.join(parent, ".lock"), os.path.dirname(parent)):
                modes[path] = os.lstat(path).st_mode
            return {"answer": answer, "modes": modes}
    except TRException as error:
        return {"error": str(error), "code": error.code}


print(json.dumps(main()))

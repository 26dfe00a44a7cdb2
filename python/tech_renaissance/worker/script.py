"""Running a server's script in a process that is already there: a fork of the template, or under a debugger."""

from __future__ import annotations

import os
import runpy
import sys

from ..channel.session_dir import hide_session_id


def run_as_main(arguments: list[str]) -> None:
    """Runs what an interpreter with these arguments would: a script, or `-m` and a module, then its arguments."""
    is_module = arguments[0] == "-m"
    sys.argv = arguments[1:] if is_module else arguments
    hide_session_id()
    # With PYTHONSAFEPATH or -P (Python 3.11) an interpreter puts no folder there, and what comes first is to stay.
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.getcwd() if is_module else os.path.dirname(os.path.abspath(arguments[0]))
    if is_module:
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(arguments[0], run_name="__main__")

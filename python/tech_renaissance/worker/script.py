"""Running a server's script in a process that is already there: a fork of the template, or under a debugger."""

from __future__ import annotations

import os
import runpy
import sys


def run_as_main(arguments: list[str]) -> None:
    """Runs what an interpreter with these arguments would: a script, or `-m` and a module, then its arguments."""
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        sys.path[0] = os.getcwd()
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        sys.path[0] = os.path.dirname(os.path.abspath(arguments[0]))
        runpy.run_path(arguments[0], run_name="__main__")

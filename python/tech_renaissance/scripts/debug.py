"""Runs a server under a debugger, for `python -m tech_renaissance replay`.

Arguments: how to debug, then what the interpreter would be given.

This folder holds nothing else than scripts, as Python puts it on the path.
"""

from __future__ import annotations

import importlib
import os
import sys

from tech_renaissance import TechRenaissanceServer
from tech_renaissance.worker.script import run_as_main

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Logic = Callable[[str, str], Any]

#: Exit code of a debugger that is not there.
NO_DEBUGGER = 78
#: Exit code when the debugger was left before the request came to its end, of which nothing is known then.
LEFT = 79


def with_pdb(logic: Logic, command: str, parameters: str) -> Any:
    """Stops where the request begins, and again where it fails."""
    import pdb
    import traceback

    class Debugger(pdb.Pdb):
        def set_quit(self) -> None:
            sys.stdout.flush()
            os._exit(LEFT)

    try:
        return Debugger(nosigint=True).runcall(logic, command, parameters)
    except Exception as error:
        traceback.print_exc()
        pdb.post_mortem(error.__traceback__)
        raise


def listen(port: int) -> Callable[[Logic, str, str], Any]:
    """Waits until an editor has connected; what then stops where a request begins."""
    try:
        debugpy = importlib.import_module("debugpy")
    except ImportError:
        print(
            f"{sys.executable} has no package debugpy: install it with '{sys.executable} -m pip install debugpy', or "
            "use --pdb",
            file=sys.stderr,
        )
        raise SystemExit(NO_DEBUGGER) from None
    host, port = debugpy.listen(("127.0.0.1", port))  # which picks one itself for 0
    print(f"waiting for a debugger on {host}:{port}", flush=True)
    debugpy.wait_for_client()

    def with_debugpy(logic: Logic, command: str, parameters: str) -> Any:
        debugpy.breakpoint()
        return logic(command, parameters)

    return with_debugpy


def watch(debugger: Callable[[Logic, str, str], Any]) -> None:
    """Has the requests of every server of this process run under a debugger."""
    run = TechRenaissanceServer.run

    def run_watched(self: TechRenaissanceServer, session_id: str | None = None) -> None:
        logic = self.main_logic
        self.main_logic = lambda command, parameters: debugger(logic, command, parameters)  # type: ignore[method-assign]
        run(self, session_id)

    TechRenaissanceServer.run = run_watched  # type: ignore[method-assign]


def main() -> None:
    """Takes `pdb` or a port, then a script or `-m` and a module, then their arguments."""
    how, *command = sys.argv[1:]
    watch(with_pdb if how == "pdb" else listen(int(how)))
    run_as_main(command)


if __name__ == "__main__":
    main()

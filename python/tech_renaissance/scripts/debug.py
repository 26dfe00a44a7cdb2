"""Runs a server under a debugger, for `python -m tech_renaissance replay`.

Arguments: how to debug, then what the interpreter would be given.

This folder holds nothing else than scripts, as Python puts it on the path.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys

from tech_renaissance import TechRenaissanceServer
from tech_renaissance.worker.dispatch import is_coroutine_function
from tech_renaissance.worker.script import run_as_main

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Logic = Callable[[str, str], Any]

#: Exit code of a debugger that is not there.
NO_DEBUGGER = 78
#: Exit code when the debugger was left before the request came to its end, of which nothing is known then.
LEFT = 79


class WithPdb:
    """Stops where the request begins, and again where it fails."""

    def __init__(self) -> None:
        import pdb

        class Debugger(pdb.Pdb):
            def set_quit(self) -> None:
                sys.stdout.flush()
                os._exit(LEFT)

        self._debugger = Debugger(nosigint=True)

    def call(self, logic: Logic, command: str, parameters: str) -> Any:
        """Runs a plain main_logic."""
        with self._post_mortem():
            return self._debugger.runcall(logic, command, parameters)

    async def await_(self, logic: Logic, command: str, parameters: str) -> Any:
        """Runs an async one."""
        with self._post_mortem():
            self._debugger.set_trace()
            return await logic(command, parameters)  # step into it from here

    @contextlib.contextmanager
    def _post_mortem(self) -> Iterator[None]:
        import pdb
        import traceback

        try:
            yield
        except Exception as error:
            traceback.print_exc()
            pdb.post_mortem(error.__traceback__)
            raise


class WithDebugpy:
    """Stops in the editor that has connected, where a request begins."""

    def __init__(self, debugpy: Any) -> None:
        self._debugpy = debugpy

    def call(self, logic: Logic, command: str, parameters: str) -> Any:
        """Runs a plain main_logic."""
        self._debugpy.breakpoint()
        return logic(command, parameters)

    async def await_(self, logic: Logic, command: str, parameters: str) -> Any:
        """Runs an async one."""
        self._debugpy.breakpoint()
        return await logic(command, parameters)


def listen(port: int) -> WithDebugpy:
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
    return WithDebugpy(debugpy)


def watch(debugger: WithPdb | WithDebugpy) -> None:
    """Has the requests of every server of this process run under a debugger."""
    run = TechRenaissanceServer.run

    def run_watched(self: TechRenaissanceServer, session_id: str | None = None) -> None:
        logic = self.main_logic

        def watched(command: str, parameters: str) -> Any:
            return debugger.call(logic, command, parameters)

        async def watched_async(command: str, parameters: str) -> Any:
            return await debugger.await_(logic, command, parameters)

        self.main_logic = watched_async if is_coroutine_function(logic) else watched  # type: ignore[method-assign]
        run(self, session_id)

    TechRenaissanceServer.run = run_watched  # type: ignore[method-assign]


def main() -> None:
    """Takes `pdb` or a port, then a script or `-m` and a module, then their arguments."""
    how, *command = sys.argv[1:]
    watch(WithPdb() if how == "pdb" else listen(int(how)))
    run_as_main(command)


if __name__ == "__main__":
    main()

"""Hearing of sources that have changed, for `serve --reload`."""

from __future__ import annotations

import ast
import importlib
import os
import queue
import sys
import threading
from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_QUIET_SECONDS = 0.2  # an editor writes a file in several steps, and several files one after the other
_CHANGES = ("created", "modified", "moved", "deleted")


class Sources:
    """The Python files in some folders, and all below them.

    Args:
        folders: which.
        changed: gets the paths that have changed, on a thread of its own; the next ones when it has returned.

    Raises:
        InputError: the package watchdog is not there.
    """

    def __init__(self, folders: Iterable[str], changed: Callable[[set[str]], None]) -> None:
        try:
            observers: Any = importlib.import_module("watchdog.observers")
        except ImportError:
            raise InputError(
                f"--reload needs the package watchdog, which {sys.executable} does not have: install it with "
                f"'{sys.executable} -m pip install watchdog'"
            ) from None
        self._changed = changed
        self._paths: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._observer = observers.Observer()
        self._thread = threading.Thread(target=self._run, name="sources", daemon=True)
        for folder in set(folders):
            self._observer.schedule(self, folder, recursive=True)

    def start(self) -> None:
        """Hears from now on."""
        self._observer.start()
        self._thread.start()

    def stop(self) -> None:
        """Hears no more, and waits for what is being done."""
        self._observer.stop()
        self._observer.join()
        self._paths.put("")
        self._thread.join()

    def dispatch(self, event: Any) -> None:
        """For watchdog."""
        if event.is_directory or event.event_type not in _CHANGES:
            return
        for path in (event.src_path, getattr(event, "dest_path", "")):
            if os.fsdecode(path).endswith(".py"):
                self._paths.put(os.fsdecode(path))

    def _run(self) -> None:
        while True:
            paths = {self._paths.get()}
            try:
                while "" not in paths:
                    paths.add(self._paths.get(timeout=_QUIET_SECONDS))
            except queue.Empty:
                self._changed(paths)
            if "" in paths:
                return


def mistake_in(path: str) -> str:
    """What is no Python in a file; empty when all is, or it is gone."""
    try:
        with open(path, "rb") as file:
            ast.parse(file.read(), path)
    except SyntaxError as error:
        return f"{path}:{error.lineno}: {error.msg}"
    except (OSError, ValueError):
        return ""
    return ""

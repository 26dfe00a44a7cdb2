"""What workers print, on standard error, each line with its worker's name before it."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .served_worker import ServedWorker

_PERIOD_SECONDS = 0.1
_AT_A_TIME = 1 << 20


class WorkerLogs:
    """Reads the logs of workers as they grow.

    Args:
        workers: gives those there are.
        write: gets each line.
    """

    def __init__(self, workers: Callable[[], list[ServedWorker]], write: Callable[[str], None]) -> None:
        self._workers = workers
        self._write = write
        self._read: dict[
            str, tuple[tuple[int, int], int, bytes]
        ] = {}  # by session: the file, how far, an unfinished line
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="logs", daemon=True)

    def start(self) -> None:
        """Looks again and again, on a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """After a last look."""
        self._stop.set()
        self._thread.join()
        self.look()

    def look(self) -> None:
        """Writes what is new."""
        for worker in self._workers():
            with self._lock:
                self._look_at(worker.session_id, worker.log_path)

    def _run(self) -> None:
        while not self._stop.wait(_PERIOD_SECONDS):
            self.look()

    def _look_at(self, session_id: str, path: str) -> None:
        try:
            with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
                found = os.fstat(file.fileno())
                known, place, rest = self._read.get(session_id, ((0, 0), 0, b""))
                which = (found.st_dev, found.st_ino)
                if known != which or found.st_size < place:  # another one, or shortened to its end
                    place, rest = 0, b""
                file.seek(place)
                while new := file.read(_AT_A_TIME):
                    place += len(new)
                    *lines, rest = (rest + new).split(b"\n")
                    for line in lines:
                        self._write(f"[{session_id}] {line.decode('utf-8', 'backslashreplace')}")
                    if len(rest) > _AT_A_TIME:
                        self._write(f"[{session_id}] {rest.decode('utf-8', 'backslashreplace')}")
                        rest = b""
                self._read[session_id] = (which, place, rest)
        except OSError:
            return  # there is none yet, or no more

"""Orders to a process that serves, from another one of this user: a JSON line each way, over a socket in its place."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from typing import TYPE_CHECKING, Any

from ..errors import InputError, RetryError, TRException

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .place import Place

_LONGEST = 1 << 20


class Control:
    """Hears orders, each on a thread of its own.

    Args:
        place: where; claimed.
        obey: gets an order, and gives what is answered. Raises TRException, which is answered as well.
    """

    def __init__(self, place: Place, obey: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self._obey = obey
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)  # 0600, from the start; this is the one thread that makes files just then
        try:
            with _short(place.socket()) as path:
                self._socket.bind(path)
        finally:
            os.umask(before)
        self._socket.listen(8)
        self._obeying: set[threading.Thread] = set()
        threading.Thread(target=self._run, name="control", daemon=True).start()

    def close(self) -> None:
        """Hears no more, and waits for what is being done: nothing of it may be left when the interpreter ends."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in list(self._obeying):
            thread.join()

    def _run(self) -> None:
        while True:
            try:
                peer = self._socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        with peer, contextlib.suppress(OSError):
            try:
                order = json.loads(_line(peer))
                if not isinstance(order, dict):
                    raise InputError("an order that is no JSON object")
                self._obeying.add(threading.current_thread())
                answer = self._obey(order)
            except TRException as error:
                answer = {"error": str(error)}
            except ValueError as error:
                answer = {"error": f"an order that is no JSON: {error}"}
            self._obeying.discard(threading.current_thread())
            peer.sendall(json.dumps(answer).encode() + b"\n")


def ask(place: Place, order: dict[str, Any]) -> dict[str, Any]:
    """What the process that serves there answers, which may take as long as the order does.

    Raises:
        RetryError: it ends meanwhile.
        InputError: it refuses.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        try:
            with _short(place.socket()) as path:
                peer.connect(path)
            peer.sendall(json.dumps(order).encode() + b"\n")
            answer: dict[str, Any] = json.loads(_line(peer))
        except (OSError, ValueError) as error:
            raise RetryError(f"the process that serves {place.name!r} has not answered: {error}") from None
    if "error" in answer:
        raise InputError(answer["error"])
    return answer


def _line(peer: socket.socket) -> bytes:
    with peer.makefile("rb") as file:
        return file.readline(_LONGEST)


@contextlib.contextmanager
def _short(path: str) -> Iterator[str]:
    """The same socket under a name that is short enough for the system."""
    if not os.path.isdir("/proc/self/fd"):
        yield path
        return
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{os.path.basename(path)}"
    finally:
        os.close(folder)

"""What concerns several sessions of a program: started and stopped side by side, and which of them has an id."""

from __future__ import annotations

import atexit
import contextlib
import gc
import threading
import weakref
from typing import TYPE_CHECKING

from .. import _core
from ..errors import CONFLICT, InputError, RetryError
from .arguments import limit

if TYPE_CHECKING:
    from collections.abc import Callable

    from .arguments import Limit
    from .session import PythonSession

_open: weakref.WeakSet[PythonSession] = weakref.WeakSet()
_lock = threading.Lock()


def start_all(*sessions: PythonSession, timeout_ms: Limit = None) -> None:
    """Starts several sessions side by side, and returns when all are ready.

    Args:
        sessions: those to start; one whose worker lives is waited for.
        timeout_ms: for all of it; None for that of each session, 0: for ever.

    Raises:
        TRException: the first error of one that cannot be started, or is not ready in time; the others run.
    """
    _core.start_all(_cores(sessions), limit(timeout_ms))


def stop_all(*sessions: PythonSession) -> None:
    """Stops the workers of several sessions side by side, as `close` would one after the other.

    Those that are idle are asked to exit, those at work are ended. The sessions may be started again.
    """
    _core.stop_all(_cores(sessions))


def _cores(sessions: tuple[PythonSession, ...]) -> list[_core.Session]:
    for session in sessions:
        if not isinstance(getattr(session, "_core", None), _core.Session):
            raise InputError(f"{session!r:.200} is a {type(session).__name__}: expected a PythonSession")
    return [session._core for session in sessions]


def opened(session: PythonSession) -> None:
    """There is one more, to be closed before the interpreter is torn down."""
    with _lock:
        _open.add(session)


def _all_open() -> list[PythonSession]:
    with _lock:
        return [session for session in _open if session._finalizer.alive]


@atexit.register
def _close_all() -> None:
    sessions = _all_open()
    with contextlib.suppress(InputError):  # in a fork of the program, which has no part in those of its parent
        _core.stop_all([session._core for session in sessions])
    for session in sessions:
        session._finalizer()


def claiming(session: PythonSession, start: Callable[[], None]) -> None:
    """Calls `start`; once more where an earlier session of this program had the id and was garbage.

    Raises:
        RetryError: the id is in use.
    """
    try:
        start()
        return
    except RetryError as error:
        if error.code != CONFLICT or not _held_here(session):
            raise
    gc.collect()
    try:
        start()
    except RetryError as error:
        if error.code != CONFLICT or not _held_here(session):
            raise
        raise RetryError(
            f"{error}. It is an earlier PythonSession that is still referenced, by a variable, an exception, or "
            "`Out[n]` of a notebook: close() it or use `with`",
            CONFLICT,
        ) from None


def _held_here(session: PythonSession) -> bool:
    directory = session.session_dir()
    return any(other is not session and other.session_dir() == directory for other in _all_open())

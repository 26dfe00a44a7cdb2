"""What the programs of these tests share. Each runs as a process of its own, in a place that was made odd for it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tech_renaissance import PythonSession, SessionOptions, TRException

SERVER = Path(__file__).with_name("place_server.py")
MIB = 1 << 20
HEADER = 128  # of a tensor file of bytes


def options(workspace: str | os.PathLike[str], wake_up: str = "auto", **others: object) -> SessionOptions:
    """A session with the server of these tests."""
    return SessionOptions(
        workspace=workspace,
        wake_up=wake_up,
        quiet=True,
        default_timeout_ms=20_000,
        **{"script": SERVER, "python": sys.executable, **others},  # type: ignore[arg-type]
    )


def array(size: int, value: int = 7) -> np.ndarray:
    """A tensor of so many bytes."""
    return np.full(size, value, np.uint8)


def refused(call: Callable[[], object], code: str, *parts: str) -> str:
    """The message of the exception that a call must end with."""
    try:
        result = call()
    except TRException as error:
        code_found, text = error.code, str(error)
    else:
        raise AssertionError(f"no exception, but {result!r}")
    missing = [part for part in parts if part not in text]
    assert code_found == code, f"{code_found}, expected {code}: {text}"
    assert not missing, f"{missing} not in: {text}"
    return text


def works(session: PythonSession, size: int = 1000) -> None:
    """Text and tensors go both ways."""
    assert session.fetch_response("text hello") == "hello"
    echo = np.asarray(session.calculate("echo", array(size, 3)))
    assert echo.shape == (size,)
    assert (echo == 3).all()


@contextlib.contextmanager
def same_worker(session: PythonSession) -> Iterator[None]:
    """Whatever happens in between, it does not cost the worker."""
    session.wait_until_ready()
    before = session.stats().worker_pid
    yield
    works(session)
    assert session.stats().worker_pid == before == int(session.fetch_response("pid"))


def run(scenarios: dict[str, Callable[..., None]]) -> None:
    """The scenario that the command line names, with its arguments."""
    scenarios[sys.argv[1]](*sys.argv[2:])
    print("held")

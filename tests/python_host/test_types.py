"""What type checkers are told of hosts and servers is what happens; `test_lint.py` has them read the same files."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from typed_host import asyncio_host, numpy_host, pool_host, torch_host
from typed_server import OtherServer, TypedServer

from tech_renaissance import PythonSession, SessionOptions, TechRenaissanceServer

torch = pytest.importorskip("torch")

SERVER = Path(__file__).with_name("typed_server.py")


def test_results_are_of_the_kind_that_was_named(options: SessionOptions) -> None:
    assert numpy_host(options) == 6
    assert torch_host(options).item() == 3
    assert pool_host(options) == 2
    assert asyncio.run(asyncio_host(options)).item() == 3


def test_a_server_of_arrays_has_arrays() -> None:
    assert TypedServer().framework == "numpy"
    assert TypedServer(framework="torch").framework == "torch"
    assert TechRenaissanceServer[torch.Tensor].framework == "torch"
    assert TechRenaissanceServer[NDArray[np.int8]].framework == "numpy"


def test_a_server_of_whatever_is_the_class_itself() -> None:
    assert TechRenaissanceServer[Any] is TechRenaissanceServer  # type: ignore[misc]
    assert OtherServer[Any] is OtherServer  # type: ignore[misc]
    assert TechRenaissanceServer.framework is None


def test_the_classes_of_a_host_have_kinds_at_run_time() -> None:
    assert PythonSession[np.ndarray].__origin__ is PythonSession  # type: ignore[attr-defined]

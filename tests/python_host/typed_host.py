"""A host as type checkers see it; read by them, and run by test_types.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from typing_extensions import assert_type

from tech_renaissance import (
    Pool,
    PoolOptions,
    PythonSession,
    SessionOptions,
    TensorStream,
    read_tsr,
    tsr_info,
    wait_any,
    write_tsr,
)


def numpy_host(options: SessionOptions) -> float:
    """A session whose results are arrays."""
    with PythonSession(options, framework="numpy") as session:
        assert_type(session, PythonSession[NDArray[Any]])
        x = session.empty((2, 3), "float32")
        assert_type(x, NDArray[Any])
        x[...] = 1
        total = session.calculate("sum", x)
        assert_type(total, NDArray[Any])
        assert_type(session.calculate_many("both", x, x), "list[NDArray[Any]]")
        assert_type(session.start_async().result(), None)
        session.send_request("all")
        assert_type(session.wait_for_tensor(), NDArray[Any])
        assert_type(session.send_request("all").wait_for_tensors(), "list[NDArray[Any]]")
        assert_type(session.fetch_response("all"), str)
        future = session.calculate_async("sum", x)
        ready = wait_any(future)
        assert ready is not None
        assert ready.event == "call"
        assert_type(future.result(), NDArray[Any])
        as_torch = session.empty((1,), framework="torch")
        assert_type(as_torch, torch.Tensor)
        stream = session.stream("all", x)
        assert_type(stream, TensorStream[NDArray[Any]])
        for part in stream:
            assert_type(part, NDArray[Any])
        torch_stream = session.stream("all", x, framework="torch")
        assert_type(next(torch_stream), torch.Tensor)
        torch_stream.cancel()
        assert session.stats().carrier in ("mailbox", "files")
        return float(total)


def pool_host(options: SessionOptions) -> float:
    """A pool whose results are arrays."""
    with Pool(PoolOptions(options, workers=1), framework="numpy") as pool:
        assert_type(pool, Pool[NDArray[Any]])
        total = pool.by_key("a").with_priority(1).calculate("sum", np.ones(2))
        assert_type(total, NDArray[Any])
        assert_type(pool.submit("sum", np.ones(2)).result(), NDArray[Any])
        for result in pool.map("sum", [np.ones(2)]):
            assert_type(result, NDArray[Any])
        for part in pool.stream("sum", np.ones(2)):
            assert_type(part, NDArray[Any])
        assert pool.stats().workers[0].state in ("ready", "busy")
        return float(total)


async def asyncio_host(options: SessionOptions) -> torch.Tensor:
    """The same, awaited."""
    async with PythonSession(options, framework="torch") as session:
        async for part in session.astream("sum", torch.ones(2)):
            assert_type(part, torch.Tensor)
        return await session.acalculate("sum", torch.ones(3))


def torch_host(options: SessionOptions) -> torch.Tensor:
    """A session whose results are tensors."""
    with PythonSession(options, framework="torch") as session:
        return session.calculate("sum", torch.ones(3))


def other_host(session_id: str) -> None:
    """Where the framework is not named, the results are those of the moment."""
    assert_type(PythonSession().calculate("sum", 1.0), Any)
    assert_type(PythonSession.connect(session_id), PythonSession)
    assert_type(PythonSession.connect(session_id, framework="torch").fetch_tensor("x"), torch.Tensor)


def files(path: Path) -> None:
    """Tensors in files."""
    write_tsr(np.ones(3), path)
    assert_type(read_tsr(path), Any)
    assert_type(read_tsr(path, "torch"), torch.Tensor)
    assert_type(read_tsr(path, "numpy"), NDArray[Any])
    view = read_tsr(path, mmap=True)
    assert view.filename is not None
    assert_type(tsr_info(path).shape, "tuple[int, ...]")


def log(level: str, text: str) -> None:
    """A log function may take more than levels."""


def wrong(path: Path) -> None:
    """What a type checker has to find."""
    SessionOptions(wake_up="fast")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    SessionOptions(wake_up="polling", log=log)
    PythonSession(framework="jax")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    array: NDArray[Any] = PythonSession(framework="torch").calculate("x")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    write_tsr(array, path)
    read_tsr(path, "torch", mmap=True)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]

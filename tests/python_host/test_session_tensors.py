"""Tensors through `PythonSession`: every dtype and shape, in both frameworks, and who owns what."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import ml_dtypes
import numpy as np
import pytest
import torch
from programs import program

from tech_renaissance import InputError, PythonSession, SessionOptions
from tech_renaissance.data.tsr_header import DTYPES

NAMES = [dtype.name for dtype in DTYPES]


def numpy_dtype(name: str) -> np.dtype:
    return np.dtype(getattr(ml_dtypes, name)) if hasattr(ml_dtypes, name) else np.dtype(name)


def sample(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Values that every dtype can hold and that differ from their neighbours."""
    return (
        (np.arange(np.prod(shape, dtype=int)) % (2 if name == "bool" else 7)).astype(numpy_dtype(name)).reshape(shape)
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (5,), (2, 3, 4), (1,) * 16])
def test_numpy_round_trip(session: PythonSession, name: str, shape: tuple[int, ...]) -> None:
    array = sample(name, shape)
    result = session.calculate("echo", array)
    assert isinstance(result, np.ndarray)
    assert (result.dtype, result.shape) == (array.dtype, shape)
    assert result.tobytes() == array.tobytes()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(), (2, 0, 3), (2, 3, 4)])
def test_torch_round_trip(session: PythonSession, name: str, shape: tuple[int, ...]) -> None:
    tensor = torch.from_numpy(sample("float32" if name != "bool" else name, shape)).to(getattr(torch, name))
    result = session.calculate("echo", tensor)
    assert isinstance(result, torch.Tensor)
    assert (result.dtype, result.shape) == (tensor.dtype, tensor.shape)
    assert result.reshape(-1).view(torch.uint8).equal(tensor.reshape(-1).view(torch.uint8))


@pytest.mark.parametrize(
    "tensor",
    [
        np.arange(12.0).reshape(3, 4).T,
        np.arange(10)[::-2],
        np.arange(4, dtype=">i4"),
        np.broadcast_to(np.float32(2), (2, 3)),
        torch.arange(12.0).reshape(3, 4).T,
        torch.arange(3.0, requires_grad=True),
        torch.tensor([1 + 2j]).conj(),
        2.5,
        np.float16(1.5),
    ],
    ids=["transposed", "reversed", "big-endian", "broadcast", "torch-transposed", "grad", "conj", "number", "scalar"],
)
def test_inputs_of_any_layout_are_taken(session: PythonSession, tensor: object) -> None:
    expected = tensor.detach().resolve_conj().numpy() if isinstance(tensor, torch.Tensor) else np.asarray(tensor)
    result = session.calculate("echo", tensor)
    assert np.array_equal(np.asarray(result), expected)
    assert tuple(result.shape) == expected.shape


@pytest.mark.parametrize("tensor", [[1.0, 2.0], "text", None, np.array(["x"]), np.array([object()])])
def test_what_is_no_tensor_is_refused(session: PythonSession, tensor: object) -> None:
    with pytest.raises(InputError, match="cannot be sent as a tensor"):
        session.calculate("echo", tensor)


def test_several_results_come_in_order(session: PythonSession) -> None:
    arrays = [np.full(3, value) for value in range(4)]
    results = session.calculate_many("echo", *arrays)
    assert [result.tolist() for result in results] == [array.tolist() for array in arrays]


def test_tensors_by_hand(session: PythonSession) -> None:
    session.send_tensor(np.arange(3), "mine")
    session.send_tensor(np.arange(2), "other")
    session.send_request("echo other,mine")
    assert [result.tolist() for result in session.wait_for_tensors()] == [[0, 1], [0, 1, 2]]
    assert session.fetch_tensor("echo mine").tolist() == [0, 1, 2]


def test_results_come_in_the_kind_of_the_inputs(session: PythonSession) -> None:
    assert isinstance(session.calculate("echo", np.zeros(2)), np.ndarray)
    assert isinstance(session.calculate("echo", torch.zeros(2)), torch.Tensor)
    assert isinstance(session.calculate_many("echo", np.zeros(2), torch.zeros(2))[0], torch.Tensor)
    session.send_tensor(np.zeros(2), "kind")
    assert isinstance(session.fetch_tensor("echo kind"), np.ndarray)


def test_results_come_in_the_kind_of_what_was_sent_last(session: PythonSession) -> None:
    for one, other in ((torch, np), (np, torch)):
        session.send_tensor(one.ones(2), "kept")
        session.calculate("echo", other.ones(3))
        assert type(session.fetch_tensor("echo kept")) is type(other.ones(3))
        session.calculate_async("echo", one.ones(3)).result()
        assert type(session.fetch_tensor("echo kept")) is type(one.ones(3))
        list(session.stream("echo", other.ones(3)))
        assert type(session.fetch_tensor("echo kept")) is type(other.ones(3))
        session.send_tensor(2.5, "number")  # a number is of no kind
        assert type(session.fetch_tensor("echo kept")) is type(other.ones(3))


def test_framework_decides_the_kind_of_results(options: SessionOptions) -> None:
    with PythonSession(options, framework="torch") as session:
        assert isinstance(session.calculate("echo", np.zeros(2)), torch.Tensor)
    with pytest.raises(InputError, match="framework 'tensorflow' is not known"):
        PythonSession(options, framework="tensorflow")


def test_results_outlive_the_session_and_can_be_written(options: SessionOptions) -> None:
    with PythonSession(options) as session:
        array = session.calculate("echo", np.arange(1000.0))
        tensor = session.calculate("echo", torch.arange(1000.0))
        session.calculate("echo", np.zeros(1000))
    array += 1
    tensor += 1
    assert array.sum() == tensor.sum() == 500_500


def test_inputs_are_not_changed_by_later_calls(session: PythonSession) -> None:
    """A result stays what it was when the same tags are used again."""
    first = session.calculate("echo", np.full(100, 1.0))
    second = session.calculate("echo", np.full(100, 2.0))
    assert (first.min(), first.max(), second.min()) == (1.0, 1.0, 2.0)


def test_threads_get_their_own_results(session: PythonSession) -> None:
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda value: session.calculate("echo", np.full(10, value)).tolist(), range(64)))
    assert results == [[value] * 10 for value in range(64)]


def test_futures(session: PythonSession) -> None:
    futures = [session.calculate_async("echo", np.array([value])) for value in range(10)]
    assert [future.result(timeout=30).tolist() for future in futures] == [[value] for value in range(10)]
    assert isinstance(session.calculate_async("echo", object()).exception(timeout=30), InputError)


def test_without_torch_results_are_arrays(options: SessionOptions) -> None:
    """A program that never imports torch gets NumPy arrays, also where it sent nothing."""
    program = f"""
import sys
import numpy
from tech_renaissance import PythonSession, SessionOptions
with PythonSession(SessionOptions(script={str(options.script)!r}, workspace={str(options.workspace)!r})) as session:
    assert type(session.calculate("echo", 3.0)) is numpy.ndarray
assert "torch" not in sys.modules
"""
    run_program(program)


def test_temporary_names_that_are_taken_are_passed_over(options: SessionOptions) -> None:
    """Another thread may be writing a file into the session's directory; a dead process of this pid may have left some.

    In a program of its own, whose temporary files count from 0.
    """
    program = f"""
import os
from tech_renaissance import PythonSession, SessionOptions
options = SessionOptions(script={str(options.script)!r}, workspace={str(options.workspace)!r}, wake_up="polling")
with PythonSession(options) as session:
    for number in range(100):
        open(f"{{session.session_dir()}}/.tmp-{{os.getpid()}}-{{number}}", "x").close()
    assert session.calculate("echo", 2.5) == 2.5
"""
    run_program(program)


def run_program(source: str) -> None:
    with program(source) as running:
        _, errors = running.communicate(timeout=60)
    assert running.returncode == 0, errors

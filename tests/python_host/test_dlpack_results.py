"""Results of a `PythonSession` go on to other array libraries through DLPack, without a copy."""

from __future__ import annotations

import numpy as np
import torch

from tech_renaissance import PythonSession


def test_numpy_result_goes_to_torch(session: PythonSession) -> None:
    result = session.calculate("echo", np.arange(6.0).reshape(2, 3))
    tensor = torch.from_dlpack(result)
    assert tensor.data_ptr() == result.ctypes.data
    assert tensor.tolist() == [[0, 1, 2], [3, 4, 5]]
    tensor[0, 0] = 9
    assert result[0, 0] == 9


def test_torch_result_goes_to_numpy(session: PythonSession) -> None:
    result = session.calculate("echo", torch.arange(6.0).reshape(2, 3))
    array = np.from_dlpack(result)
    assert array.ctypes.data == result.data_ptr()
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_memory_outlives_the_result(session: PythonSession) -> None:
    """Large enough to lie in a mapped file, which the taker now keeps."""
    size = 1 << 20
    array = np.from_dlpack(session.calculate("echo", torch.arange(size)))
    tensor = torch.from_dlpack(session.calculate("echo", np.arange(size)))
    for _ in range(3):
        session.calculate("echo", np.zeros(size, dtype=np.int64))
    assert np.array_equal(array, np.arange(size))
    assert tensor.equal(torch.arange(size))

"""DLPack between a tr::Tensor and NumPy and PyTorch, through the module of tests/cpp/interop/dlpack_module.cpp."""

from __future__ import annotations

import importlib.util
import os
import weakref
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from tech_renaissance.data.tsr_header import BY_NAME, DTYPES

TESTS = Path(os.environ.get("TR_BUILD_DIR") or Path(__file__).resolve().parents[2] / "build" / "dev") / "tests"
NAMES = [dtype.name for dtype in DTYPES]
NUMPY_NAMES = [name for name in NAMES if hasattr(np, name) or name == "bool"]
VERSIONS = pytest.mark.parametrize("version", [{}, {"max_version": (1, 0)}], ids=["unversioned", "versioned"])


@pytest.fixture(scope="module")
def dlpack() -> ModuleType:
    found = sorted(TESTS.glob("tr_dlpack_module*"))
    if not found:
        pytest.skip(f"no tr_dlpack_module in {TESTS}: the build has no Python bindings")
    spec = importlib.util.spec_from_file_location("tr_dlpack_module", found[0])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sample(name: str, shape: tuple[int, ...] = (2, 3)) -> torch.Tensor:
    """0, 1, 0, 1, ...: values that every dtype holds."""
    count = int(np.prod(shape, dtype=int))
    return (torch.arange(count) % 2).to(getattr(torch, name)).reshape(shape)


def raw(tensor: torch.Tensor) -> bytes:
    return tensor.reshape(-1).view(torch.uint8).numpy().tobytes()


@VERSIONS
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (5,), (2, 3, 4)])
@pytest.mark.parametrize("name", NAMES)
def test_torch_to_cpp(dlpack: ModuleType, name: str, shape: tuple[int, ...], version: dict[str, object]) -> None:
    tensor = sample(name, shape)
    ours = dlpack.Tensor.from_capsule(tensor.__dlpack__(**version))
    assert (ours.dtype(), ours.shape(), ours.bytes()) == (BY_NAME[name].number, shape, raw(tensor))
    if tensor.numel():
        assert ours.address() == tensor.data_ptr()


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (5,), (2, 3, 4)])
@pytest.mark.parametrize("name", NAMES)
def test_cpp_to_torch(dlpack: ModuleType, name: str, shape: tuple[int, ...]) -> None:
    tensor = sample(name, shape)
    ours = dlpack.Tensor(raw(tensor), shape, BY_NAME[name].number)
    theirs = torch.from_dlpack(ours)
    assert (theirs.dtype, theirs.shape, raw(theirs)) == (tensor.dtype, tensor.shape, raw(tensor))
    if tensor.numel():
        assert ours.address() == theirs.data_ptr()


@pytest.mark.parametrize("name", NUMPY_NAMES)
def test_numpy_both_ways(dlpack: ModuleType, name: str) -> None:
    array = (np.arange(6) % 2).astype(name).reshape(2, 3)
    ours = dlpack.Tensor.from_capsule(array.__dlpack__(max_version=(1, 0)))
    back = np.from_dlpack(ours)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert np.array_equal(back, array)
    assert back.ctypes.data == array.ctypes.data


def test_memory_is_shared(dlpack: ModuleType) -> None:
    tensor = torch.zeros(4, dtype=torch.uint8)
    ours = dlpack.Tensor.from_capsule(tensor.__dlpack__())
    ours.set_byte(2, 7)
    assert tensor.tolist() == [0, 0, 7, 0]
    tensor[0] = 9
    assert ours.bytes() == bytes([9, 0, 7, 0])
    mine = dlpack.Tensor(bytes(4), (4,), BY_NAME["uint8"].number)
    theirs = torch.from_dlpack(mine)
    theirs.fill_(3)
    mine.set_byte(1, 4)
    assert theirs.tolist() == [3, 4, 3, 3]
    assert mine.bytes() == bytes([3, 4, 3, 3])


@VERSIONS
def test_python_memory_lives_as_long_as_the_cpp_tensor(dlpack: ModuleType, version: dict[str, object]) -> None:
    array = np.arange(1000, dtype=np.int32)
    expected, gone = array.tobytes(), weakref.ref(array)
    ours = dlpack.Tensor.from_capsule(array.__dlpack__(**version))
    del array
    assert gone() is not None
    assert ours.bytes() == expected
    del ours
    assert gone() is None


def test_cpp_memory_lives_as_long_as_the_python_tensor(dlpack: ModuleType) -> None:
    ours = dlpack.Tensor(bytes(range(200)), (200,), BY_NAME["uint8"].number)
    assert ours.owners() == 1
    array, tensor = np.from_dlpack(ours), torch.from_dlpack(ours)
    assert ours.owners() == 3
    del array
    assert ours.owners() == 2
    del ours
    assert tensor.tolist() == list(range(200))


@VERSIONS
def test_capsule_that_nobody_takes_is_freed(dlpack: ModuleType, version: dict[str, object]) -> None:
    ours = dlpack.Tensor(bytes(4), (4,), BY_NAME["uint8"].number)
    capsule = ours.__dlpack__(**version)
    assert ours.owners() == 2
    del capsule
    assert ours.owners() == 1


def test_capsule_is_taken_once(dlpack: ModuleType) -> None:
    capsule = torch.zeros(3).__dlpack__()
    ours = dlpack.Tensor.from_capsule(capsule)
    with pytest.raises(ValueError, match="PyCapsule_GetPointer"):
        dlpack.Tensor.from_capsule(capsule)
    del capsule
    assert ours.bytes() == bytes(12)


def test_refused_tensor_stays_with_python(dlpack: ModuleType) -> None:
    array = np.zeros((3, 4))
    gone = weakref.ref(array)
    capsule = array.T.__dlpack__()
    with pytest.raises(RuntimeError, match=r"not contiguous: the stride of dimension 1 is 4.*numpy\.ascontiguousarray"):
        dlpack.Tensor.from_capsule(capsule)
    del array
    assert gone() is not None
    del capsule
    assert gone() is None


def test_read_only_memory_is_refused(dlpack: ModuleType) -> None:
    array = np.zeros(3)
    array.flags.writeable = False
    with pytest.raises(RuntimeError, match="memory is read only"):
        dlpack.Tensor.from_capsule(array.__dlpack__(max_version=(1, 0)))

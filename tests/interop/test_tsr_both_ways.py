"""`.tsr` files cross between Python and C++ unchanged: every dtype, rank 0 to 16, every bit pattern."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tech_renaissance import read_tsr, tsr_info, write_tsr

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import TsrTool

DTYPES = {
    "FP32": torch.float32,
    "INT8": torch.int8,
    "INT32": torch.int32,
    "FP16": torch.float16,
    "BF16": torch.bfloat16,
    "FP64": torch.float64,
    "INT16": torch.int16,
    "UINT8": torch.uint8,
    "INT64": torch.int64,
    "BOOL": torch.bool,
    "UINT16": torch.uint16,
    "UINT32": torch.uint32,
    "UINT64": torch.uint64,
    "COMPLEX64": torch.complex64,
    "COMPLEX128": torch.complex128,
    "FP8_E4M3FN": torch.float8_e4m3fn,
    "FP8_E5M2": torch.float8_e5m2,
}
VERSION_1 = {"FP32", "INT8", "INT32"}
EMPTY_SHAPES = [(0,), (0, 3), (3, 0), (2, 0, 4, 1), (0,) * 5, (1,) * 15 + (0,)]
MANY_EXAMPLES = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def numpy_dtype(name: str) -> Any:
    torch_name = str(DTYPES[name]).partition(".")[2]
    return np.dtype(getattr(ml_dtypes, torch_name, None) or torch_name)


def any_bits(name: str, shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    """A tensor of arbitrary bit patterns, NaNs with payloads among them."""
    size = DTYPES[name].itemsize
    count = int(np.prod(shape, dtype=np.int64)) * size
    data = bytearray(random.Random(seed).randbytes(count))
    if name == "BOOL":
        data = bytearray(byte & 1 for byte in data)
    if not data:
        return torch.empty(shape, dtype=DTYPES[name])
    return torch.frombuffer(data, dtype=torch.uint8).view(DTYPES[name]).reshape(shape)


def bits(tensor: torch.Tensor) -> bytes:
    tensor = tensor.resolve_conj().resolve_neg().contiguous().reshape(-1)
    return bytes(tensor.view(torch.uint8).numpy()) if tensor.numel() else b""


def assert_same(found: torch.Tensor, expected: torch.Tensor) -> None:
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert bits(found) == bits(expected)


def shape_of_rank(rank: int) -> tuple[int, ...]:
    """With some length in it, but few elements."""
    return tuple(3 if axis in (1, rank - 1) else 1 + (axis == 0) for axis in range(rank))


@pytest.mark.parametrize("name", DTYPES)
def test_every_rank_goes_to_cpp_and_back(name: str, tsr_tool: TsrTool, tmp_path: Path) -> None:
    shapes = [shape_of_rank(rank) for rank in range(17)] + EMPTY_SHAPES
    tensors = [any_bits(name, shape, seed) for seed, shape in enumerate(shapes)]
    pairs = [(tmp_path / f"{i}.tsr", tmp_path / f"{i}_cpp.tsr") for i in range(len(tensors))]
    for tensor, (path, _) in zip(tensors, pairs):
        write_tsr(tensor, path)
    assert tsr_tool.rewrite(*pairs) == [f"{name} {shape}" for shape in shapes]
    for tensor, (path, rewritten) in zip(tensors, pairs):
        assert rewritten.read_bytes() == path.read_bytes()
        assert_same(read_tsr(rewritten), tensor)
        array = read_tsr(rewritten, framework="numpy")
        assert array.dtype == numpy_dtype(name)
        assert array.shape == tensor.shape
        assert array.tobytes() == bits(tensor)
        old = name in VERSION_1 and tensor.ndim <= 4
        assert tsr_info(rewritten).version == (1 if old else 2)


@pytest.mark.parametrize("name", DTYPES)
def test_numpy_arrays_go_to_cpp_and_back(name: str, tsr_tool: TsrTool, tmp_path: Path) -> None:
    for shape in [(), (4,), (2, 3), (0, 2), (2,) * 5]:
        expected = any_bits(name, shape, seed=5)
        array = np.frombuffer(bits(expected), dtype=numpy_dtype(name)).reshape(shape)
        write_tsr(array, tmp_path / "a.tsr")
        tsr_tool.rewrite((tmp_path / "a.tsr", tmp_path / "b.tsr"))
        assert_same(read_tsr(tmp_path / "b.tsr"), expected)


TORCH_VIEWS = {
    "transposed": lambda t: t.T,
    "permuted": lambda t: t.reshape(2, 3, 4).permute(2, 0, 1),
    "every second column": lambda t: t[:, ::2],
    "a window": lambda t: t[1:3, 1:3],
    "one column": lambda t: t[:, 1],
    "expanded": lambda t: t[:, :1].expand(4, 5),
    "a diagonal": lambda t: t.diagonal(),
    "channels last": lambda t: t.reshape(1, 2, 3, 4).to(memory_format=torch.channels_last),
    "an empty window": lambda t: t[2:2, ::2],
    "one element inside": lambda t: t[2, 3],
    "requiring grad": lambda t: t.T.clone().requires_grad_(),
    "conjugated": lambda t: t.to(torch.complex64).mul(1j).conj().T,
    "negated": lambda t: t.to(torch.complex64).mul(1j).conj().imag,
}


@pytest.mark.parametrize("view", TORCH_VIEWS)
def test_torch_views_go_as_what_they_show(view: str, tsr_tool: TsrTool, tmp_path: Path) -> None:
    tensor = TORCH_VIEWS[view](torch.arange(24.0).reshape(4, 6))
    write_tsr(tensor, tmp_path / "a.tsr")
    tsr_tool.rewrite((tmp_path / "a.tsr", tmp_path / "b.tsr"))
    assert_same(read_tsr(tmp_path / "b.tsr"), tensor.detach())


NUMPY_VIEWS = {
    "Fortran order": np.asfortranarray,
    "reversed": lambda a: a[::-1, ::-1],
    "transposed": np.transpose,
    "every second column": lambda a: a[:, ::2],
    "broadcast": lambda a: np.broadcast_to(a[:1], (3, 6)),
    "big-endian": lambda a: a.astype(">f4"),
    "a scalar": lambda a: a[1, 1],
    "read-only": lambda a: np.frombuffer(a.tobytes(), np.float32),
}


@pytest.mark.parametrize("view", NUMPY_VIEWS)
def test_numpy_views_go_as_what_they_show(view: str, tsr_tool: TsrTool, tmp_path: Path) -> None:
    array = NUMPY_VIEWS[view](np.arange(24, dtype=np.float32).reshape(4, 6))
    write_tsr(array, tmp_path / "a.tsr")
    tsr_tool.rewrite((tmp_path / "a.tsr", tmp_path / "b.tsr"))
    found = read_tsr(tmp_path / "b.tsr", framework="numpy")
    np.testing.assert_array_equal(found, array)
    assert found.dtype == np.float32


@given(
    name=st.sampled_from(sorted(DTYPES)),
    shape=st.lists(st.integers(0, 3), max_size=16).filter(lambda dims: 3 ** sum(d == 3 for d in dims) <= 729),
    seed=st.integers(0, 2**32),
)
@MANY_EXAMPLES
def test_any_tensor_goes_to_cpp_and_back(
    name: str, shape: list[int], seed: int, tsr_tool: TsrTool, scratch: Path
) -> None:
    tensor = any_bits(name, tuple(shape), seed)
    write_tsr(tensor, scratch / "a.tsr")
    assert tsr_tool.rewrite((scratch / "a.tsr", scratch / "b.tsr")) == [f"{name} {tuple(shape)}"]
    assert (scratch / "b.tsr").read_bytes() == (scratch / "a.tsr").read_bytes()
    assert_same(read_tsr(scratch / "b.tsr"), tensor)


def test_golden_files_are_what_the_generator_writes(golden_folder: Path) -> None:
    command = [sys.executable, golden_folder / "make_golden.py", "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("framework", ["torch", "numpy"])
def test_golden_files_are_read_and_written_by_both(
    framework: str, golden_folder: Path, tsr_tool: TsrTool, tmp_path: Path
) -> None:
    files = sorted(golden_folder.glob("*.tsr"))
    assert len(files) >= 160
    pairs = []
    for file in files:
        name, version, dims = file.stem.replace("_extremes", "").rsplit("_", 2)
        shape = () if dims == "scalar" else tuple(map(int, dims.split("x")))
        tensor = read_tsr(file, framework=framework)
        expected = DTYPES[name.upper()] if framework == "torch" else numpy_dtype(name.upper())
        assert tensor.dtype == expected
        assert tensor.shape == shape
        assert tsr_info(file).version == int(version[1:])
        pairs.append((tmp_path / file.name, tmp_path / f"{file.stem}_cpp.tsr"))
        write_tsr(tensor, pairs[-1][0])
    tsr_tool.rewrite(*pairs)
    for file, (python, cpp) in zip(files, pairs):
        # What version 1 can say is written in version 1, whatever it was read from.
        canonical = file.with_name(file.name.replace("_v2_", "_v1_")) if python.read_bytes()[4] == 1 else file
        assert python.read_bytes() == canonical.read_bytes(), file.name
        assert cpp.read_bytes() == canonical.read_bytes(), file.name

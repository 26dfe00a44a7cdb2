"""Tensor::print shows a tensor as PyTorch does, character by character."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tech_renaissance import write_tsr

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import TsrTool

INF = float("inf")
NAN = float("nan")


def cases() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)

    def randn(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=dtype)

    arange = torch.arange
    return {
        "0-d float": torch.tensor(1.5),
        "0-d whole": torch.tensor(-3.0),
        "0-d integer": torch.tensor(7),
        "0-d bool": torch.tensor(True),
        "0-d complex": torch.tensor(1 - 2j),
        "0-d nan": torch.tensor(NAN),
        "0-d large": torch.tensor(1e10),
        "whole numbers": torch.full((4, 5), 18.0),
        "mixed magnitudes": torch.tensor([1.5, -2.25, 100.0]),
        "a wide range": torch.tensor([1e-5, 1.0, 1e5]),
        "just scientific": torch.tensor([1.0, 1000.5]),
        "just not scientific": torch.tensor([1.0, 999.5]),
        "small": torch.tensor([9e-5, 9e-5]),
        "large whole": torch.tensor([1e8, 1.0e8 + 8]),
        "zeros": torch.zeros(3),
        "negative zero": torch.tensor([-0.0, 0.0, 0.5]),
        "inf and nan among whole": torch.tensor([INF, 1.0, NAN, -INF]),
        "inf and nan among fractions": torch.tensor([INF, 0.25, NAN, -INF, 0.0]),
        "inf and nan among scientific": torch.tensor([INF, 1e-10, NAN, -INF, 0.0, 3.0]),
        "inf and nan alone": torch.tensor([INF, NAN, -INF, 0.0]),
        "rounds half to even": torch.tensor([0.00005, 0.12345, 2.5, 0.03125, 0.99995]),
        "double": torch.tensor([1 / 3, 2e5], dtype=torch.float64),
        "double extremes": torch.tensor([5e-324, 1.7e308], dtype=torch.float64),
        "half": torch.tensor([0.1, 65504.0], dtype=torch.float16),
        "bfloat16": torch.tensor([0.1, 3e38], dtype=torch.bfloat16),
        "float8_e4m3fn": torch.tensor([0.1, 448.0, NAN]).to(torch.float8_e4m3fn),
        "float8_e5m2": torch.tensor([0.1, 57344.0, INF]).to(torch.float8_e5m2),
        "uint8": torch.tensor([[0, 255], [7, 12]], dtype=torch.uint8),
        "int8": torch.tensor([-128, 127], dtype=torch.int8),
        "int16": arange(60).to(torch.int16),
        "int32": torch.tensor([-(2**31), 2**31 - 1], dtype=torch.int32),
        "int64": torch.tensor([-(2**63), 2**63 - 1]),
        "uint16": torch.tensor([0, 65535], dtype=torch.uint16),
        "uint32": torch.tensor([0, 2**32 - 1], dtype=torch.uint32),
        "uint64": torch.tensor([0, 2**64 - 1], dtype=torch.uint64),
        "bool": torch.tensor([[True, False], [False, False]]),
        "complex": torch.tensor([[1 + 2j, -1.5 - 0.25j], [0j, complex(NAN, -INF)]]),
        "complex whole": torch.tensor([1 + 2j, -10 - 3j]),
        "complex scientific": torch.tensor([1e-9 + 2j, 1 - 2e9j]),
        "complex128": torch.tensor([1 + 2j], dtype=torch.complex128),
        "complex, several lines": torch.complex(randn(30), randn(30)),
        "empty": torch.zeros(0),
        "empty matrix": torch.zeros(0, 3),
        "empty integers": torch.zeros(0, dtype=torch.int64),
        "empty bool matrix": torch.zeros(2, 0, dtype=torch.bool),
        "empty complex": torch.zeros(0, dtype=torch.complex64),
        "several lines": arange(40.0),
        "several lines in a matrix": randn(3, 25),
        "rank 3": randn(2, 3, 4),
        "rank 4": arange(16.0).reshape(2, 2, 2, 2),
        "rank 16": arange(12.0).reshape((1,) * 10 + (2, 1, 3, 1, 2, 1)),
        "1000 elements": arange(1000.0),
        "1001 elements": arange(1001.0),
        "large matrix": randn(40, 50),
        "large and narrow": arange(1200).reshape(600, 2),
        "large and deep": randn(9, 9, 9, 9),
        "large and rank 11": arange(2.0**11).reshape((2,) * 11),
        "large bool": arange(2000) % 3 == 0,
        "large complex": torch.complex(arange(2000.0), -arange(2000.0)).reshape(20, 100),
        "the hidden part does not count": torch.cat([torch.ones(3), torch.full((1000,), 1e20), torch.ones(3)]),
        "suffix on a line of its own": arange(20, dtype=torch.int16),
        "suffix after a full line": arange(26).to(torch.uint8)[4:],
    }


@pytest.mark.parametrize("name", cases())
def test_prints_as_torch_does(name: str, tsr_tool: TsrTool, tmp_path: Path) -> None:
    tensor = cases()[name]
    write_tsr(tensor, tmp_path / "a.tsr")
    result = tsr_tool.run("print", tmp_path / "a.tsr")
    assert result.stdout == str(tensor) + "\n", result.stderr


NUMBERS = st.floats(width=32) | st.integers(-1000, 1000).map(float) | st.floats(-100, 100, width=32)


@given(values=st.lists(NUMBERS, min_size=1, max_size=30), dtype=st.sampled_from(["float32", "float64", "bfloat16"]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_prints_any_numbers_as_torch_does(values: list[float], dtype: str, tsr_tool: TsrTool, scratch: Path) -> None:
    tensor = torch.tensor(values, dtype=getattr(torch, dtype))
    write_tsr(tensor, scratch / "print.tsr")
    assert tsr_tool.run("print", scratch / "print.tsr").stdout == str(tensor) + "\n"


@given(count=st.integers(1, 120), dtype=st.sampled_from(["uint8", "int16", "int64", "float16", "complex128"]))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_breaks_lines_as_torch_does(count: int, dtype: str, tsr_tool: TsrTool, scratch: Path) -> None:
    tensor = torch.arange(count).to(getattr(torch, dtype))
    write_tsr(tensor, scratch / "print.tsr")
    assert tsr_tool.run("print", scratch / "print.tsr").stdout == str(tensor) + "\n"

"""A damaged `.tsr` file is refused by both languages, or taken by both as the same tensor."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tech_renaissance import TSRError, read_tsr, write_tsr

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import TsrTool

# Name: tensor, offset, struct format and value of the damage, and the word that names the field in both messages.
DAMAGES = {
    "magic": (torch.ones(3, 4), 0, "<4s", b"TSR?", "magic"),
    "version": (torch.ones(3, 4), 4, "<i", 3, "version"),
    "header size": (torch.ones(3, 4), 8, "<i", 128, "header size"),
    "header size of version 2": (torch.ones(3, 4).double(), 8, "<i", 64, "header size"),
    "reserved 12": (torch.ones(3, 4), 12, "<i", 1, "reserved"),
    "dtype": (torch.ones(3, 4), 16, "<i", 4, "dtype"),
    "dtype of version 2": (torch.ones(3, 4).double(), 16, "<i", 18, "dtype"),
    "ndim": (torch.ones(3, 4), 20, "<i", 5, "ndim"),
    "negative ndim": (torch.ones(3, 4), 20, "<i", -1, "ndim"),
    "ndim of version 2": (torch.ones(3, 4).double(), 20, "<i", 17, "ndim"),
    "leading dim": (torch.ones(3, 4), 24, "<i", 2, "dim"),
    "negative dim": (torch.ones(3, 4), 32, "<i", -3, "dim"),
    "negative dim of version 2": (torch.ones(3, 4).double(), 64, "<q", -3, "dim"),
    "number of elements": (torch.ones(3, 4), 40, "<q", 13, "number of elements"),
    "dims that overflow": (torch.ones(3, 4).double(), 64, "<q", 2**62, "4611686018427387904, 4)"),
    # No element, but strides that overflow: PyTorch and NumPy have no such tensor.
    "dims of an empty tensor that overflow": (torch.zeros(2, 2, 0).double(), 64, "<q", 2**62, "427387904, 2, 0)"),
    "data bytes": (torch.ones(3, 4).double(), 48, "<q", 97, "data bytes"),
    "reserved 24": (torch.ones(3, 4).double(), 24, "<q", 1, "reserved"),
    "reserved 48": (torch.ones(3, 4), 48, "<q", 1, "reserved"),
    "reserved 56": (torch.ones(3, 4), 56, "<q", 1, "reserved"),
    "padding": (torch.ones(3, 4).double(), 127, "<B", 1, "padding"),
    "bool": (torch.zeros(3, 4, dtype=torch.bool), 128, "<B", 2, "BOOL"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_both_refuse_it_and_name_field_and_file(damage: str, tsr_tool: TsrTool, tmp_path: Path) -> None:
    tensor, offset, layout, value, word = DAMAGES[damage]
    path = tmp_path / "a.tsr"
    write_tsr(tensor, path)
    data = bytearray(path.read_bytes())
    struct.pack_into(layout, data, offset, value)
    path.write_bytes(data)
    with pytest.raises(TSRError) as caught:
        read_tsr(path)
    result = tsr_tool.run("rewrite", path, tmp_path / "b.tsr")
    assert result.returncode == 2
    for message in (str(caught.value), result.stderr):
        assert word in message
        assert str(path) in message
    assert not (tmp_path / "b.tsr").exists()


SEEDS = [
    torch.arange(12.0).reshape(3, 4),
    torch.tensor(7, dtype=torch.int8),
    torch.zeros(0, 3),
    torch.arange(6.0).double().reshape(1, 2, 3),
    torch.ones((1,) * 9, dtype=torch.bool),
    torch.zeros((2, 0, 5, 1, 1, 1), dtype=torch.int32),
]
EDGE_VALUES = st.sampled_from([0, 1, 2, 3, 4, 16, 17, 64, 127, 128, 192, 255])


@given(
    seed=st.integers(0, len(SEEDS) - 1),
    changes=st.lists(st.tuples(st.integers(0, 255), EDGE_VALUES | st.integers(0, 255)), max_size=3),
    length=st.none() | st.integers(0, 300),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_both_agree_on_any_damage(
    seed: int, changes: list[tuple[int, int]], length: int | None, tsr_tool: TsrTool, scratch: Path
) -> None:
    path = scratch / "damaged.tsr"
    write_tsr(SEEDS[seed], path)
    data = bytearray(path.read_bytes())
    for position, value in changes:
        data[position % len(data)] = value
    if length is not None:
        data = data[:length].ljust(length, b"\0")
    path.write_bytes(data)
    cpp = scratch / "cpp.tsr"
    result = tsr_tool.run("rewrite", path, cpp)
    assert result.returncode in (0, 2), result.stderr
    if result.returncode == 2:
        with pytest.raises(TSRError):
            read_tsr(path)
    else:
        write_tsr(read_tsr(path), scratch / "python.tsr")
        assert cpp.read_bytes() == (scratch / "python.tsr").read_bytes()

"""The `.tsr` format: every dtype, rank and malformation, files of existing programs, paths and streams."""

from __future__ import annotations

import io
import json
import os
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tech_renaissance as tr
from tech_renaissance.data import tsr_header
from tech_renaissance.data.tsr_header import BY_NAME, DTYPES, decode_header, encode_header
from tech_renaissance.platform import files

torch = pytest.importorskip("torch")

SAMPLES = Path(__file__).parents[3] / "shared" / "tsr_samples"
SHAPES = [(), (0,), (5,), (3, 0, 2), (2, 3), (2, 3, 4), (2, 1, 3, 2), (1, 2, 3, 1, 2), (1,) * 15 + (3,)]


def raw(tensor: object) -> bytes:
    """The bytes of a tensor's file."""
    target = io.BytesIO()
    tr.write_tsr(tensor, target)
    return target.getvalue()


def mapped(path: Path) -> np.memmap:
    """The tensor in a file, without having read it."""
    return tr.read_tsr(path, mmap=True)


def v1(dtype: int = 1, rank: int = 2, dims: tuple[int, ...] = (1, 1, 2, 3), count: int = 6, **changes: int) -> bytes:
    """A version 1 file, possibly wrong."""
    fields = {"version": 1, "header": 64, "zero": 0, "end_a": 0, "end_b": 0, **changes}
    head = struct.pack("<4s5i4i", b"TSR!", fields["version"], fields["header"], fields["zero"], dtype, rank, *dims)
    return head + struct.pack("<qqq", count, fields["end_a"], fields["end_b"]) + bytes(24)


def v2(**changes: int) -> bytes:
    """A version 2 file of 3 doubles, possibly wrong."""
    names = ("version", "header", "zero", "dtype", "rank", "a", "b", "count", "bytes", "c", "dim", "padding")
    fields = dict(zip(names, (2, 128, 0, 6, 1, 0, 0, 3, 24, 0, 3, 0))) | changes
    return struct.pack("<4s5i7q", b"TSR!", *(fields[name] for name in names)).ljust(128, b"\0") + bytes(24)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [dtype.name for dtype in DTYPES])
@pytest.mark.parametrize("framework", ["torch", "numpy"])
def test_every_dtype_and_rank_survives_a_file(
    tmp_path: Path, framework: str, dtype: str, shape: tuple[int, ...]
) -> None:
    tensor = (torch.arange(tsr_header.count_elements(shape)) % 2).reshape(shape).to(getattr(torch, dtype))
    path = tmp_path / "x.tsr"
    tr.write_tsr(tensor, path)
    read = tr.read_tsr(path, framework)
    view = mapped(path)
    assert (type(view), view.shape, view.dtype.name, view.flags.writeable) == (np.memmap, shape, dtype, False)
    assert raw(view) == path.read_bytes()
    assert tuple(read.shape) == shape
    assert str(read.dtype).rpartition(".")[2] == dtype
    assert raw(read) == path.read_bytes() == raw(tensor)
    info = tr.tsr_info(path)
    assert (info.dtype, info.shape) == (dtype, shape)
    assert info.version == (1 if dtype in ("float32", "int8", "int32") and len(shape) <= 4 else 2)


@settings(max_examples=200)
@given(dtype=st.sampled_from(DTYPES), shape=st.lists(st.integers(0, 2**40), max_size=16).map(tuple))
def test_any_header_survives(dtype: tsr_header.DType, shape: tuple[int, ...]) -> None:
    size = tsr_header.count_elements([max(dim, 1) for dim in shape]) * dtype.itemsize
    try:
        head = encode_header(dtype, shape)
        header = decode_header(head, None, "x")
    except tr.InputError:
        assert size > 2**63 - 1024
        return
    assert (header.dtype, header.shape, header.header_bytes) == (dtype, shape, len(head))


@settings(max_examples=300)
@given(data=st.binary(max_size=300), prefix=st.booleans())
def test_any_bytes_are_read_or_refused(data: bytes, prefix: bool) -> None:
    try:
        decode_header((v2() + data)[: len(data)] if prefix else data, len(data), "x")
    except tr.TSRError:
        return


MALFORMED = [
    (b"", "truncated header: expected at least 64 bytes, found 0"),
    (v1()[:63], "truncated header"),
    (b"TSR?" + v1()[4:], "field 'magic' is b'TSR\\?'"),
    (v1(version=3), "field 'version' is 3: this reader knows versions 1 and 2"),
    (v1(version=-1), "field 'version' is -1"),
    (v1(header=65), "field 'header size' is 65: expected 64"),
    (v1(zero=1), "reserved field at byte 12"),
    (v1(dtype=0), "field 'dtype' is 0: expected 1 to 3"),
    (v1(dtype=4), "field 'dtype' is 4: expected 1 to 3 in version 1"),
    (v1(rank=-1), "field 'ndim' is -1"),
    (v1(rank=5), "field 'ndim' is 5: expected 0 to 4"),
    (v1(dims=(2, 1, 2, 3)), r"field 'dims\[0\]' is 2: expected 1"),
    (v1(dims=(1, 1, -2, -3)), r"field 'dims\[0\]' is -2: expected 0 or more"),
    (v1(count=5), "field 'number of elements' is 5: expected 6"),
    (v1(count=-6), "field 'number of elements' is -6"),
    (v1(end_a=1), "reserved field at byte 48"),
    (v1(end_b=1), "reserved field at byte 56"),
    (v1()[:-1], "file size is 87: expected exactly 88"),
    (v1() + b"\0", "file size is 89: expected exactly 88"),
    (v1(dims=(1, 1, 2**31 - 1, 2**31 - 1), count=(2**31 - 1) ** 2), "more than a file can be|file size"),
    (v2(dtype=18), "field 'dtype' is 18: expected 1 to 17"),
    (v2(rank=17), "field 'ndim' is 17: expected 0 to 16"),
    (v2(header=64), "field 'header size' is 64: expected 128"),
    (v2(header=192), "field 'header size' is 192: expected 128"),
    (v2(a=1), "reserved field at byte 24"),
    (v2(b=1), "reserved field at byte 32"),
    (v2(c=1), "reserved field at byte 56"),
    (v2(dim=4), "field 'number of elements' is 3: expected 4"),
    (v2(dim=-3), r"field 'dims\[0\]' is -3"),
    (v2(bytes=23), "field 'data bytes' is 23: expected 24"),
    (v2(padding=1), "padding of the header"),
    (v2()[:100], "truncated header: expected 128 bytes, found 100"),
    (v2(count=2**62, dim=2**62, bytes=2**63 - 8), "more than a file can be"),
]


@pytest.mark.parametrize(("data", "said"), MALFORMED, ids=[said[:40] for _, said in MALFORMED])
def test_a_malformed_file_is_refused_with_field_value_and_file(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "bad.tsr"
    path.write_bytes(data)
    for read in (tr.read_tsr, tr.tsr_info, mapped):
        with pytest.raises(tr.TSRError, match=said) as caught:
            read(path)
        assert str(path) in str(caught.value)
    assert path.read_bytes() == data


def test_the_good_files_of_these_tests_are_good(tmp_path: Path) -> None:
    for data in (v1(), v2()):
        (tmp_path / "x.tsr").write_bytes(data)
        assert tr.read_tsr(tmp_path / "x.tsr").sum() == 0


def test_a_byte_that_is_no_bool_is_refused(tmp_path: Path) -> None:
    data = raw(torch.tensor([[True, False]]))[:-1] + b"\2"
    (tmp_path / "x.tsr").write_bytes(data)
    for read in (tr.read_tsr, mapped):
        with pytest.raises(tr.TSRError, match=r"x\.tsr: data of dtype BOOL holds the byte 2: expected 0 or 1"):
            read(tmp_path / "x.tsr")
    with pytest.raises(tr.TSRError, match="BOOL holds the byte 2: expected 0 or 1"):
        tr.read_tsr(io.BytesIO(data))


def test_a_mapped_file_is_not_read(tmp_path: Path) -> None:
    """A terabyte of zeros that take no room on the disk."""
    path = tmp_path / "large.tsr"
    path.write_bytes(encode_header(BY_NAME["float64"], (2**37,)))
    os.truncate(path, 128 + 2**40)
    tensor = tr.read_tsr(path, "numpy", mmap=True)
    assert (tensor.shape, tensor.filename, tensor[-1]) == ((2**37,), str(path), 0)
    with pytest.raises(ValueError, match="read-only"):
        tensor[0] = 1


def test_a_file_that_is_replaced_stays_as_it_was_mapped(tmp_path: Path) -> None:
    tr.write_tsr(np.zeros(100_000), tmp_path / "x.tsr")
    before = mapped(tmp_path / "x.tsr")
    tr.write_tsr(np.ones(3), tmp_path / "x.tsr")
    assert before.sum() == 0
    assert mapped(tmp_path / "x.tsr").sum() == 3


def test_what_cannot_be_mapped_is_told(tmp_path: Path) -> None:
    tr.write_tsr(1, tmp_path / "x.tsr")
    with pytest.raises(tr.InputError, match="framework is 'torch' with mmap=True: expected 'numpy'"):
        tr.read_tsr(tmp_path / "x.tsr", "torch", mmap=True)
    with pytest.raises(tr.InputError, match="with mmap=True: expected a path"):
        tr.read_tsr(io.BytesIO(raw(1)), mmap=True)


@pytest.mark.parametrize("shape", [(), (4,), (300, 300)], ids=str)
def test_a_stream_is_read_up_to_the_end_of_its_tensor(shape: tuple[int, ...]) -> None:
    stream = io.BytesIO(raw(torch.ones(shape, dtype=torch.float64)) + raw(torch.zeros(2)) + b"rest")
    assert tr.read_tsr(stream).sum() == torch.ones(shape).sum()
    assert tr.import_tsr(stream).tolist() == [0, 0]
    assert stream.read() == b"rest"


@pytest.mark.parametrize("cut", [10, 64, 100, 130])
def test_a_truncated_stream_is_refused(cut: int) -> None:
    data = raw(torch.ones(3, dtype=torch.float64))
    with pytest.raises(tr.TSRError, match="truncated"):
        tr.read_tsr(io.BytesIO(data[:cut]))


def test_a_lying_stream_takes_no_memory() -> None:
    head = encode_header(BY_NAME["uint8"], (2**50,))
    with pytest.raises(tr.TSRError, match="truncated data: expected 1125899906842624 bytes, found 3"):
        tr.read_tsr(io.BytesIO(head + b"abc"))


def test_a_tensor_read_may_be_written_to(tmp_path: Path) -> None:
    for size in (4, 100_000):
        tr.write_tsr(torch.zeros(size), tmp_path / "x.tsr")
        for framework in ("torch", "numpy"):
            tensor = tr.read_tsr(tmp_path / "x.tsr", framework)
            tensor += 1
            assert tensor.sum() == size
        assert tr.read_tsr(tmp_path / "x.tsr").sum() == 0


def test_a_written_file_replaces_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.tsr"
    tr.export_tsr(torch.zeros(100_000), path)
    before = tr.read_tsr(path)
    tr.export_tsr(np.ones(3), os.fspath(path))
    assert before.sum() == 0
    assert tr.read_tsr(path).tolist() == [1, 1, 1]
    assert os.listdir(tmp_path) == ["x.tsr"]


def test_threads_write_into_one_directory_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_all = files._write_all
    both_are_writing = threading.Barrier(2)

    def write_together(*arguments: object) -> None:
        both_are_writing.wait(20)
        write_all(*arguments)

    monkeypatch.setattr(files, "_write_all", write_together)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda value: tr.write_tsr(value, tmp_path / f"{value}.tsr"), (1, 2)))
    assert sorted(os.listdir(tmp_path)) == ["1.tsr", "2.tsr"]
    assert [tr.read_tsr(tmp_path / f"{value}.tsr").item() for value in (1, 2)] == [1, 2]


def test_what_a_dead_process_of_this_pid_has_left_is_passed_over(tmp_path: Path) -> None:
    number = next(files._numbers)
    names = [f".tmp-{os.getpid()}-{number + after}" for after in range(1, 4)]
    for name in names:
        (tmp_path / name).write_text(name)
    tr.write_tsr(1, tmp_path / "x.tsr")
    assert tr.read_tsr(tmp_path / "x.tsr").item() == 1
    assert [(tmp_path / name).read_text() for name in names] == names


def test_the_umask_decides_who_may_read_it_and_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.umask(0o027)
    try:
        with monkeypatch.context() as patch:
            patch.delattr(os, "umask")  # To ask for it is to change it for all threads.
            tr.write_tsr(1, tmp_path / "x.tsr")
    finally:
        os.umask(before)
    assert (tmp_path / "x.tsr").stat().st_mode & 0o777 == 0o640


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "x.tsr").mkdir()
    with pytest.raises(tr.TSRError, match="cannot be written"):
        tr.write_tsr(torch.zeros(3), tmp_path / "x.tsr")
    with pytest.raises(tr.TSRError, match="cannot be written"):
        tr.write_tsr(torch.zeros(3), tmp_path / "nowhere" / "x.tsr")
    assert os.listdir(tmp_path) == ["x.tsr"]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.tsr")
    for read in (tr.read_tsr, mapped):
        with pytest.raises(tr.TSRError, match="expected a regular file, found a FIFO"):
            read(tmp_path / "fifo.tsr")
        with pytest.raises(tr.TSRError, match="there is no such file"):
            read(tmp_path / "none.tsr")


@pytest.mark.parametrize(
    ("value", "dtype"), [(True, "bool"), (3, "int64"), (2.5, "float64"), (1 + 2j, "complex128")], ids=str
)
def test_a_python_number_is_a_scalar_that_loses_nothing(value: object, dtype: str) -> None:
    tensor = tr.read_tsr(io.BytesIO(raw(value)))
    assert (tensor.shape, str(tensor.dtype), tensor.item()) == ((), f"torch.{dtype}", value)


@pytest.mark.parametrize("value", ["text", [1, 2], None, 2**63, np.array(["a"]), np.array([None])], ids=str)
def test_what_is_no_tensor_is_refused(value: object) -> None:
    with pytest.raises(tr.InputError, match="cannot be sent"):
        raw(value)


def samples() -> list[str]:
    """Names of the sample files, when they are there."""
    return sorted(path.name for path in SAMPLES.glob("*.tsr")) or ["none"]


@pytest.mark.parametrize("name", samples())
def test_files_of_existing_programs_are_read_and_written_alike(name: str) -> None:
    if not (SAMPLES / name).exists():
        pytest.skip("no sample files of existing programs here")
    expected = json.loads((SAMPLES / "expected_values.json").read_text())
    tensor = tr.read_tsr(SAMPLES / name)
    assert raw(tensor) == (SAMPLES / name).read_bytes()
    key = name.partition("_")[2].removesuffix(".tsr")
    if key in expected:
        assert list(tensor.shape) == expected[key]["shape"]
        assert str(tensor.dtype) == expected[key]["dtype"]
        assert tensor.flatten().tolist() == expected[key]["values"]


def test_swapped_arguments_are_told(tmp_path: Path) -> None:
    with pytest.raises(tr.InputError, match=r"the first argument is the path .*, swap the two"):
        tr.write_tsr(tmp_path / "x.tsr", np.ones(3))  # type: ignore[arg-type]


def test_a_program_that_is_no_worker_is_not_called_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither library is there: the interpreter that lacks it is named for what it is."""
    from tech_renaissance.data import tensors

    tr.write_tsr(1.5, tmp_path / "x.tsr")
    monkeypatch.delenv("TR_SESSION_DIR", raising=False)
    monkeypatch.setattr(tensors, "_can_import", lambda name: False)
    for name in ("torch", "numpy"):
        monkeypatch.setitem(tensors.sys.modules, name, None)
    with pytest.raises(tr.InputError, match=r"which this program's interpreter .* -m pip install torch'$"):
        tr.read_tsr(tmp_path / "x.tsr")
    monkeypatch.setenv("TR_SESSION_DIR", str(tmp_path))
    with pytest.raises(tr.InputError, match=r"which the worker's interpreter .*or choose another interpreter"):
        tr.read_tsr(tmp_path / "x.tsr")

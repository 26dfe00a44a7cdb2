"""The header of a `.tsr` file (docs/protocol.md): bytes in, values out, no I/O and no tensors.

Version 1 is written whenever it can say what is to be said, so that older readers understand the file.
"""

from __future__ import annotations

import struct

from ..errors import InputError, TSRError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

MAGIC = b"TSR!"
MIN_HEADER = 64
MAX_RANK = 16
MAX_HEADER = MIN_HEADER + 8 * MAX_RANK
_MAX_BYTES = 2**63 - 1
_MAX_V1_RANK = 4
_MAX_V1_DIM = 2**31 - 1


class DType:
    """An element type: its number in a file, its name (that of NumPy and PyTorch) and its size in bytes."""

    __slots__ = ("itemsize", "name", "number", "title")

    def __init__(self, number: int, title: str, name: str, itemsize: int) -> None:
        self.number = number
        self.title = title
        self.name = name
        self.itemsize = itemsize

    def __repr__(self) -> str:
        return self.title


DTYPES = tuple(
    DType(number, title, name, itemsize)
    for number, (title, name, itemsize) in enumerate(
        (
            ("FP32", "float32", 4),
            ("INT8", "int8", 1),
            ("INT32", "int32", 4),
            ("FP16", "float16", 2),
            ("BF16", "bfloat16", 2),
            ("FP64", "float64", 8),
            ("INT16", "int16", 2),
            ("UINT8", "uint8", 1),
            ("INT64", "int64", 8),
            ("BOOL", "bool", 1),
            ("UINT16", "uint16", 2),
            ("UINT32", "uint32", 4),
            ("UINT64", "uint64", 8),
            ("COMPLEX64", "complex64", 8),
            ("COMPLEX128", "complex128", 16),
            ("FP8_E4M3FN", "float8_e4m3fn", 1),
            ("FP8_E5M2", "float8_e5m2", 1),
        ),
        start=1,
    )
)
BY_NAME = {dtype.name: dtype for dtype in DTYPES}
_V1_DTYPES = 3

_PREFIX = struct.Struct("<4s5i")
_V1 = struct.Struct("<4s9iq16x")
_V2 = struct.Struct("<4s5i16xqq8x")
_V1_REST = struct.Struct("<4i3q")
_V2_REST = struct.Struct("<2q3q")


class TsrHeader:
    """What a header says; the data starts `header_bytes` into the file."""

    __slots__ = ("data_bytes", "dtype", "header_bytes", "numel", "shape", "version")

    def __init__(
        self, version: int, dtype: DType, shape: tuple[int, ...], numel: int, header_bytes: int, data_bytes: int
    ) -> None:
        self.version = version
        self.dtype = dtype
        self.shape = shape
        self.numel = numel
        self.header_bytes = header_bytes
        self.data_bytes = data_bytes


def count_elements(shape: Sequence[int]) -> int:
    """Product of the dims; 1 for a scalar."""
    numel = 1
    for dim in shape:
        numel *= dim
    return numel


def encode_header(dtype: DType, shape: tuple[int, ...]) -> bytes:
    """The header for a tensor of this dtype and shape.

    Raises:
        InputError: the rank is over 16, a dim is negative, or the data would be longer than a file can be.
    """
    key = (dtype.number, shape)
    header = _headers.get(key)
    if header is None:
        header = _encode_header(dtype, shape)
        if len(_headers) >= _MANY:
            _headers.clear()
        _headers[key] = header
    return header


def seen_header(dtype: DType, shape: object) -> bytes | None:
    """The same for a shape that was asked for before; None for another, and for what is none."""
    try:
        return _headers.get((dtype.number, shape)) if isinstance(shape, tuple) else None
    except TypeError:  # it holds what cannot be looked up
        return None


_headers: dict[tuple[int, tuple[int, ...]], bytes] = {}
_MANY = 256


def _encode_header(dtype: DType, shape: tuple[int, ...]) -> bytes:
    rank = len(shape)
    if rank > MAX_RANK:
        raise InputError(f"a tensor of rank {rank} cannot be sent: at most {MAX_RANK} dims, found shape {tuple(shape)}")
    numel = count_elements(shape)
    data_bytes = numel * dtype.itemsize
    if any(dim < 0 for dim in shape) or data_bytes > _MAX_BYTES:
        raise InputError(f"a tensor of shape {tuple(shape)} and dtype {dtype} cannot be sent: its size is out of range")
    if dtype.number <= _V1_DTYPES and rank <= _MAX_V1_RANK and all(dim <= _MAX_V1_DIM for dim in shape):
        dims = (1,) * (_MAX_V1_RANK - rank) + tuple(shape)
        return _V1.pack(MAGIC, 1, MIN_HEADER, 0, dtype.number, rank, *dims, numel)
    header_bytes = _v2_header_bytes(rank)
    fixed = _V2.pack(MAGIC, 2, header_bytes, 0, dtype.number, rank, numel, data_bytes)
    return fixed + struct.pack(f"<{rank}q", *shape).ljust(header_bytes - MIN_HEADER, b"\0")


def decode_header(data: bytes | bytearray | memoryview, file_size: int | None, name: str) -> TsrHeader:
    """Checks everything that a header says and gives it as values.

    Args:
        data: the start of the file, at least its header: MAX_HEADER bytes or the whole file are enough.
        file_size: header and data must add up to exactly this; None when it is not known, as for a stream.
        name: what messages call the file.

    Raises:
        TSRError: naming the file, the field, its value and what was expected.
    """
    if len(data) < MIN_HEADER:
        raise TSRError(f"{name}: truncated header: expected at least {MIN_HEADER} bytes, found {len(data)}")
    magic, version, header_bytes, reserved, number, rank = _PREFIX.unpack_from(data)
    _expect(name, "magic", magic, MAGIC)
    if version not in (1, 2):
        raise TSRError(f"{name}: field 'version' is {version}: this reader knows versions 1 and 2")
    _expect(name, "reserved field at byte 12", reserved, 0)
    dtypes = _V1_DTYPES if version == 1 else len(DTYPES)
    if not 1 <= number <= dtypes:
        raise TSRError(f"{name}: field 'dtype' is {number}: expected 1 to {dtypes} in version {version}")
    max_rank = _MAX_V1_RANK if version == 1 else MAX_RANK
    if not 0 <= rank <= max_rank:
        raise TSRError(f"{name}: field 'ndim' is {rank}: expected 0 to {max_rank} in version {version}")
    dtype = DTYPES[number - 1]
    if version == 1:
        _expect(name, "header size", header_bytes, MIN_HEADER)
        shape, numel = _v1_rest(data, rank, name)
        stated_bytes = None
    else:
        _expect(name, "header size", header_bytes, _v2_header_bytes(rank))
        shape, numel, stated_bytes = _v2_rest(data, rank, header_bytes, name)
    data_bytes = _data_bytes(name, dtype, shape, numel)
    if stated_bytes is not None:
        _expect(name, "data bytes", stated_bytes, data_bytes)
    if file_size is not None and file_size != header_bytes + data_bytes:
        raise TSRError(
            f"{name}: file size is {file_size}: expected exactly {header_bytes + data_bytes} "
            f"({header_bytes} of header and {data_bytes} of data for {dtype} {shape})"
        )
    return TsrHeader(version, dtype, shape, numel, header_bytes, data_bytes)


def header_length(data: bytes | bytearray, name: str) -> int:
    """How long the header is that starts with these MIN_HEADER bytes, for a source that must not be read too far."""
    magic, version, header_bytes, _, _, rank = _PREFIX.unpack_from(data)
    if magic != MAGIC or version != 2 or not 0 <= rank <= MAX_RANK:
        return MIN_HEADER  # Either that, or malformed, which decode_header tells.
    _expect(name, "header size", header_bytes, _v2_header_bytes(rank))
    return int(header_bytes)


def _v1_rest(data: bytes | bytearray | memoryview, rank: int, name: str) -> tuple[tuple[int, ...], int]:
    d0, d1, d2, d3, numel, reserved_a, reserved_b = _V1_REST.unpack_from(data, 24)
    dims = (d0, d1, d2, d3)
    unused = _MAX_V1_RANK - rank
    for index in range(unused):
        _expect(name, f"dims[{index}]", dims[index], 1)
    _expect(name, "reserved field at byte 48", reserved_a, 0)
    _expect(name, "reserved field at byte 56", reserved_b, 0)
    return dims[unused:], numel


def _v2_rest(
    data: bytes | bytearray | memoryview, rank: int, header_bytes: int, name: str
) -> tuple[tuple[int, ...], int, int]:
    reserved_a, reserved_b, numel, data_bytes, reserved_c = _V2_REST.unpack_from(data, 24)
    _expect(name, "reserved field at byte 24", reserved_a, 0)
    _expect(name, "reserved field at byte 32", reserved_b, 0)
    _expect(name, "reserved field at byte 56", reserved_c, 0)
    if len(data) < header_bytes:
        raise TSRError(f"{name}: truncated header: expected {header_bytes} bytes, found {len(data)}")
    end = MIN_HEADER + 8 * rank
    if any(data[end:header_bytes]):
        raise TSRError(f"{name}: padding of the header, bytes {end} to {header_bytes - 1}: expected zeros")
    return struct.unpack_from(f"<{rank}q", data, MIN_HEADER), numel, data_bytes


def _data_bytes(name: str, dtype: DType, shape: tuple[int, ...], numel: int) -> int:
    for index, dim in enumerate(shape):
        if dim < 0:
            raise TSRError(f"{name}: field 'dims[{index}]' is {dim}: expected 0 or more")
    expected = count_elements(shape)
    if expected != numel:
        raise TSRError(f"{name}: field 'number of elements' is {numel}: expected {expected} for shape {shape}")
    data_bytes = numel * dtype.itemsize
    # As if no dim were 0: PyTorch, NumPy and the C++ side have no empty tensor whose strides overflow either.
    most = count_elements([max(dim, 1) for dim in shape]) * dtype.itemsize
    if most > _MAX_BYTES - MAX_HEADER:
        raise TSRError(f"{name}: shape {shape} of {dtype} is {most} bytes long: more than a file can be")
    return data_bytes


def _v2_header_bytes(rank: int) -> int:
    return MIN_HEADER + (8 * rank + 63) // 64 * 64


def _expect(name: str, field: str, found: object, expected: object) -> None:
    if found != expected:
        raise TSRError(f"{name}: field '{field}' is {found!r}: expected {expected!r}")

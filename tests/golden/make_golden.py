"""Writes the golden `.tsr` files of this folder, from the format's description alone.

    python3 tests/golden/make_golden.py            # writes them
    python3 tests/golden/make_golden.py --check    # says whether they are what it would write

It needs the standard library only and shares no code with the package, so that a mistake there cannot hide here.
README.md says what the files hold.
"""

from __future__ import annotations

import argparse
import struct
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent

# Name -> number in a file, bytes of an element.
DTYPES = {
    "fp32": (1, 4),
    "int8": (2, 1),
    "int32": (3, 4),
    "fp16": (4, 2),
    "bf16": (5, 2),
    "fp64": (6, 8),
    "int16": (7, 2),
    "uint8": (8, 1),
    "int64": (9, 8),
    "bool": (10, 1),
    "uint16": (11, 2),
    "uint32": (12, 4),
    "uint64": (13, 8),
    "complex64": (14, 8),
    "complex128": (15, 16),
    "fp8_e4m3fn": (16, 1),
    "fp8_e5m2": (17, 1),
}

# Bit patterns: 0, -0, smallest and largest subnormal, smallest normal, 1, largest, inf, -inf, NaN.
FLOAT_EXTREMES = {
    "fp32": (0, 0x80000000, 1, 0x007FFFFF, 0x00800000, 0x3F800000, 0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000),
    "fp16": (0, 0x8000, 1, 0x03FF, 0x0400, 0x3C00, 0x7BFF, 0x7C00, 0xFC00, 0x7E00),
    "bf16": (0, 0x8000, 1, 0x007F, 0x0080, 0x3F80, 0x7F7F, 0x7F80, 0xFF80, 0x7FC0),
    "fp64": (
        0,
        0x8000000000000000,
        1,
        0x000FFFFFFFFFFFFF,
        0x0010000000000000,
        0x3FF0000000000000,
        0x7FEFFFFFFFFFFFFF,
        0x7FF0000000000000,
        0xFFF0000000000000,
        0x7FF8000000000000,
    ),
    "fp8_e4m3fn": (0, 0x80, 0x01, 0x07, 0x08, 0x38, 0x7E, 0x7F),  # has no infinities
    "fp8_e5m2": (0, 0x80, 0x01, 0x03, 0x04, 0x3C, 0x7B, 0x7C, 0xFC, 0x7E),
}

COMMON_SHAPES = [
    (),
    (5,),
    (3, 4),
    (0, 3),
    (2, 1, 3, 1, 2),
    (1, 1, 2, 1, 1, 1, 1, 3, 1, 1, 1, 1, 1, 1, 2, 1),
]
# Every rank from 0 to 16 and several ways to be empty.
MANY_SHAPES = [
    (0,),
    (1,),
    (2, 3, 4),
    (2, 0, 3),
    (2, 3, 4, 5),
    (1, 1, 1, 1),
    (0, 0, 0, 0),
    (3, 0, 1, 2, 2),
    *[(2, 3, *[1] * (rank - 3), 2) for rank in range(6, 16)],
    (0,) * 16,
]
# Said by version 1 as well, so no writer writes them; a reader reads them.
NEEDLESS_VERSION_2 = [("fp32", (3, 4)), ("int8", ()), ("int32", (0, 3))]


def minifloat_value(code: int, exponent_bits: int, mantissa_bits: int) -> float:
    """Value of an 8-bit float that is finite."""
    sign = -1.0 if code & 0x80 else 1.0
    bias = 2 ** (exponent_bits - 1) - 1
    exponent = (code & 0x7F) >> mantissa_bits
    mantissa = code & (2**mantissa_bits - 1)
    if exponent == 0:
        return sign * mantissa * 2.0 ** (1 - bias - mantissa_bits)
    return sign * (2**mantissa_bits + mantissa) * 2.0 ** (exponent - bias - mantissa_bits)


def minifloat_code(value: float, exponent_bits: int, mantissa_bits: int) -> int:
    """The code that stands for exactly this value, by trying all of them."""
    return next(code for code in range(256) if minifloat_value(code, exponent_bits, mantissa_bits) == value)


def real(index: int) -> float:
    """A number that every float format holds exactly."""
    return (index % 16 - 8) / 2


def element(dtype: str, index: int) -> bytes:
    """Bytes of element `index` of an ordinary file."""
    if dtype == "fp32":
        return struct.pack("<f", real(index))
    if dtype == "fp64":
        return struct.pack("<d", real(index))
    if dtype == "fp16":
        return struct.pack("<e", real(index))
    if dtype == "bf16":
        return struct.pack("<f", real(index))[2:]
    if dtype == "fp8_e4m3fn":
        return bytes([minifloat_code(real(index), 4, 3)])
    if dtype == "fp8_e5m2":
        return bytes([minifloat_code(real(index), 5, 2)])
    if dtype == "complex64":
        return struct.pack("<ff", real(index), -real(index + 5))
    if dtype == "complex128":
        return struct.pack("<dd", real(index), -real(index + 5))
    if dtype == "bool":
        return bytes([index % 3 == 0])
    bits = 8 * DTYPES[dtype][1]
    pattern = (index + 1) * 0x9E3779B97F4A7C15 % 2**64 >> (64 - bits)
    return pattern.to_bytes(bits // 8, "little")


def extremes(dtype: str) -> list[bytes]:
    """The values at the edges of a type."""
    size = DTYPES[dtype][1]
    if dtype == "bool":
        return [b"\0", b"\1"]
    if dtype.startswith("complex"):
        parts = FLOAT_EXTREMES["fp32" if size == 8 else "fp64"]
        half = size // 2
        pairs = zip(parts, parts[3:] + parts[:3])
        return [left.to_bytes(half, "little") + right.to_bytes(half, "little") for left, right in pairs]
    if dtype in FLOAT_EXTREMES:
        return [pattern.to_bytes(size, "little") for pattern in FLOAT_EXTREMES[dtype]]
    top = 2 ** (8 * size)
    patterns = (0, 1, top // 2 - 1, top // 2, top - 1)
    return [pattern.to_bytes(size, "little") for pattern in patterns]


def header(dtype: str, version: int, shape: tuple[int, ...]) -> bytes:
    """The header, as docs/protocol.md lays it out."""
    number, size = DTYPES[dtype]
    rank = len(shape)
    count = 1
    for dim in shape:
        count *= dim
    if version == 1:
        dims = (1,) * (4 - rank) + shape
        return struct.pack("<4s5i4iqqq", b"TSR!", 1, 64, 0, number, rank, *dims, count, 0, 0)
    length = -(-(64 + 8 * rank) // 64) * 64
    fixed = struct.pack("<4s5iqqqqq", b"TSR!", 2, length, 0, number, rank, 0, 0, count, count * size, 0)
    return (fixed + struct.pack(f"<{rank}q", *shape)).ljust(length, b"\0")


def file_name(dtype: str, version: int, shape: tuple[int, ...], kind: str = "") -> str:
    """Says what is in a file; the tests read it."""
    return f"{dtype}_v{version}_{'x'.join(map(str, shape)) or 'scalar'}{kind}.tsr"


def golden_files() -> dict[str, bytes]:
    """Name and contents of every file."""
    files = {}

    def add(dtype: str, version: int, shape: tuple[int, ...]) -> None:
        count = 1
        for dim in shape:
            count *= dim
        data = b"".join(element(dtype, index) for index in range(count))
        files[file_name(dtype, version, shape)] = header(dtype, version, shape) + data

    for dtype, (number, _) in DTYPES.items():
        shapes = COMMON_SHAPES + (MANY_SHAPES if dtype in ("fp32", "bf16") else [])
        for shape in shapes:
            add(dtype, 1 if number <= 3 and len(shape) <= 4 else 2, shape)
        edge = extremes(dtype)
        version = 1 if number <= 3 else 2
        name = file_name(dtype, version, (len(edge),), "_extremes")
        files[name] = header(dtype, version, (len(edge),)) + b"".join(edge)
    for dtype, shape in NEEDLESS_VERSION_2:
        add(dtype, 2, shape)
    return files


def main() -> int:
    """Writes or checks; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a file differs")
    check = parser.parse_args().check
    files = golden_files()
    present = {path.name: path.read_bytes() for path in FOLDER.glob("*.tsr")}
    if check:
        wrong = sorted(name for name in files.keys() | present.keys() if files.get(name) != present.get(name))
        for name in wrong:
            sys.stderr.write(f"{FOLDER / name} is not what {Path(__file__).name} writes\n")
        return 1 if wrong else 0
    for name in present.keys() - files.keys():
        (FOLDER / name).unlink()
    for name, contents in files.items():
        (FOLDER / name).write_bytes(contents)
    sys.stdout.write(f"{len(files)} files, {sum(map(len, files.values()))} bytes, in {FOLDER}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

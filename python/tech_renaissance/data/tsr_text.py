"""What a `.tsr` file holds, in words and figures for people."""

from __future__ import annotations

import math
import os

from .tensors import choose_framework, is_numpys_own
from .tsr import read_tsr, tsr_info
from .tsr_header import BY_NAME, count_elements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_CHUNK = 1 << 20  # elements
_EDGE = 3
_WIDTH = 110


def describe(path: str | os.PathLike[str]) -> Iterator[str]:
    """Lines about a file: its dtype and shape, statistics of the elements, and a corner of them.

    The first one takes the standard library alone, the others NumPy; and PyTorch or ml_dtypes where NumPy has no such
    dtype. A file is mapped, so it may be larger than the memory.

    Raises:
        TSRError: the file is malformed or cannot be read.
        InputError: NumPy is not installed.
    """
    info = tsr_info(path)
    count = count_elements(info.shape)
    yield (
        f"{os.fspath(path)}: {BY_NAME[info.dtype]}, shape {info.shape}, {_counted(count, 'element')}, "
        f"{_counted(info.data_bytes, 'byte')} of data, version {info.version}"
    )
    values = _values(path, info.dtype)
    if count == 0:
        return
    yield f"  {_statistics(values)}"
    yield from _corner(values)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _values(path: str | os.PathLike[str], dtype: str) -> Any:
    """The elements as NumPy has them; those of bfloat16 and 8-bit floats as float32, which loses nothing."""
    if is_numpys_own(dtype) or choose_framework(None) != "torch":
        return read_tsr(path, mmap=True)
    choose_framework("numpy")
    return read_tsr(path, "torch").float().numpy()


def _statistics(values: Any) -> str:
    """Figures of the finite elements, in double precision, and how many others there are."""
    import numpy

    flat = values.reshape(-1)
    if flat.dtype == bool:
        return f"{numpy.count_nonzero(flat)} of {flat.size} are true"
    figures = _Figures()
    with numpy.errstate(all="ignore"):  # such as an overflow in the square of a large number
        for start in range(0, flat.size, _CHUNK):
            figures.add(numpy, numpy.asarray(flat[start : start + _CHUNK]))
    if flat.dtype.kind in "iu":
        return figures.text()
    of = "absolute values: " if flat.dtype.kind == "c" else ""
    finite = figures.text() if figures.count else "no finite element"
    return f"{of}{finite}, {figures.nan} NaN, {flat.size - figures.count - figures.nan} infinite"


class _Figures:
    """Count, extremes, mean and spread of what is added part by part."""

    def __init__(self) -> None:
        self.nan = 0
        self.count = 0
        self._least: Any = math.inf
        self._most: Any = -math.inf
        self._mean = 0.0
        self._squares = 0.0  # of the distances to the mean, summed up

    def add(self, numpy: Any, part: Any) -> None:
        if part.dtype.kind == "c":
            part = abs(part)
        if part.dtype.kind not in "iu":
            part = part.astype(numpy.float64)
            self.nan += int(numpy.isnan(part).sum())
            part = part[numpy.isfinite(part)]
        if part.size == 0:
            return
        self._least = min(self._least, part.min().item())
        self._most = max(self._most, part.max().item())
        mean = float(part.mean(dtype=numpy.float64))
        squares = float(((part.astype(numpy.float64) - mean) ** 2).sum())
        whole = self.count + part.size
        apart = mean - self._mean
        self._squares += squares + apart * apart * self.count * part.size / whole
        self._mean += apart * part.size / whole
        self.count = whole

    def text(self) -> str:
        spread = math.sqrt(self._squares / self.count)
        least, most = (str(value) if isinstance(value, int) else f"{value:.6g}" for value in (self._least, self._most))
        return f"min {least}, max {most}, mean {self._mean:.6g}, standard deviation {spread:.6g}"


def _corner(values: Any) -> Iterator[str]:
    """The first and last elements of the last two dims, where the others are 0."""
    import numpy

    leading = max(values.ndim - 2, 0)
    if leading:
        yield f"  [{', '.join(['0'] * leading + [':', ':'])}]:"
    corner = values[(0,) * leading] if leading else values
    text = numpy.array2string(corner, max_line_width=_WIDTH, edgeitems=_EDGE, threshold=(2 * _EDGE) ** 2)
    yield from (f"  {line}" for line in text.splitlines())

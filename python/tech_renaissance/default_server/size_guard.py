"""Refuses calls of the default server whose result would not fit, before memory is taken.

A cheap upper bound lets ordinary calls pass. What it cannot clear is, for PyTorch, run on tensors without data (the
"meta" device), which gives the exact size; for NumPy, or where PyTorch cannot do that, it is estimated. For all that
nobody can foresee the system keeps the room: see `MemoryRoom`.
"""

from __future__ import annotations

import math
import os

from ..data.tensors import check_size
from ..data.tsr_header import BY_NAME
from ..errors import REQUEST_TOO_LARGE, InputError
from ..platform.memory_room import MemoryRoom, memory_bytes
from .size_estimate import STEEP, estimate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

#: As many tensors may come of one call; each is a file.
MAX_RESULTS = 1024
# A tensor of at most so many integers may stand for a shape.
_MOST_SIZES = 64
# Results from this size on may be copied on their way, which takes as much again.
_LARGE = 32 << 20
_WIDEST = 16
_MAX_PARTS = 65536

# Integers among their tensors are sizes: of those that make a tensor from nothing, of all others but the first.
_MAKES = frozenset(
    """
    arange bartlett bartlett_window blackman blackman_window diag_indices empty empty_permuted empty_strided eye fftfreq
    full geomspace hamming hamming_window hann_window hanning identity indices kaiser kaiser_window linspace logspace
    normal ones rand randint randn randperm range rfftfreq tri tril_indices triu_indices zeros
    """.split()  # noqa: SIM905 - as above
)
_RESIZES = frozenset(
    """
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d
    adaptive_max_pool3d array_split avg_pool1d avg_pool2d avg_pool3d bincount broadcast_to chunk constant_pad_nd diag
    diag_embed diagflat dsplit fft fft2 fftn fold hfft hfft2 hfftn histc histogram histogram2d histogram_bin_edges
    histogramdd hsplit ifft ifft2 ifftn ihfft ihfft2 ihfftn interpolate irfft irfft2 irfftn max_pool1d max_pool2d
    max_pool3d max_unpool1d max_unpool2d max_unpool3d multinomial nonzero_static one_hot pad repeat repeat_interleave
    resize rfft rfft2 rfftn split tensor_split tile unfold unsafe_chunk upsample upsample_bilinear upsample_nearest
    vander vsplit
    """.split()  # noqa: SIM905 - as above
)
# The numbers of all these say how large the result is; those of all other functions are values, axes and the like.
_SIZED = (
    _MAKES
    | _RESIZES
    | STEEP
    | frozenset(
        """
        as_strided as_strided_copy conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d convolution
        expand_copy fractional_max_pool2d fractional_max_pool2d_with_indices fractional_max_pool3d
        fractional_max_pool3d_with_indices istft kron lp_pool1d lp_pool2d lp_pool3d meshgrid outer pixel_shuffle stft
        unfold_copy view_copy
        """.split()  # noqa: SIM905 - as above
    )
)
_TAKE_SHAPES = frozenset({"broadcast_to", "pad", "resize", "tile"})
_SPLITS = frozenset({"array_split", "chunk", "dsplit", "hsplit", "split", "tensor_split", "unsafe_chunk", "vsplit"})


def size_limit() -> int:
    """How many bytes a tensor may take: $TR_MAX_TENSOR_BYTES, else half of this machine's memory."""
    text = os.environ.get("TR_MAX_TENSOR_BYTES", "")
    if text.isascii() and text.isdigit():
        return int(text)
    return memory_bytes() // 2


class SizeGuard:
    """Refuses what goes over a limit in bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._room = MemoryRoom(limit)

    def call(
        self, framework: str, name: str, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]
    ) -> Any:
        """The result of a call that fits.

        Raises:
            InputError: its result is or would be over the limit (E1005); the arguments are none of this function's.
        """
        self.before(framework, name, function, *with_sizes(name, args, kwargs))
        for has_retried in (False, True):
            self._room.limit()
            try:
                return _run(name, function, args, kwargs)
            except (MemoryError, RuntimeError) as error:
                if not isinstance(error, MemoryError) and "allocate memory" not in str(error):
                    raise  # PyTorch has no type of its own for it
            if has_retried or not self._room.has_shrunk():
                break
            self._room.lift()  # what earlier calls have kept, caches and such, is no fault of this one
        raise self._over(name, f"it needs more memory than a result of {self._limit} bytes, the limit, could")

    def before(
        self, framework: str, name: str, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]
    ) -> None:
        """To be called with the arguments of a call that is about to be made.

        Raises:
            InputError: its result would be over the limit (E1005).
        """
        if name not in _SIZED and not kwargs and self._is_small(args):
            return
        shapes = []
        factor = 1.0
        for leaf in _leaves([*args, *kwargs.values()]):
            if hasattr(leaf, "shape"):
                shapes.append(tuple(leaf.shape))
            elif isinstance(leaf, str):
                if framework == "numpy" and name != "einsum":
                    _check_dtype(name, leaf)
            elif isinstance(leaf, (int, float)) and not isinstance(leaf, bool):
                factor *= _weight(leaf) if name in _SIZED else 1
                if name in _SPLITS and leaf > _MAX_PARTS:
                    raise self._over(name, f"{leaf} parts are over the limit of {_MAX_PARTS}")
        sizes = [math.prod(shape) for shape in shapes]
        bound = factor * math.prod(max(size, 1) for size in sizes) * _WIDEST
        if bound <= self._limit and name not in STEEP:
            return
        # Of those that make a tensor, "normal" alone would make a real one.
        measurable = framework == "torch" and (bool(shapes) or name in _MAKES - {"normal"})
        exact = _measure_torch(function, args, kwargs) if measurable else None
        if exact is None:
            is_ufunc = type(function).__name__ == "ufunc" and name != "matmul"
            exact = estimate(name, args, kwargs, shapes, factor, is_ufunc) * _width(name, args, kwargs)
        if exact > self._limit:
            raise self._over(name, f"its result would take about {exact:.3g} bytes, over the limit of {self._limit}")

    def _is_small(self, args: list[Any]) -> bool:
        """There are only tensors, and so few elements that no result can be over the limit; as in most calls."""
        bound = _WIDEST
        for value in args:
            shape = getattr(value, "shape", None)
            if shape is None:
                return False
            bound *= math.prod(shape) or 1
        return bound <= self._limit

    def after(self, result: Any) -> None:
        """To be called with a result, which may be a view that is larger than its memory.

        Raises:
            InputError: it is over the limit, or there are too many (E1005).
        """
        items = result if isinstance(result, (list, tuple)) else [result]
        if len(items) > MAX_RESULTS:
            raise self._over("the call", f"{len(items)} results are over the limit of {MAX_RESULTS}")
        for item in items:
            if check_size(item, self._limit) >= _LARGE:
                self._room.lift()

    def _over(self, name: str, why: str) -> InputError:
        return InputError(f"{name}: {why} ($TR_MAX_TENSOR_BYTES raises the limit on bytes)", REQUEST_TOO_LARGE)


def with_sizes(name: str, args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The same arguments, with numbers in place of tensors that stand for sizes: for looking at, not for the call."""
    if name not in _MAKES and name not in _RESIZES:
        return args, kwargs
    data = 0 if name in _MAKES else 1  # what comes first is not a size
    most = _MOST_SIZES if name in _MAKES or name in _TAKE_SHAPES else 1
    sizes = [_as_sizes(value, most) for value in args[data:]]
    return [*args[:data], *sizes], {key: _as_sizes(value, most) for key, value in kwargs.items()}


def _as_sizes(value: Any, most: int) -> Any:
    if isinstance(value, (list, tuple)):
        return [_as_sizes(item, most) for item in value]
    if hasattr(value, "dtype") and "int" in str(value.dtype) and math.prod(value.shape) <= most:
        return value.tolist()
    return value


def _run(name: str, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
    try:
        return function(*args, **kwargs)
    except TypeError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
            raise
        raise InputError(f"{name}: {error}") from None  # of the call itself, not of something deep inside


def _check_dtype(name: str, text: str) -> None:
    """Refuses text that NumPy takes for a dtype of many elements, such as "(1000,)f8", or of long strings."""
    import numpy

    try:
        dtype = numpy.dtype(text)
    except Exception:
        return  # other text
    if dtype.itemsize > _WIDEST or dtype.fields or dtype.subdtype:
        raise InputError(f"{name}: dtype {text!r:.100} is not known: expected one of {', '.join(BY_NAME)}")


def _leaves(values: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if isinstance(value, (list, tuple)):
            found += _leaves(value)
        else:
            found.append(value)
    return found


def _weight(number: float) -> float:
    """How much larger a number can make a result: by itself, or as a step by its inverse."""
    size = abs(number)
    if size == 0 or math.isnan(size) or math.isinf(size):
        return 1
    return max(size, 1 / size)


def _width(name: str, args: list[Any], kwargs: dict[str, Any]) -> int:
    """Bytes that an element of a result takes at most: those of the widest argument, or of a float64."""
    if "fft" in name or "dtype" in kwargs:
        return _WIDEST
    found = (leaf.dtype.itemsize for leaf in _leaves([*args, *kwargs.values()]) if hasattr(leaf, "dtype"))
    return max(8, int(max(found, default=0)))


def _measure_torch(function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> float | None:
    """Bytes that a call's results take, None when it cannot be run without data."""
    import torch

    def without_data(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return torch.empty_like(value, device="meta")
        if isinstance(value, (list, tuple)):
            return type(value)(without_data(item) for item in value)
        return value

    try:
        with torch.device("meta"):
            result = function(
                *(without_data(value) for value in args), **{key: without_data(value) for key, value in kwargs.items()}
            )
    except Exception:
        return None
    results = result if isinstance(result, (list, tuple)) else [result]
    return float(sum(math.prod(item.shape) * item.dtype.itemsize for item in results if hasattr(item, "shape")))

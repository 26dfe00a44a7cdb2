"""How many elements the result of a call has at most, from its name and arguments alone."""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Their results grow faster than with the product of sizes and numbers, or with the values of the data.
STEEP = frozenset(
    """
    adaptive_avg_pool2d adaptive_avg_pool3d affine_grid bincount block_diag combinations corrcoef cov diag diag_embed
    diag_indices diag_indices_from diagflat eye histogramdd identity indices interpolate linalg_vander meshgrid one_hot
    pdist repeat_interleave tri tril_indices triu_indices upsample upsample_bilinear upsample_nearest vander
    """.split()  # noqa: SIM905 - one name a line would be 30 lines
)
# Their results are as large as their arguments in common, not all in a row.
_BROADCAST = frozenset(
    {"allclose", "clip", "isclose", "interp", "nan_to_num", "percentile", "quantile", "searchsorted", "select", "where"}
)
# Their results have an element for each row, or one in all.
_REDUCE = frozenset(
    """
    all amax amin any argmax argmin average count_nonzero max mean median min nanargmax nanargmin nanmax nanmean
    nanmedian nanmin nanprod nanstd nansum nanvar prod ptp std sum var
    """.split()  # noqa: SIM905 - as above
)


def estimate(
    name: str, args: list[Any], kwargs: dict[str, Any], shapes: list[tuple[int, ...]], factor: float, is_ufunc: bool
) -> float:
    """An upper bound for the elements of a result, as close as it is known for this function."""
    sizes = [math.prod(shape) for shape in shapes]
    largest = float(max(sizes, default=1) or 1)
    broadcast = _broadcast_size(shapes)
    first = args[0] if args else next(iter(kwargs.values()), None)
    if name in ("zeros", "ones", "empty", "full", "rand", "randn"):
        return float(math.prod(_integers(first if isinstance(first, (list, tuple)) or name == "full" else args)))
    if name == "arange":
        return _arange_length(args, kwargs)
    if name in ("linspace", "geomspace", "logspace"):
        count = kwargs.get("num", kwargs.get("steps", args[2] if len(args) > 2 else 100))
        return abs(count) * max(largest, broadcast) if isinstance(count, int) else math.inf
    if name in _REDUCE and shapes:
        return _reduced(args, kwargs, shapes[0])
    if name in ("bincount", "one_hot", "repeat_interleave", "repeat"):
        return _from_values(name, args, kwargs, largest, factor)
    if name in ("eye", "identity", "tri", "tril_indices", "triu_indices", "diag_indices"):
        return 2 * math.prod(_integers(args) * (1 if len(_integers(args)) > 1 else 2)) + factor
    if name in ("diag", "diagflat", "diag_embed", "block_diag", "cov", "corrcoef", "pdist", "diag_indices_from"):
        # A matrix over rows: never more than the square of the dims, and of the elements for a vector.
        return (sum(sizes) + factor) ** 2 if all(len(s) < 2 for s in shapes) else (sum(map(max, shapes)) + factor) ** 2
    if name == "combinations":
        return float(math.comb(int(largest), min(int(factor) if factor >= 2 else 2, int(largest))))
    if name == "einsum" and isinstance(first, str):
        return _einsum_size(first, shapes)
    if name in ("dot", "inner", "matmul", "vdot", "tensordot", "linear") and len(shapes) >= 2:
        return _contracted(name, args, kwargs, shapes)
    if name in ("outer", "kron", "meshgrid", "ix_", "cartesian_prod", "cdist", "broadcast_arrays"):
        return math.prod(max(size, 1) for size in sizes) * float(max(len(shapes), 1)) * factor
    if name in _BROADCAST or is_ufunc:
        return max(largest, broadcast)
    return max(largest, broadcast, float(sum(sizes))) * factor ** (2 if name in STEEP else 1)


def _integers(values: Any) -> list[int]:
    values = values if isinstance(values, (list, tuple)) else [values]
    return [abs(value) for value in values if isinstance(value, int) and not isinstance(value, bool)]


def _arange_length(args: list[Any], kwargs: dict[str, Any]) -> float:
    numbers = [float(value) for value in args if isinstance(value, (int, float))][:3]
    start, stop, step = (numbers + [0.0, 0.0, 1.0][len(numbers) :]) if len(numbers) != 1 else (0.0, numbers[0], 1.0)
    start, step = float(kwargs.get("start", start)), float(kwargs.get("step", step))
    stop = float(kwargs.get("end", kwargs.get("stop", stop)))
    return abs(stop - start) / abs(step) if step else math.inf


def _reduced(args: list[Any], kwargs: dict[str, Any], shape: tuple[int, ...]) -> float:
    axis = kwargs.get("axis", args[1] if len(args) > 1 else None)
    axes = axis if isinstance(axis, (list, tuple)) else [axis]
    gone = {value % max(len(shape), 1) for value in axes if isinstance(value, int)}
    return float(math.prod(length for index, length in enumerate(shape) if gone and index not in gone))


def _from_values(name: str, args: list[Any], kwargs: dict[str, Any], largest: float, factor: float) -> float:
    """For results whose size the values of a tensor decide."""
    tensors = [value for value in (*args, *kwargs.values()) if hasattr(value, "shape")]
    size = math.prod(tensors[0].shape) if tensors else 0
    if name in ("bincount", "one_hot"):
        top = float(tensors[0].max()) if size else 0.0
        return (top + 1 + factor) * (1.0 if name == "bincount" else largest)
    repeats = tensors[-1] if len(tensors) > 1 or (tensors and name == "repeat_interleave" and factor == 1) else None
    if repeats is None or not math.prod(repeats.shape):
        return largest * factor
    return largest * max(float(repeats.max()), 1.0) if len(tensors) > 1 else float(repeats.sum())


def _einsum_size(subscripts: str, shapes: list[tuple[int, ...]]) -> float:
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    dims: dict[str, int] = {}
    rest = 1
    for letters, shape in zip(inputs.split(","), shapes):
        named = letters.replace("...", "")
        if "..." in letters:
            rest = max(rest, math.prod(shape))
        dims.update(zip(named, shape[len(shape) - len(named) :] if "..." in letters else shape))
    if not arrow:
        output = "".join(letter for letter in dims if inputs.count(letter) == 1)
    return float(rest * math.prod(dims.get(letter, 1) for letter in output))


def _contracted(name: str, args: list[Any], kwargs: dict[str, Any], shapes: list[tuple[int, ...]]) -> float:
    first, second = shapes[0], shapes[1]
    shared = first[-1] if first else 1
    if name == "tensordot":
        axes = kwargs.get("axes", kwargs.get("dims", args[2] if len(args) > 2 else 2))
        if isinstance(axes, int):
            shared = math.prod(first[len(first) - axes :]) if 0 < axes <= len(first) else 1
        else:
            pairs = axes[0] if isinstance(axes[0], (list, tuple)) else axes[:1]
            shared = math.prod(first[axis] for axis in pairs)
    if name == "vdot":
        return 1.0
    product = float(math.prod(first)) * math.prod(second)
    if name == "matmul" and len(first) >= 2 and len(second) >= 2:
        return _broadcast_size([first[:-2], second[:-2]]) * first[-2] * second[-1]
    return product / max(shared, 1) ** 2


def _broadcast_size(shapes: list[tuple[int, ...]]) -> float:
    """Elements of what these shapes broadcast to; 0 when they do not."""
    rank = max((len(shape) for shape in shapes), default=0)
    size = 1.0
    for axis in range(1, rank + 1):
        dims = {shape[-axis] for shape in shapes if len(shape) >= axis} - {1}
        if len(dims) > 1:
            return 0.0
        size *= dims.pop() if dims else 1
    return size

"""Which functions the default server may call by name. What is not allowed here cannot be reached.

A function is allowed for what it is, not for what it is not: in PyTorch, an operator of its C++ library or a Python
function of its functional modules; in NumPy, a ufunc or a name in the list below. Whatever loads, saves, opens,
compiles or executes is neither. Names are looked up in the namespace itself, one step, so no attribute of anything
else can be walked to.
"""

from __future__ import annotations

import functools
import importlib
import sys
import types

from ..errors import PERMISSION_DENIED, InputError, NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

# What people call some of them in their programs.
_ALIASES = {"np": "numpy", "F": "torch.nn.functional", "nn.functional": "torch.nn.functional"}

NAMESPACES = ("torch", "torch.nn.functional", "torch.linalg", "torch.fft", "torch.special", "numpy")

# Operators of the library that read files or memory of others, or serve other back ends and internal use.
_TORCH_DENIED = frozenset(
    {"choose_qparams_optimized", "dequantize", "from_file", "from_numpy", "frombuffer", "int_repr", "is_distributed"}
)
_TORCH_DENIED_PREFIXES = (
    "cudnn_",
    "fake_quantize_",
    "fbgemm_",
    "fused_",
    "is_vulkan",
    "miopen_",
    "mkldnn_",
    "q_",
    "quantize",
    "sparse_",
    "sym_",
)
_FUNCTIONAL_DENIED = frozenset({"assert_int_or_pair", "triplet_margin_with_distance_loss"})
_TORCH_PYTHON_MODULES = frozenset({"torch.functional", "torch._lowrank"})

_NUMPY_ALLOWED = frozenset(
    """
    all allclose amax amin angle any append arange argmax argmin argpartition argsort argwhere around array array_equal
    array_equiv array_split asanyarray asarray asarray_chkfinite ascontiguousarray asfortranarray astype atleast_1d
    atleast_2d atleast_3d average bartlett bincount blackman block broadcast_arrays broadcast_shapes broadcast_to choose
    clip column_stack compress concat concatenate convolve copy corrcoef correlate count_nonzero cov cross cumprod
    cumsum cumulative_prod cumulative_sum delete diag diag_indices diag_indices_from diagflat diagonal diff digitize dot
    dsplit dstack ediff1d einsum empty empty_like expand_dims extract eye fix flatnonzero flip fliplr flipud full
    full_like geomspace gradient hamming hanning histogram histogram2d histogram_bin_edges histogramdd hsplit hstack i0
    identity imag in1d indices inner insert interp intersect1d isclose iscomplex iscomplexobj isfortran isin isneginf
    isposinf isreal isrealobj ix_ kaiser kron lexsort linspace logspace matrix_transpose max mean median meshgrid min
    moveaxis nan_to_num nanargmax nanargmin nancumprod nancumsum nanmax nanmean nanmedian nanmin nanpercentile nanprod
    nanquantile nanstd nansum nanvar ndim nonzero ones ones_like outer packbits pad partition percentile permute_dims
    poly polyadd polyder polydiv polyfit polyint polymul polysub polyval prod product ptp quantile ravel
    ravel_multi_index real real_if_close repeat require reshape resize roll rollaxis roots rot90 round round_ row_stack
    searchsorted select setdiff1d setxor1d shape sinc size sort sort_complex split squeeze stack std sum swapaxes take
    take_along_axis tensordot tile trace transpose trapezoid trapz tri tril tril_indices tril_indices_from trim_zeros
    triu triu_indices triu_indices_from union1d unique unique_all unique_counts unique_inverse unique_values unpackbits
    unravel_index unstack unwrap vander var vdot vsplit vstack where zeros zeros_like
    """.split()  # noqa: SIM905 - one name a line would be 230 lines
)

# A parameter that has memory of an argument written to, or names a place to run on that the host knows nothing of.
_DENIED_PARAMETERS = frozenset({"device", "extobj", "inplace", "out", "overwrite_input", "pin_memory"})
# Of those that tell nobody what their parameters are called: how many come before "out".
_BEFORE_OUT = {"concatenate": 2, "dot": 2}
# These write to tensors that they get, from an argument on; some only when a parameter, at its position, is given.
_WRITE_TO = {
    "batch_norm": (1, "", 0),
    "batch_norm_gather_stats": (1, "", 0),
    "batch_norm_gather_stats_with_counts": (1, "", 0),
    "batch_norm_update_stats": (1, "", 0),
    "embedding": (1, "max_norm", 3),
    "embedding_bag": (1, "max_norm", 3),
    "instance_norm": (1, "", 0),
    "nan_to_num": (0, "copy", 1),
    "native_batch_norm": (1, "", 0),
    "rrelu_with_noise": (1, "", 0),
}


def check_parameters(name: str, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> None:
    """Refuses arguments that are not a caller's to give, by keyword or by position.

    Raises:
        InputError: there is one (E1003).
    """
    denied = sorted(_DENIED_PARAMETERS & kwargs.keys()) if kwargs else ()
    if denied:
        raise InputError(f"{name}: keyword {denied[0]!r} is refused by the default server", PERMISSION_DENIED)
    most = _most_arguments(function)
    if len(args) > most:
        raise InputError(
            f"{name}: the default server passes at most {most} arguments by position, as the next would be written to; "
            f"got {len(args)}",
            PERMISSION_DENIED,
        )


def spare_arguments(name: str, args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The same arguments, with copies of the tensors that the function of this bare name would write to."""
    if name not in _WRITE_TO:
        return args, kwargs
    first, parameter, position = _WRITE_TO[name]
    if parameter and parameter not in kwargs and len(args) <= position:
        return args, kwargs
    return [*args[:first], *map(_copy, args[first:])], {key: _copy(value) for key, value in kwargs.items()}


def _copy(value: Any) -> Any:
    if hasattr(value, "clone"):
        return value.clone()
    return value.copy() if hasattr(value, "shape") else value


@functools.lru_cache(maxsize=1024)
def _most_arguments(function: Callable[..., Any]) -> int:
    """How many arguments may be given by position."""
    import inspect

    if type(function).__name__ == "ufunc":
        return int(function.nin)  # type: ignore[attr-defined]  # what follows is "out"
    try:
        parameters = list(inspect.signature(function).parameters)
    except (ValueError, TypeError):
        return _BEFORE_OUT.get(getattr(function, "__name__", ""), 1 << 10)
    return next((index for index, name in enumerate(parameters) if name in _DENIED_PARAMETERS), 1 << 10)


@functools.lru_cache(maxsize=1024)
def resolve(name: str) -> tuple[str, str, Callable[..., Any]]:
    """Namespace, function name and function for a name in full.

    Raises:
        NotFoundError: it is not allowed, or its library is not installed. Both look the same on purpose but for the
            hint what to install.
    """
    namespace, _, function = name.rpartition(".")
    if namespace not in NAMESPACES:
        known = _ALIASES.get(namespace)
        meant = f"; did you mean {known}.{function:.100}?" if known else ""
        raise NotFoundError(
            f"{name!r:.200} is not a function that the default server calls: its namespaces are "
            f"{', '.join(NAMESPACES)}{meant}"
        )
    try:
        module = importlib.import_module(namespace)
    except ImportError:
        library = namespace.partition(".")[0]
        raise NotFoundError(
            f"{name!r:.200} needs {library}, which the worker's interpreter {sys.executable} does not have: install it "
            f"with '{sys.executable} -m pip install {library}', or choose another interpreter"
        ) from None
    if function.isidentifier() and not function.startswith("_"):
        found = vars(module).get(function)
        if found is not None and _is_allowed(module, function, found):
            return namespace, function, found
    raise NotFoundError(f"{name!r:.200} is not a function that the default server calls{_suggestion(module, function)}")


def allowed_names(module: types.ModuleType) -> Iterable[str]:
    """All names that can be reached in one of the namespaces."""
    return [
        name
        for name, value in sorted(vars(module).items())
        if not name.startswith("_") and _is_allowed(module, name, value)
    ]


def _is_allowed(module: types.ModuleType, name: str, value: Any) -> bool:
    namespace = module.__name__
    if namespace == "numpy":
        return isinstance(value, module.ufunc) or (name in _NUMPY_ALLOWED and _is_function(value))
    if name.endswith("_"):
        return False  # it works in place
    if namespace == "torch":
        return _is_torch_operator(name, value)
    native = sys.modules["torch"]._C
    if namespace == "torch.nn.functional":
        if name in _FUNCTIONAL_DENIED:
            return False
        if isinstance(value, types.FunctionType):
            return value.__module__ == namespace
        return _is_torch_operator(name, value) or _is_member(value, native._nn)
    return _is_member(value, getattr(native, "_" + namespace.rpartition(".")[2]))


def _is_torch_operator(name: str, value: Any) -> bool:
    if name in _TORCH_DENIED or name.startswith(_TORCH_DENIED_PREFIXES):
        return False
    if isinstance(value, types.FunctionType):
        return value.__module__ in _TORCH_PYTHON_MODULES
    operators = sys.modules["torch"]._C._VariableFunctions
    return isinstance(value, types.BuiltinFunctionType) and getattr(operators, name, None) == value


def _is_member(value: Any, native: types.ModuleType) -> bool:
    return isinstance(value, types.BuiltinFunctionType) and any(value is member for member in vars(native).values())


def _is_function(value: Any) -> bool:
    dispatched = type(value).__name__ == "_ArrayFunctionDispatcher"
    return dispatched or isinstance(value, (types.FunctionType, types.BuiltinFunctionType))


def full_names(function: str) -> list[str]:
    """The names in full of the allowed functions of this name, in all namespaces whose library is installed."""
    found = []
    for namespace in NAMESPACES:
        try:
            resolve(f"{namespace}.{function}")
        except NotFoundError:
            continue
        found.append(f"{namespace}.{function}")
    return found


def _suggestion(module: types.ModuleType, function: str) -> str:
    import difflib

    if not function.startswith("_") and callable(vars(module).get(function)):
        return (
            ": it is there, and excluded, as is all that is no plain function of tensors, or loads, saves, opens, "
            "compiles or executes; a server of your own may call it"
        )
    close = difflib.get_close_matches(function[:100], allowed_names(module), 1, 0.75)
    return f"; did you mean {module.__name__}.{close[0]}?" if close else ""

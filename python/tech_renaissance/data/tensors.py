"""Between tensors of PyTorch or NumPy (or Python numbers) and dtype, shape and bytes.

Neither library is imported before a tensor is touched.
"""

from __future__ import annotations

import operator
import os
import struct
import sys

from ..errors import REQUEST_TOO_LARGE, InputError, TSRError
from .quick_tensors import offer
from .tsr_header import BY_NAME, TsrHeader, count_elements, encode_header, seen_header

TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap
    from collections.abc import Sequence
    from typing import Any, Literal, Union
    from typing import overload as overload

    from .tsr_header import DType

    Framework = Literal["torch", "numpy"]
    Buffer = Union[bytes, bytearray, memoryview, mmap.mmap]
else:

    def overload(function):
        """As that of `typing`, which a worker would have to import."""
        return function


FRAMEWORKS: tuple[Framework, ...] = ("torch", "numpy")
_SCALARS = {bool: ("bool", "?"), int: ("int64", "<q"), float: ("float64", "<d"), complex: ("complex128", "<dd")}
_INT64 = range(-(2**63), 2**63)


class Exported:
    """A tensor's contents, ready to be written; the bytes stay valid as long as this object lives.

    Attributes:
        dtype: of the elements.
        shape: () for a scalar.
        data: the elements, rows contiguous, little-endian.
        address: of the elements in memory; 0 when they are not a tensor's own.
    """

    __slots__ = ("_owner", "data", "dtype", "shape")

    def __init__(self, dtype: DType, shape: Sequence[int], data: Buffer, owner: Any = None) -> None:
        self.dtype = dtype
        self.shape = tuple(shape)
        self.data = data
        self._owner = owner

    @property
    def address(self) -> int:
        """Where the bytes lie, while the tensor that they belong to is alive; 0 where nothing else holds them."""
        if self._owner is None:
            return 0
        if hasattr(self._owner, "data_ptr"):
            return self._owner.data_ptr()  # type: ignore[no-any-return]
        return self._owner.__array_interface__["data"][0]  # type: ignore[no-any-return]


def export_tensor(tensor: object) -> Exported:
    """Dtype, shape and bytes of a PyTorch tensor, a NumPy array or scalar, or a Python number.

    Tensors on other devices are copied to the CPU, and those that are not contiguous are made so. A Python float
    becomes FP64 and an int INT64, which lose nothing.

    Raises:
        InputError: it is something else, or of a dtype or layout that has no form in a file.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(tensor, torch.Tensor):
        return _export_torch(torch, tensor)
    scalar = _SCALARS.get(type(tensor))
    if scalar is not None:
        return _export_number(tensor, *scalar)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(tensor, (numpy.ndarray, numpy.generic)):
        return _export_numpy(numpy, tensor)
    several = isinstance(tensor, (list, tuple)) and any(hasattr(item, "dtype") for item in tensor)
    raise InputError(
        f"a {_type_name(tensor)} cannot be sent as a tensor: expected a torch.Tensor, a numpy.ndarray or a number; "
        + (
            'give its tensors one by one, with a star: calculate_many("command", *tensors), send_tensors(*tensors)'
            if several
            else "make one of it first, for example with torch.tensor(…) or numpy.array(…)"
        )
    )


def is_on_gpu(tensor: Any) -> bool:
    """A PyTorch tensor on a GPU, whose elements can be copied from there to where they are to lie.

    Not bools, as there is no tensor of those over memory that may hold anything; and other devices may know no copy
    into memory that is not their own.
    """
    torch = sys.modules.get("torch")
    return (
        torch is not None
        and isinstance(tensor, torch.Tensor)
        and tensor.is_cuda
        and not _is_fake(tensor)
        and not tensor.is_nested
        and tensor.layout is torch.strided
        and tensor.dtype is not torch.bool
    )


def header_of_torch(tensor: Any) -> tuple[bytes, int]:
    """The header of a PyTorch tensor, and how many bytes its elements take. Raises InputError for an unknown dtype."""
    dtype = _torch_dtypes.get(tensor.dtype) or _known_torch_dtype(tensor.dtype)
    return encode_header(dtype, tuple(tensor.shape)), tensor.numel() * dtype.itemsize


def import_tensor(header: TsrHeader, memory: Buffer, framework: str, name: str) -> Any:
    """A tensor over memory that starts with a `.tsr` header; it keeps the memory alive.

    Args:
        header: what the memory starts with, already checked against its size.
        memory: writable; nobody else may write to it.
        framework: "torch" or "numpy".
        name: what messages call the source.

    Raises:
        TSRError: a byte of BOOL data is neither 0 nor 1.
        InputError: this interpreter cannot represent the dtype.
    """
    if header.dtype.name == "bool":
        end = header.header_bytes + header.data_bytes
        check_bools(memoryview(memory)[header.header_bytes : end], name)
    return _import_torch(header, memory) if framework == "torch" else _import_numpy(header, memory)


def empty_header(shape: Sequence[int], dtype: object) -> tuple[DType, bytes, int]:
    """Dtype and header of a tensor yet to be filled, and the length of its data.

    Args:
        shape: its dims.
        dtype: see find_dtype.

    Raises:
        InputError: there is no such dtype, or a dim is negative.
    """
    known = find_dtype(dtype)
    header = seen_header(known, shape)  # of what has been looked at before
    if header is None:
        shape = dims(shape)
        header = encode_header(known, shape)
    return known, header, count_elements(shape) * known.itemsize


def dims(shape: Any) -> tuple[int, ...]:
    """A shape; one number is that of a vector.

    Raises:
        InputError: it is something else.
    """
    try:
        given = tuple(shape) if hasattr(shape, "__iter__") else (shape,)
        found = tuple(map(operator.index, given))
        good = all(-_MOST <= dim <= _MOST for dim in found) and bool not in map(type, given)
    except TypeError:
        good = False
    if not good or isinstance(shape, (str, bytes, bytearray)):
        raise InputError(f"shape is {shape!r:.200}: expected whole numbers, such as (2, 3)")
    return found


_MOST = 2**63 - 1


def find_dtype(dtype: object) -> DType:
    """The dtype that is meant.

    Args:
        dtype: of PyTorch or NumPy, or a name; None for float32.

    Raises:
        InputError: there is no such dtype.
    """
    try:
        known = _asked_for.get(dtype)
    except TypeError:  # what cannot be looked up can be of no use either, but for what NumPy takes
        return _look_for(dtype)
    if known is None:
        known = _look_for(dtype)
        if len(_asked_for) < _MANY:
            _asked_for[dtype] = known
    return known


# As NumPy takes microseconds to tell a name.
_asked_for: dict[Any, DType] = {}
_MANY = 256


def _look_for(dtype: object) -> DType:
    torch = sys.modules.get("torch")
    if dtype is None:
        name = "float32"
    elif isinstance(dtype, str):
        name = dtype
    elif torch is not None and isinstance(dtype, torch.dtype):
        name = str(dtype).partition(".")[2]
    else:
        name = _numpy_name(dtype)
    known = BY_NAME.get(name)
    if known is None:
        raise InputError(f"dtype {dtype!r} is not one of a tensor: expected one of {', '.join(BY_NAME)}")
    return known


def _numpy_name(dtype: Any) -> str:
    try:
        import numpy

        return str(numpy.dtype(dtype).name)
    except (ImportError, TypeError):
        return ""


def choose_framework(asked: Framework | None) -> Framework:
    """The library that tensors are handed out in: the one asked for, else PyTorch, else NumPy.

    Raises:
        InputError: it is not installed.
    """
    if asked is not None and asked not in FRAMEWORKS:
        raise InputError(f"framework {asked!r} is not known: expected 'torch' or 'numpy'")
    for framework in FRAMEWORKS if asked is None else (asked,):
        if sys.modules.get(framework) is not None or _can_import(framework):
            return framework
    wanted = "torch (or numpy)" if asked is None else asked
    in_worker = "TR_SESSION_DIR" in os.environ
    raise InputError(
        f"tensors need {wanted}, which {'the worker' if in_worker else 'this program'}'s interpreter {sys.executable} "
        f"does not have: install it with '{sys.executable} -m pip install {asked or 'torch'}'"
        + (", or choose another interpreter ($TR_PYTHON or SessionOptions::python)" if in_worker else "")
    )


def framework_of(tensors: Sequence[object]) -> Framework | None:
    """That of some tensors, PyTorch where both occur; None when there are only numbers."""
    torch = sys.modules.get("torch")
    if torch is not None and any(isinstance(tensor, torch.Tensor) for tensor in tensors):
        return "torch"
    return "numpy" if any(hasattr(tensor, "dtype") for tensor in tensors) else None


# Looking for what is not there takes longer than a call.
_missing: set[str] = set()


def _can_import(name: str) -> bool:
    import importlib

    if name in _missing:
        return False
    try:
        importlib.import_module(name)
    except ImportError as error:
        if getattr(error, "name", None) == name and isinstance(error, ModuleNotFoundError):
            _missing.add(name)  # and not one that is there, but for want of memory or descriptors
        return False
    return True


def _export_number(value: Any, name: str, layout: str) -> Exported:
    if name == "int64" and value not in _INT64:
        raise InputError(f"the number {str(value)[:40]} cannot be sent as a tensor: it does not fit in INT64")
    parts = (value.real, value.imag) if name == "complex128" else (value,)
    return Exported(BY_NAME[name], (), struct.pack(layout, *parts))


def _export_torch(torch: Any, tensor: Any) -> Exported:
    offer(torch.Tensor)
    if tensor.layout is not torch.strided or tensor.is_nested:
        raise InputError(
            f"a torch tensor of layout {'nested' if tensor.is_nested else tensor.layout} cannot be sent: "
            "convert it with .to_dense() (or .to_padded_tensor(…)) first"
        )
    if tensor.is_meta:
        raise InputError("a torch tensor on the 'meta' device cannot be sent: it has no data")
    if _is_fake(tensor):
        raise InputError(
            "a FakeTensor cannot be sent: it has no data, as torch.compile, torch.export or a FakeTensorMode made it "
            "to follow shapes alone; send tensors outside of what is compiled or exported"
        )
    dtype = _torch_dtypes.get(tensor.dtype) or _known_torch_dtype(tensor.dtype)
    # Asked before it is done: on a small tensor, doing nothing takes as long as the rest.
    if tensor.requires_grad:
        tensor = tensor.detach()
    if not tensor.is_cpu:
        tensor = tensor.cpu()
    if tensor.is_conj() or tensor.is_neg():
        tensor = tensor.resolve_conj().resolve_neg()
    if not tensor.is_contiguous():
        tensor = tensor.contiguous()
    shape = tuple(tensor.shape)
    length = tensor.numel() * dtype.itemsize
    if length == 0:
        return Exported(dtype, shape, b"")
    # By address, as this serves every dtype and needs no NumPy; Exported keeps the tensor alive.
    import ctypes

    address = tensor.data_ptr()
    if not address:
        raise InputError(f"a {_type_name(tensor)} cannot be sent: it has no data; send a plain torch.Tensor made of it")
    memory = memoryview((ctypes.c_char * length).from_address(address)).cast("B")
    return Exported(dtype, shape, memory, tensor)


# What was found out about a dtype of PyTorch; by the dtype itself.
_torch_dtypes: dict[Any, DType] = {}


def _is_fake(tensor: Any) -> bool:
    return type(tensor).__name__ == "FakeTensor"


def _known_torch_dtype(dtype: Any) -> DType:
    found = BY_NAME.get(str(dtype).partition(".")[2])
    if found is None:
        known = ", ".join(BY_NAME)
        raise InputError(f"dtype {dtype} cannot be sent as a tensor: convert it to one of {known}")
    _torch_dtypes[dtype] = found
    return found


def _export_numpy(numpy: Any, array: Any) -> Exported:
    offer(numpy.ndarray)
    if type(array) is not numpy.ndarray:
        if isinstance(array, numpy.ma.MaskedArray):
            raise InputError("a masked NumPy array cannot be sent: fill it first, for example with .filled(0)")
        array = numpy.asarray(array)
    dtype, swapped, castable = _numpy_dtypes.get(array.dtype) or _known_numpy_dtype(array.dtype)
    shape = array.shape
    if swapped:
        array = array.astype(array.dtype.newbyteorder("<"))
    if not array.flags.c_contiguous:
        array = array.copy(order="C")
    if array.size == 0:
        return Exported(dtype, shape, b"")
    view = memoryview(array) if castable else memoryview(array.reshape(-1).view(numpy.uint8))
    return Exported(dtype, shape, view.cast("B"), array)


# The same of NumPy's, whether its bytes are the other way round, and whether a memoryview can be cast to bytes, which
# is the quickest way to them; and those of NumPy by the name of ours.
_numpy_dtypes: dict[Any, tuple[DType, bool, bool]] = {}
_numpy_by_name: dict[str, Any] = {}


def _known_numpy_dtype(dtype: Any) -> tuple[DType, bool, bool]:
    found = BY_NAME.get(dtype.name)  # which takes NumPy several microseconds
    if found is None:
        names = ", ".join(BY_NAME)
        raise InputError(f"NumPy dtype {dtype} cannot be sent as a tensor: convert it to one of {names}")
    swapped = dtype.byteorder == ">" or (dtype.byteorder == "=" and sys.byteorder == "big")
    known = _numpy_dtypes[dtype] = found, swapped, not swapped and dtype.char in "?bBhHiIlLqQefd"
    return known


def _import_torch(header: TsrHeader, memory: Buffer) -> Any:
    import torch

    offer(torch.Tensor)
    dtype = getattr(torch, header.dtype.name, None)
    if dtype is None:
        raise InputError(f"PyTorch {torch.__version__} has no dtype {header.dtype.name}: PyTorch 2.3 or later has")
    if header.numel == 0:
        return torch.empty(header.shape, dtype=dtype)
    # Only through a memoryview does the tensor keep a mapping alive.
    held = memory if type(memory) is bytearray else memoryview(memory)
    flat = torch.frombuffer(held, dtype=dtype, count=header.numel, offset=header.header_bytes)
    return flat if len(header.shape) == 1 else flat.view(header.shape)


def _import_numpy(header: TsrHeader, memory: Buffer) -> Any:
    import numpy

    dtype = _numpy_by_name.get(header.dtype.name)
    if dtype is None:  # not "or", as a dtype may count as false
        dtype = numpy_dtype(header.dtype.name)
    if header.numel == 0:
        return numpy.empty(header.shape, dtype)
    flat = numpy.frombuffer(memory, dtype, header.numel, header.header_bytes)
    return flat if len(header.shape) == 1 else flat.reshape(header.shape)


def is_numpys_own(name: str) -> bool:
    """NumPy has this dtype of ours without ml_dtypes."""
    return name != "bfloat16" and not name.startswith("float8")


def numpy_dtype(name: str) -> Any:
    """A dtype of ours as NumPy has it, little-endian.

    Raises:
        InputError: it takes ml_dtypes, which is not installed.
    """
    import numpy

    if not is_numpys_own(name):
        try:
            import ml_dtypes
        except ImportError:
            raise InputError(
                f"NumPy has no dtype {name} by itself: install ml_dtypes with "
                f"'{sys.executable} -m pip install ml_dtypes', or take the tensor as a torch tensor"
            ) from None
        dtype = numpy.dtype(getattr(ml_dtypes, name))
    else:
        dtype = numpy.dtype(name).newbyteorder("<")
    _numpy_by_name[name] = dtype
    return dtype


def check_bools(data: memoryview, name: str) -> None:
    """Raises TSRError for a byte that is neither 0 nor 1, which to read as a bool is undefined in C++ and PyTorch."""
    step = 1 << 20
    for start in range(0, len(data), step):
        wrong = bytes(data[start : start + step]).translate(None, b"\0\1")
        if wrong:
            raise TSRError(f"{name}: data of dtype BOOL holds the byte {wrong[0]}: expected 0 or 1")


def check_size(tensor: Any, limit: int) -> int:
    """Refuses a tensor whose contents would take more than `limit` bytes, such as a huge expanded view.

    Returns:
        How many they take; 0 of what is no tensor.

    Raises:
        InputError: it is too large (E1005).
    """
    shape = getattr(tensor, "shape", None)
    if shape is None:
        return 0
    length = count_elements(shape) * int(getattr(tensor.dtype, "itemsize", 16))
    if length > limit:
        raise InputError(
            f"the result of shape {tuple(shape)} takes {length} bytes, over the limit of {limit} "
            "($TR_MAX_TENSOR_BYTES raises it)",
            REQUEST_TOO_LARGE,
        )
    return length


def _type_name(value: object) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"

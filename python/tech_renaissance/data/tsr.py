"""Tensors in `.tsr` files: read, write, and look at what a file holds. The format is in docs/protocol.md."""

from __future__ import annotations

import os

from ..errors import InputError, TSRError
from ..platform.files import AtomicWriter
from ..platform.mapping import open_regular, read_private
from ..platform.place import place_error
from .tensors import check_bools, choose_framework, export_tensor, import_tensor, numpy_dtype, overload
from .tsr_header import BY_NAME, MAX_HEADER, MIN_HEADER, TsrHeader, decode_header, encode_header, header_length

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Literal, Union

    import numpy
    from numpy.typing import NDArray
    from torch import Tensor

    from .tensors import Framework

    Source = Union[str, os.PathLike[str], BinaryIO]

_CHUNK = 16 << 20

__all__ = ["TSRError", "TsrInfo", "export_tsr", "get_tsr_info", "import_tsr", "read_tsr", "tsr_info", "write_tsr"]


class TsrInfo:
    """What a `.tsr` file holds, without its data.

    Attributes:
        version: of the format, 1 or 2.
        dtype: name of the dtype in NumPy and PyTorch, e.g. "float32".
        shape: () for a scalar.
        data_bytes: length of the data.
        header_bytes: where the data starts.
    """

    __slots__ = ("data_bytes", "dtype", "header_bytes", "shape", "version")

    def __init__(self, header: TsrHeader) -> None:
        self.version = header.version
        self.dtype = header.dtype.name
        self.shape = header.shape
        self.data_bytes = header.data_bytes
        self.header_bytes = header.header_bytes

    def __repr__(self) -> str:
        return (
            f"TsrInfo(version={self.version}, dtype={self.dtype!r}, shape={self.shape}, data_bytes={self.data_bytes})"
        )


@overload
def read_tsr(source: Source, framework: Literal["numpy"] | None = None, *, mmap: Literal[True]) -> numpy.memmap: ...
@overload
def read_tsr(source: Source, framework: Literal["numpy"], *, mmap: bool = False) -> NDArray[Any]: ...
@overload
def read_tsr(source: Source, framework: Literal["torch"], *, mmap: Literal[False] = False) -> Tensor: ...
@overload
def read_tsr(source: Source, framework: Framework | None = None, *, mmap: Literal[False] = False) -> Any: ...
def read_tsr(source: Source, framework: Framework | None = None, *, mmap: bool = False) -> Any:
    """The tensor in a file, which stays as it is.

    Args:
        source: a path, or a binary file to read one tensor from, from where it stands.
        framework: "torch" or "numpy"; left out, PyTorch when it is installed, else NumPy.
        mmap: map the file of a path instead of reading it, which costs nothing until elements are looked at; with NumPy
            alone. Whoever replaces the file, as `write_tsr` does, leaves what was mapped as it is. To shorten it ends
            the program that then looks at what is gone (SIGBUS).

    Returns:
        A tensor of the file's shape and dtype that may be written to; with `mmap` a numpy.memmap that may not.

    Raises:
        TSRError: the file is malformed or cannot be read; the message names the field, the value and the file.
        InputError: the library is not installed, or `mmap` goes with another argument that it cannot.
    """
    if mmap:
        return _mapped(source, framework)
    kind = choose_framework(framework)
    if _is_path(source):
        path = os.path.realpath(os.fspath(source))  # type: ignore[arg-type]
        try:
            memory, size = read_private(path, map_large=False)
        except FileNotFoundError:
            raise _missing(path) from None
        return import_tensor(decode_header(memoryview(memory), size, path), memory, kind, path)
    _require(source, "read", "source")
    name, header, head = _read_header(source)  # type: ignore[arg-type]
    data = _read_up_to(source, header.data_bytes)  # type: ignore[arg-type]
    if len(data) != header.data_bytes:
        raise TSRError(f"{name}: truncated data: expected {header.data_bytes} bytes, found {len(data)}")
    return import_tensor(header, head + data, kind, name)


def _mapped(source: Source, framework: Framework | None) -> Any:
    if framework not in (None, "numpy"):
        raise InputError(f"framework is {framework!r:.200} with mmap=True: expected 'numpy', as only it maps to read")
    if not _is_path(source):
        raise InputError(f"source is {source!r:.200} with mmap=True: expected a path")
    choose_framework("numpy")
    import numpy

    path = os.path.realpath(os.fspath(source))  # type: ignore[arg-type]
    try:
        descriptor, size = open_regular(path)
    except FileNotFoundError:
        raise _missing(path) from None
    with open(path, "rb", opener=lambda *_: descriptor) as file:
        header = decode_header(file.read(MAX_HEADER), size, path)
        dtype = numpy_dtype(header.dtype.name)
        try:
            array: Any = numpy.memmap(file, dtype, "r", header.header_bytes, header.shape)
        except OSError as error:
            raise place_error(error, f"mapping {os.path.basename(path)}", os.path.dirname(path), size) from None
    if header.dtype.name == "bool" and header.numel > 0:
        check_bools(memoryview(array).cast("B"), path)
    return array


def _missing(path: str) -> TSRError:
    return TSRError(f"{path}: there is no such file")


def write_tsr(tensor: object, target: Source) -> None:
    """Writes a tensor: a torch.Tensor, a numpy.ndarray or a number.

    Args:
        tensor: on any device, contiguous or not.
        target: a path, where the file appears whole or not at all, or a binary file to write to. Who may read the file
            is decided by the umask, as for what `open` makes.

    Raises:
        InputError: it is no tensor, or of a dtype or layout that cannot be written.
        TSRError: the file cannot be written.
    """
    if isinstance(tensor, (str, os.PathLike)) and not _is_path(target) and not hasattr(target, "write"):
        raise InputError(f"write_tsr(tensor, target): the first argument is the path {tensor!r:.200}, swap the two")
    exported = export_tensor(tensor)
    header = encode_header(exported.dtype, exported.shape)
    if not _is_path(target):
        _require(target, "write", "target")
        target.write(header)  # type: ignore[union-attr]
        target.write(exported.data)  # type: ignore[union-attr]
        return
    path = os.path.abspath(os.fspath(target))  # type: ignore[arg-type]
    try:
        AtomicWriter(os.path.dirname(path), None).write(path, header, exported.data)
    except OSError as error:
        raise TSRError(f"{path}: cannot be written: {error.strerror}") from None


def tsr_info(source: Source) -> TsrInfo:
    """What a file holds; its data is not read, but its length is checked when the source is a path.

    Raises:
        TSRError: the file is malformed or cannot be read.
    """
    if not _is_path(source):
        _require(source, "read", "source")
        return TsrInfo(_read_header(source)[1])  # type: ignore[arg-type]
    path = os.fspath(source)  # type: ignore[arg-type]
    try:
        with open(path, "rb") as file:
            return TsrInfo(decode_header(file.read(MAX_HEADER), os.fstat(file.fileno()).st_size, path))
    except OSError as error:
        raise TSRError(f"{path}: cannot be read: {error.strerror}") from None


# By the names of the older bridge.
import_tsr = read_tsr
export_tsr = write_tsr


def get_tsr_info(filename: str | os.PathLike[str]) -> dict[str, Any]:
    """What `tsr_info` tells, as the dictionary that programs for the older bridge look into."""
    info = tsr_info(filename)
    dtype = BY_NAME[info.dtype]
    return {
        "filename": filename,
        "shape": list(info.shape),
        "dtype": dtype.title,
        "ndim": len(info.shape),
        "numel": info.data_bytes // dtype.itemsize,
        "size_bytes": info.data_bytes,
    }


def _require(file: object, method: str, name: str) -> None:
    if not hasattr(file, method):
        raise InputError(f"{name} is {file!r:.200}: expected a path, or a binary file to {method}")


def _is_path(source: Source) -> bool:
    return isinstance(source, (str, os.PathLike))


def _read_header(file: BinaryIO) -> tuple[str, TsrHeader, bytearray]:
    name = str(getattr(file, "name", "<stream>"))
    head = _read_up_to(file, MIN_HEADER)
    if len(head) == MIN_HEADER:
        head += _read_up_to(file, header_length(head, name) - MIN_HEADER)
    return name, decode_header(head, None, name), head


def _read_up_to(file: BinaryIO, length: int) -> bytearray:
    """So many bytes, or fewer at the end; a length from a header takes no memory before the bytes are there."""
    data = bytearray()
    while len(data) < length:
        part = file.read(min(length - len(data), _CHUNK))
        if not part:
            break
        data += part
    return data

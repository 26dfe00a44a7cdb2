"""Between `.tsr` files and those of NumPy, PyTorch and safetensors, each by way of its own library."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import InputError, TRException
from .tensors import choose_framework, is_numpys_own
from .tsr import read_tsr, tsr_info, write_tsr

if TYPE_CHECKING:
    from .tensors import Framework

Tensors = dict[str, Any]
_ALONE = ""  # the name of a tensor that has none


def convert(sources: Sequence[str], target: str, name: str | None = None) -> Iterator[str]:
    """Converts files, of which those on one side are `.tsr` ones; yields the path of each file written.

    Several `.tsr` files go into one `.npz`, `.safetensors` or `.pt`, each under its file's name without the ending. The
    tensors of such a file go, each under its name, into a folder, and a single one into the file that `target` names.

    Args:
        sources: paths: one or several `.tsr` files, or one of the others.
        target: a path; a folder is there, or ends with a separator. A file appears whole, in place of what was there.
        name: of the one tensor that is meant: in a source with several, or in the target.

    Raises:
        TSRError: a `.tsr` file is malformed, or cannot be read or written.
        InputError: a file cannot be read or written, holds what cannot be converted, or its library is not installed.
    """
    if all(_ending(source) == ".tsr" for source in sources) and _ending(target) in _FORMATS:
        yield from _pack(sources, target, name)
    elif len(sources) == 1 and _ending(sources[0]) in _FORMATS and (_is_folder(target) or _ending(target) == ".tsr"):
        yield from _unpack(sources[0], target, name)
    else:
        raise InputError(
            f"cannot convert {', '.join(map(repr, sources))} to {target!r}: expected .tsr files and a target that ends "
            f"in {', '.join(_FORMATS)}, or one source that ends so and a target that ends in .tsr or is a folder"
        )


def _ending(path: str) -> str:
    return "" if _is_folder(path) else os.path.splitext(path)[1].lower()


def _is_folder(path: str) -> bool:
    return path.endswith((os.sep, "/")) or os.path.isdir(path)


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _pack(sources: Sequence[str], target: str, name: str | None) -> Iterator[str]:
    found = _FORMATS[_ending(target)]
    framework = choose_framework(found.framework)
    if name is not None and (len(sources) > 1 or not found.names):
        why = f"for {len(sources)} tensors" if len(sources) > 1 else "for a file that holds one tensor without a name"
        raise InputError(f"the name {name!r} was given {why}: leave it out")
    if len(sources) > 1 and not found.names:
        raise InputError(f"{target}: a {_ending(target)} file holds one tensor, not {len(sources)}: take .npz instead")
    tensors: Tensors = {}
    for source in sources:
        key = name if name is not None else _stem(source)
        if key in tensors:
            raise InputError(f"{source}: another source is called {key!r} as well, so one name would stand for two")
        tensors[key] = _read(source, framework, target)
    if name is None and len(tensors) == 1 and found.names != "always":
        tensors = {_ALONE: tensors.popitem()[1]}
    with (
        _told(target, "written"),
        tempfile.TemporaryDirectory(prefix=".tmp-", dir=os.path.dirname(target) or ".") as at,
    ):
        path = os.path.join(at, os.path.basename(target))
        found.write(path, tensors)
        os.replace(path, target)
    yield target


def _read(source: str, framework: Framework, target: str) -> Any:
    dtype = tsr_info(source).dtype
    if _FORMATS[_ending(target)].framework == "numpy" and not is_numpys_own(dtype):
        raise InputError(f"{source}: NumPy's files have no dtype {dtype}: convert to .safetensors or .pt instead")
    return read_tsr(source, framework)


def _unpack(source: str, target: str, name: str | None) -> Iterator[str]:
    with _told(source, "read"):
        tensors = _FORMATS[_ending(source)].read(source)
    if name is not None:
        if name not in tensors:
            raise InputError(f"{source}: there is no tensor {name!r} in it: {_listed(tensors)}")
        tensors = {name: tensors[name]}
    if not _is_folder(target):
        if len(tensors) != 1:
            raise InputError(
                f"{source}: {_listed(tensors)}: name one with --name, or give a folder as the target, such as "
                f"{os.path.splitext(target)[0] + os.sep!r}"
            )
        yield _write(*tensors.popitem(), source, target)
        return
    paths = {key: _path_in(target, key, source) for key in tensors}  # all of them, before any is written
    os.makedirs(target, exist_ok=True)
    for key, tensor in tensors.items():
        yield _write(key, tensor, source, paths[key])


def _listed(tensors: Tensors) -> str:
    names = ", ".join(map(repr, sorted(tensors))) or "none"
    return f"it holds {len(tensors)} tensors ({names:.1000})"


def _path_in(folder: str, name: str, source: str) -> str:
    """Where a tensor of this name goes; a name that somebody else has chosen leads nowhere else."""
    file = f"{name if name != _ALONE else _stem(source)}.tsr"
    if os.path.basename(file) != file or "\0" in file:
        raise InputError(
            f"{source}: it holds a tensor {name!r}, which is no name of a file: convert that one with --name and a "
            "target that ends in .tsr"
        )
    return os.path.join(folder, file)


def _write(name: str, tensor: Any, source: str, path: str) -> str:
    try:
        write_tsr(tensor, path)
    except TRException as error:
        raise type(error)(f"{source}: {f'tensor {name!r}: ' if name != _ALONE else ''}{error}") from None
    return path


# ------------------------------------------------------------------------------------------------------- the libraries


@contextmanager
def _told(path: str, done: str) -> Iterator[None]:
    """Whatever a library raises about a file becomes an InputError that names the file."""
    try:
        yield
    except TRException:
        raise
    except Exception as error:
        missing = isinstance(error, FileNotFoundError) and done == "read"
        what = "there is no such file" if missing else f"{type(error).__name__}: {error!s:.500}"
        raise InputError(f"{path}: cannot be {done} as a {_ending(path)} file: {what}") from None


def _library(name: str, ending: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        package = name.partition(".")[0]
        raise InputError(
            f"a {ending} file needs the package {package}, which {sys.executable} does not have ({error}): install it "
            f"with '{sys.executable} -m pip install {package}'"
        ) from None


def _read_npy(path: str) -> Tensors:
    numpy = _library("numpy", ".npy")
    array = numpy.load(path, allow_pickle=False)
    if not isinstance(array, numpy.ndarray):
        raise InputError(f"{path}: expected one array, found an archive of several: give it the ending .npz")
    return {_ALONE: array}


def _read_npz(path: str) -> Tensors:
    numpy = _library("numpy", ".npz")
    archive = numpy.load(path, allow_pickle=False)
    if isinstance(archive, numpy.ndarray):
        raise InputError(f"{path}: expected an archive of arrays, found one array: give it the ending .npy")
    with archive:
        return dict(archive)


def _write_npy(path: str, tensors: Tensors) -> None:
    numpy = _library("numpy", ".npy")
    with open(path, "wb") as file:
        numpy.lib.format.write_array(file, *tensors.values(), allow_pickle=False)


def _write_npz(path: str, tensors: Tensors) -> None:
    """As numpy.savez, in which an array cannot have the name of one of its arguments, such as file."""
    numpy = _library("numpy", ".npz")
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in tensors.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                numpy.lib.format.write_array(file, array, allow_pickle=False)


def _read_pt(path: str) -> Tensors:
    torch = _library("torch", ".pt")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:
        if "weights_only" not in str(error):  # which stands in the advice to do without it, and let the file run code
            raise
        raise InputError(
            f"{path}: it holds more than tensors, or is no file of torch.save; what else such a file may hold can run "
            "code, so weights alone are read: save a tensor, or a dict of tensors such as model.state_dict()"
        ) from None
    tensors = dict(found) if isinstance(found, Mapping) else {_ALONE: found}
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            what = f"{type(tensor).__name__}{f' under {name!r:.100}' if isinstance(found, Mapping) else ''}"
            raise InputError(f"{path}: expected a tensor, or a dict of names and tensors, found a {what}")
    return tensors


def _write_pt(path: str, tensors: Tensors) -> None:
    _library("torch", ".pt").save(tensors.get(_ALONE, tensors), path)


def _safetensors() -> Any:
    return _library("safetensors." + choose_framework(None), ".safetensors")


def _read_safetensors(path: str) -> Tensors:
    return dict(_safetensors().load_file(path))


def _write_safetensors(path: str, tensors: Tensors) -> None:
    _safetensors().save_file(tensors, path)


class _Format(NamedTuple):
    framework: Framework | None  # of its tensors; None for either
    names: str  # whether its tensors have names: "" for none, "always", or "several"
    read: Callable[[str], Tensors]
    write: Callable[[str, Tensors], None]


_FORMATS = {
    ".npy": _Format("numpy", "", _read_npy, _write_npy),
    ".npz": _Format("numpy", "always", _read_npz, _write_npz),
    ".safetensors": _Format(None, "always", _read_safetensors, _write_safetensors),
    ".pt": _Format("torch", "several", _read_pt, _write_pt),
}

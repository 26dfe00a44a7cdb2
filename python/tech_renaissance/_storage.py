"""Tensors of a session as files `<tag>.tsr` in its directory."""

from __future__ import annotations

import errno
import mmap
import os
import stat

from ._files import AtomicWriter, Mapping, close_file, open_file, remove
from ._place import is_place_error, place_error
from ._tensors import empty_header, export_tensor, import_tensor
from ._tsr_header import decode_header, encode_header
from .errors import InputError, NotFoundError, TSRError
from .protocol import check_tag, is_tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

SUFFIX = ".tsr"
# Below this, mapping, faulting and unmapping cost more than copying.
_SMALL = 64 << 10


class FileStorage:
    """Hands tensors out of a session directory and puts them there.

    A tensor handed out is private to its holder: writing to it changes no file, and the file may be replaced or
    removed meanwhile.

    Attributes:
        directory: of the session.
    """

    def __init__(self, directory: str, writer: AtomicWriter) -> None:
        self.directory = directory
        self._writer = writer

    def path(self, tag: str) -> str:
        """Where a tensor lies. Raises InputError for what is no tag."""
        return f"{self.directory}/{check_tag(tag)}{SUFFIX}"

    def load(self, tag: str, framework: str) -> Any:
        """The tensor under a tag, of the library "torch" or "numpy".

        Raises:
            NotFoundError: there is none.
            TSRError: the file is malformed, or no regular file.
        """
        return self._load(tag, framework, map_large=True)

    def _load(self, tag: str, framework: str, *, map_large: bool) -> Any:
        path = self.path(tag)
        try:
            memory, size = read_private(path, map_large=map_large)
        except FileNotFoundError:
            raise self.missing(tag) from None
        header = decode_header(memoryview(memory), size, path)
        return import_tensor(header, memory, framework, path)

    def store(self, tag: str, tensor: object) -> None:
        """Puts a tensor under a tag; the memory is free for use afterwards.

        Raises:
            InputError: it is no tensor that can be sent.
            RetryError: there is no room (E3002); see place_error for what else the system may refuse.
        """
        path = self.path(tag)
        exported = export_tensor(tensor)
        header = encode_header(exported.dtype, exported.shape)
        try:
            self._writer.write(path, header, exported.data)
        except OSError as error:
            size = len(header) + len(exported.data)
            raise place_error(error, f"writing tensor {tag!r}", self.directory, size) from None

    def empty(self, shape: Sequence[int], dtype: object, framework: str) -> Any:
        """A tensor, not initialised; where memory is shared, one that is sent without a copy."""
        header, data_bytes = empty_header(shape, dtype)
        memory = bytearray(len(header) + data_bytes)
        memory[: len(header)] = header
        return import_tensor(decode_header(memory, len(memory), "empty()"), memory, framework, "empty()")

    def settle(self) -> None:
        """Called before an answer, or a part of one, is published: what was stored for it must not change any more."""

    def discard(self, tag: str) -> None:
        """Removes a tensor, if it is there."""
        remove(self.path(tag))

    def missing(self, tag: str) -> NotFoundError:
        """The error for a tag that nothing lies under."""
        there = ", ".join(self.tags()) or "none"
        return NotFoundError(f"there is no tensor {tag!r} in this session; tensors there are: {there}")

    def tags(self) -> list[str]:
        """Tags of the tensors there are, sorted; at most 50 of them."""
        names = (name[: -len(SUFFIX)] for name in os.listdir(self.directory) if name.endswith(SUFFIX))
        return sorted(name for name in names if is_tag(name))[:50]


def read_private(path: str, *, map_large: bool) -> tuple[bytearray | mmap.mmap, int]:
    """The content of a regular file in memory of its own, and its size.

    Args:
        path: links are not followed.
        map_large: map a large file instead of reading it: only for files that nobody shortens, such as a session's.

    Raises:
        FileNotFoundError: there is no such file.
        TSRError: it is a link or no regular file, or cannot be opened.
        RetryError: there are not enough descriptors or memory.
    """
    try:
        descriptor = open_file(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise TSRError(f"{path}: expected a regular file, found a symbolic link") from None
        if is_place_error(error):
            raise place_error(error, f"opening {os.path.basename(path)}", os.path.dirname(path)) from None
        raise TSRError(f"{path}: cannot be opened: {error.strerror}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise TSRError(f"{path}: expected a regular file, found {_kind_of_file(status.st_mode)}")
        size = status.st_size
        if size <= _SMALL:
            small = bytearray(size)
            _fill(descriptor, small, path)
            return small, size
        if map_large and (mapping := _map(descriptor, size, path)) is not None:
            return mapping, size
        try:
            memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except OSError as error:
            raise place_error(error, f"reading {os.path.basename(path)}", os.path.dirname(path), size) from None
        except OverflowError as error:
            raise InputError(f"{path}: {size} bytes cannot be mapped: {error}") from None
        _fill(descriptor, memory, path)
        return memory, size
    finally:
        close_file(descriptor)


def _map(descriptor: int, size: int, path: str) -> mmap.mmap | None:
    """The file as private memory; None for want of the descriptor that a mapping keeps."""
    try:
        return Mapping(descriptor, size, access=mmap.ACCESS_COPY).protect(path)
    except OSError as error:
        if error.errno == errno.EMFILE:
            return None
        raise place_error(error, f"mapping {os.path.basename(path)}", os.path.dirname(path), size) from None
    except OverflowError as error:
        raise InputError(f"{path}: {size} bytes cannot be mapped: {error}") from None


def _fill(descriptor: int, memory: bytearray | mmap.mmap, path: str) -> None:
    done = 0
    with memoryview(memory) as view:
        while done < len(view):
            found = os.readv(descriptor, [view[done:]])
            if not found:
                raise TSRError(f"{path}: truncated while it was read: expected {len(view)} bytes, found {done}")
            done += found


def _kind_of_file(mode: int) -> str:
    for test, name in (
        (stat.S_ISDIR, "a directory"),
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    ):
        if test(mode):
            return name
    return "a link or something else"

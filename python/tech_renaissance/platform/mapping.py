"""Files as memory: mapped, or read into memory of the caller's own."""

from __future__ import annotations

import errno
import io
import mmap
import os
import stat
import sys

from ..errors import InputError, TSRError
from .files import close_file, open_file
from .library import guard
from .place import is_place_error, place_error
from .system import CAREFUL, IS_WINDOWS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

# Below this, mapping, faulting and unmapping cost more than copying.
_SMALL = 64 << 10

_ANONYMOUS = {} if IS_WINDOWS else {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS}


# One for each mapping, as each keeps a descriptor. To append and to pop can be done on any thread.
_keeping: list[None] = []


class Mapping(mmap.mmap):
    """A mapped file. With the host's library loaded, one that is cut short meanwhile reads as zeros from there on.

    Without it, to touch what is gone is a fatal signal (SIGBUS), which ends the worker.
    """

    # Goes before the mapping itself does, as what a subclass adds is let go of first.
    guard: object = None
    when_gone: Callable[[], None] | None = None  # called just before it goes

    def __new__(cls, descriptor: int, size: int, **options: Any) -> Mapping:
        """Raises OSError (EMFILE) rather than take the second half of the descriptors, which are the server's."""
        if sys.version_info >= (3, 13):
            options["trackfd"] = False
        elif len(_keeping) >= os.sysconf("SC_OPEN_MAX") // 2:
            raise OSError(errno.EMFILE, "as many files are mapped as half of the limit on descriptors")
        self = super().__new__(cls, descriptor, size, **options)
        _keeping.append(None)
        return self

    def __del__(self) -> None:
        if self.when_gone is not None:
            self.when_gone()
        _keeping.pop()

    def protect(self, path: str) -> Mapping:
        """Itself, guarded where that can be done."""
        self.guard = guard(self, path)
        return self


def read_private(path: str, *, map_large: bool) -> tuple[bytearray | mmap.mmap, int]:
    """The content of a regular file in memory of its own, and its size.

    Args:
        path: as for `open_regular`.
        map_large: map a large file instead of reading it: only for files that nobody shortens, such as a session's.

    Raises:
        FileNotFoundError: there is no such file.
        TSRError: as `open_regular`.
        RetryError: there are not enough descriptors or memory.
    """
    descriptor, size = open_regular(path)
    try:
        if size <= _SMALL:
            small = bytearray(size)
            _fill(descriptor, small, path)
            return small, size
        # A mapped file of Windows keeps its name, which the peer could give to no other file.
        if map_large and not IS_WINDOWS and (mapping := _map(descriptor, size, path)) is not None:
            return mapping, size
        try:
            memory = mmap.mmap(-1, size, **_ANONYMOUS)
        except OSError as error:
            raise place_error(error, f"reading {os.path.basename(path)}", os.path.dirname(path), size) from None
        except OverflowError as error:
            raise InputError(f"{path}: {size} bytes cannot be mapped: {error}") from None
        _fill(descriptor, memory, path)
        return memory, size
    finally:
        close_file(descriptor)


def open_regular(path: str) -> tuple[int, int]:
    """A descriptor of a regular file, to read from, and the file's size. For `close_file`.

    Args:
        path: links are not followed.

    Raises:
        FileNotFoundError: there is no such file.
        TSRError: it is a link or no regular file, or cannot be opened.
        RetryError: there are not enough descriptors.
    """
    try:
        descriptor = open_file(path, os.O_RDONLY | CAREFUL)
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
    except BaseException:
        close_file(descriptor)
        raise
    return descriptor, status.st_size


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
            found = _read_into(descriptor, view[done:])
            if not found:
                raise TSRError(f"{path}: truncated while it was read: expected {len(view)} bytes, found {done}")
            done += found


def _read_into(descriptor: int, memory: memoryview) -> int:
    if hasattr(os, "readv"):
        return os.readv(descriptor, [memory])
    return io.FileIO(descriptor, closefd=False).readinto(memory) or 0


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

"""The host's shared library as a module of this interpreter, whatever its version (cpp/src/python/library_module.cpp).

By it a worker does in a fraction of the time what the package can do in Python as well.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap
    from typing import Any

_VERSION = 7  # of what the module offers

#: The module, once it has been loaded.
module: Any = None


class LibraryError(Exception):
    """It cannot be loaded here; the message says why."""


def load() -> Any:
    """The module: that of `$TR_LIBRARY`, which hosts set, or else of the library that came with this package.

    Raises:
        LibraryError: this interpreter has to do without.
    """
    global module
    if module is not None:
        return module
    path = os.environ.get("TR_LIBRARY")
    if path is None:
        path = os.path.join(os.path.dirname(os.path.dirname(__file__)), "lib", "libtech_renaissance.so")
        if not os.path.exists(path):
            raise LibraryError("$TR_LIBRARY is not set, as by an older host")
    if not path:
        raise LibraryError("$TR_LIBRARY is empty, as the host's library is no file of its own, or somebody wants it so")
    if sys.implementation.name != "cpython" or "t" in getattr(sys, "abiflags", ""):
        raise LibraryError("the library is for CPython with its global lock")
    try:
        import _imp

        # As importlib does it, which has to look for modules before.
        loaded = _imp.create_dynamic(type(__spec__)("tech_renaissance._library", None, origin=path))
    except (ImportError, OSError, SystemError) as error:
        raise LibraryError(f"{path} cannot be loaded: {error}") from None
    if getattr(loaded, "version", None) != _VERSION:
        raise LibraryError(f"{path} is of another version than the package in {os.path.dirname(__file__)}")
    module = loaded
    return module


def exchange(one: str, other: str) -> bool:
    """Each of two files gets the other's name, in one step; False where that cannot be done, and nothing was done."""
    return module is not None and module.exchange(os.fsencode(one), os.fsencode(other))


def guard(memory: mmap.mmap, path: str) -> object:
    """What keeps mapped memory guarded for as long as it lives; None without the library."""
    return None if module is None else module.guard(memory, os.fsencode(path))

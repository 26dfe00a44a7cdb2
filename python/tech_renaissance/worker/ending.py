"""The end of a worker's process: open files lose nothing, and PyTorch is not taken apart, which takes half a second."""

from __future__ import annotations

import _io
import gc
import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What brings tools into a process that write what they have found as its C library ends it.
_TOOLS = ("LD_PRELOAD", "CUDA_INJECTION64_PATH")
_STANDARD = 3  # descriptors, which Python flushes itself

_process = 0
_quick = False
_error: object = None


def prepare(*, asked: bool) -> None:
    """After `run()`: what the script does then, threads and `atexit` are as ever.

    When all that has been done and the standard streams have been flushed, Python looks for garbage a last time, before
    it takes the rest apart. Open files are written there, as what is kept from the collector is not taken apart. With
    PyTorch the process ends there. Its exit code is then 0, or 1 after an uncaught exception: that of a `sys.exit`
    behind `run()` is not known. The end is left to Python in a worker that no host has started, and with tools that
    hang on it.

    Args:
        asked: the host has told this worker to leave, so that nobody wants to know why it has.
    """
    global _process, _quick, _error
    _process = os.getpid()
    _quick = asked and "torch" in sys.modules and "TR_SESSION_DIR" in os.environ and not any(
        map(os.environ.get, _TOOLS)
    )  # fmt: skip
    _error = getattr(sys, "last_value", None)
    if _last_look not in gc.callbacks:
        gc.callbacks.append(_last_look)
    gc.enable()  # or there is none


def _last_look(phase: str, info: dict[str, Any]) -> None:
    # A small collection may come while Python flushes the standard streams.
    if phase != "start" or not sys.is_finalizing() or info["generation"] != 2 or os.getpid() != _process:
        return
    try:
        if _may_have_unwritten():
            _write_all()
        ctypes = sys.modules.get("ctypes")  # as PyTorch has it
        if _quick and ctypes is not None:
            ctypes.CDLL(None).fflush(None)  # what C code has printed
    finally:
        if _quick:
            os._exit(0 if getattr(sys, "last_value", None) is _error else 1)


def _may_have_unwritten() -> bool:
    """A file, pipe or socket is open for writing; to look through all objects for it takes as long as all the rest.

    Those of the session do not count: its directory goes with it.
    """
    try:
        names = os.listdir("/proc/self/fd")
    except OSError:
        return True
    return any(int(name) >= _STANDARD and _is_for_writing(f"/proc/self/fd/{name}") for name in names)


def _is_for_writing(link: str) -> bool:
    try:
        if not os.lstat(link).st_mode & stat.S_IWUSR:  # how it was opened
            return False
        name = os.readlink(link)
        session = os.environ.get("TR_SESSION_DIR", "")
        return name.startswith(("/", "pipe:", "socket:")) and not (session and name.startswith(f"{session}/"))
    except OSError:
        return False  # that by which they were listed


def _write_all() -> None:
    """As the end of each file object would do it."""
    gc.unfreeze()
    # By the type, as asking some objects for their class runs code of theirs.
    files = [found for found in gc.get_objects() if issubclass(type(found), _io._IOBase)]
    for end in ("flush", "close"):  # a compressed file has an end of its own
        for file in files:
            if end == "close" and type(file).__module__ == "_io":
                continue
            try:
                getattr(file, end)()
            except Exception:  # it is closed, or there is no room, and nobody is left to hear of it
                continue

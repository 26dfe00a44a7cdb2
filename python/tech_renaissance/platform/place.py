"""What the operating system refuses a worker for want of room, descriptors, memory or rights, and what to do then."""

from __future__ import annotations

import errno
import os

from ..errors import PERMISSION_DENIED, REQUEST_TOO_LARGE, InputError, RetryError

_ANOTHER = "name another workspace (SessionOptions::workspace or $TR_WORKSPACE)"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)


def is_place_error(error: OSError) -> bool:
    """There is something to say about it beside what the system says."""
    return bool(_advice(error, "/", 0))


def is_full(error: OSError) -> bool:
    """The disk, or the user's share of it, is full."""
    return error.errno in _FULL


def place_error(error: OSError, attempt: str, directory: str, size: int = 0) -> Exception:
    """The exception to raise for it; the error itself when there is nothing to add.

    Args:
        error: what the system said.
        attempt: what was tried, as in "writing tensor 'a'".
        directory: where.
        size: bytes that were to be written or mapped; 0: not known.
    """
    advice = _advice(error, directory, size)
    if not advice:
        return error
    name = errno.errorcode.get(error.errno or 0, "")
    text = f"{attempt} in {directory}: {error.strerror} ({name}){advice}"
    if error.errno == errno.EFBIG:
        return InputError(text, REQUEST_TOO_LARGE)
    if error.errno in _FORBIDDEN:
        return InputError(text, PERMISSION_DENIED)
    return InputError(text) if error.errno == errno.ENAMETOOLONG else RetryError(text)


def _advice(error: OSError, directory: str, size: int) -> str:
    number = error.errno
    if number in _FULL:
        return _room(directory, size)
    if number == errno.EMFILE:
        limit = _limit("RLIMIT_NOFILE")
        return f": the worker has reached its limit{limit} open descriptors; close some, or raise it (ulimit -n)"
    if number == errno.ENFILE:
        return ": the limit of open files of the whole machine is reached; close some, or raise fs.file-max"
    if number == errno.EFBIG:
        needed = f"{size} bytes are needed, " if size else ""
        limit = _limit("RLIMIT_FSIZE")
        return f": {needed}over the limit{limit} bytes a file; raise it (ulimit -f), or send smaller tensors"
    if number == errno.ENOMEM:
        needed = f": {size} bytes of memory are needed" if size else ""
        return f"{needed}; drop tensors, or raise the limit of memory (ulimit -v) or of mappings (vm.max_map_count)"
    if number == errno.ENAMETOOLONG:
        return f"; choose a shorter path: {_ANOTHER}"
    if number in _FORBIDDEN:
        return f"; make it writable for this user, or {_ANOTHER}"
    return ""


def _room(directory: str, size: int) -> str:
    remedy = f"; make room, or {_ANOTHER}"
    try:
        status = os.statvfs(directory)
    except (AttributeError, OSError):  # the former on Windows
        return remedy
    if status.f_files and not status.f_favail:
        return f": its file system has no room for another file (inode){remedy}"
    free = status.f_bavail * status.f_frsize
    needed = f"{size} bytes are needed and " if size else ""
    quota = ", but this user's quota is used up" if size and free >= size else ""
    return f": {needed}{free} are free{quota}{remedy}"


def _limit(name: str) -> str:
    try:
        import resource
    except ImportError:
        return ""
    value = resource.getrlimit(getattr(resource, name))[0]
    return "" if value == resource.RLIM_INFINITY else f" of {value}"

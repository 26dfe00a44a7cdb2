"""What callers give, checked, as the compiled module takes it: a wrong argument is named, with what was expected."""

from __future__ import annotations

import operator
import os
from typing import Any

from ..errors import InputError

_DEFAULT_TIMEOUT = -1
_MOST = 2**63 - 1


def whole_number(value: Any, name: str, expected: str, most: int = _MOST) -> int:
    """A number of 0 or more; `expected` is for the error."""
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if isinstance(value, bool) or not 0 <= number <= most:
        raise InputError(f"{name} is {value!r:.200}: expected {expected}")
    return number


def truth(value: Any, name: str) -> bool:
    """True or False, of whatever library."""
    try:
        if hasattr(type(value), "__bool__"):
            return bool(value)
    except ValueError:  # of an array
        pass
    raise InputError(f"{name} is {value!r:.200}: expected True or False")


def path(value: Any, name: str) -> bytes:
    """A path as the system has it."""
    if not isinstance(value, (str, bytes, os.PathLike)):
        raise InputError(f"{name} is {value!r:.200}: expected a path: a string or an os.PathLike")
    return os.fsencode(value)


def limit(timeout_ms: Any) -> int:
    """A limit in milliseconds."""
    if timeout_ms is None:
        return _DEFAULT_TIMEOUT
    return whole_number(
        timeout_ms,
        "timeout_ms",
        "a whole number of milliseconds, 0 to wait for ever, or None for the session's default",
    )


def text(value: Any, name: str) -> str | bytes:
    """A text; with bytes that are not UTF-8 where it holds what os.fsdecode makes of such."""
    if not isinstance(value, str):
        raise InputError(f"{name} is {value!r:.200}: expected a string")
    if value.isascii():
        return value
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise InputError(
            f"{name} has half a character, {value[error.start]!a}, at index {error.start}: expected text that UTF-8 "
            "can say, or a name that os.fsdecode made of bytes"
        ) from None

"""What callers give, checked, as the compiled module takes it: a wrong argument is named, with what was expected."""

from __future__ import annotations

import operator
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ..data.tensors import export_tensor
from ..errors import InputError

if TYPE_CHECKING:
    from ..data.tensors import Exported

    #: For how long a call may take: milliseconds, or a timedelta.
    Limit = int | timedelta | None

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
        if value is not None and hasattr(type(value), "__bool__"):
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
    return milliseconds(
        timeout_ms,
        "timeout_ms",
        "a whole number of milliseconds or a timedelta, 0 to wait for ever, or None for the session's default",
    )


def milliseconds(value: Any, name: str, expected: str) -> int:
    """A number of them, or a timedelta, rounded up."""
    if isinstance(value, timedelta) and value >= timedelta(0):
        value = -(-value // timedelta(milliseconds=1))
    return whole_number(value, name, expected)


def inputs(
    tensors: tuple[Any, ...], named: dict[str, Any]
) -> tuple[tuple[Any, ...], list[Exported], list[str | bytes]]:
    """What a calculate gets: its tensors, the same as the compiled module takes them, and their names.

    Args:
        tensors: also dicts of tensors by their names.
        named: tensors by their names.

    Returns:
        As a name "" for a tensor without one, and no names at all where no tensor has one.
    """
    for item in tensors:
        if type(item) is dict:
            break
    else:
        if not named:
            return tensors, [export_tensor(tensor) for tensor in tensors], []
    pairs: list[tuple[str, Any]] = []
    for item in (*tensors, named):
        pairs += item.items() if isinstance(item, dict) else [("", item)]
    for name in named:
        if name.startswith("timeout"):
            raise InputError(f"{name} is no option: expected timeout_ms; a tensor of that name goes into a dict")
    names = [text(name, "the name of a tensor") for name, _ in pairs]
    return tuple(tensor for _, tensor in pairs), [export_tensor(tensor) for _, tensor in pairs], names


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

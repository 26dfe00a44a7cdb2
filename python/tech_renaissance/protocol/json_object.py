"""JSON objects of the session protocol: bytes in, values out, bounded in size and depth."""

from __future__ import annotations

import sys

from ..errors import REQUEST_TOO_LARGE, InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

MAX_MESSAGE_BYTES = 64 << 20
MAX_DEPTH = 64
#: What JSON takes for blanks.
BLANKS = " \t\r\n"


def _no_json(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:40]} is out of range")
    return number


class _Reading:
    """How a scanner of the standard library's reads."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float = staticmethod(_finite)
    parse_int = int
    parse_constant = staticmethod(_no_json)


class _Sound(_Reading):
    """The same for what has no number that is out of range."""

    parse_float = float  # type: ignore[assignment] # which the core knows


def _decode(text: str) -> Any:
    """By the standard library as it is documented; for what the scanner alone does not take, and for its errors."""
    import json

    return json.JSONDecoder(parse_constant=_no_json, parse_float=_finite).decode(text)


def _no_form(value: object) -> object:
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


# The core of the module `json`, without what is around it: to import that takes longer than to start an interpreter.
try:
    import _json

    if hasattr(sys, "gettotalrefcount"):
        raise ImportError("a debug build of Python would end where the core finds no class for its error")
    _core: Any = _json
    quote: Callable[[str], str] = _core.encode_basestring
    _scan: Callable[[str, int], tuple[Any, int]] = _core.make_scanner(_Reading)
    _scan_sound: Callable[[str, int], tuple[Any, int]] = _core.make_scanner(_Sound)
    _parts: Callable[[object, int], Sequence[str]] = _core.make_encoder(
        None, _no_form, quote, None, ":", ",", False, False, True
    )
    if ("".join(_parts({"a": ["b", 1]}, 0)), _scan('{"a":[]}', 0)) != ('{"a":["b",1]}', ({"a": []}, 8)):
        raise ImportError("the core of json is another one")
except (ImportError, AttributeError, TypeError):
    import json

    quote = json.encoder.encode_basestring
    _scan = _scan_sound = json.JSONDecoder(parse_constant=_no_json, parse_float=_finite).raw_decode
    _encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

    def _parts(value: object, _: int) -> Sequence[str]:
        return _encoder.encode(value)


def encode(value: object) -> str:
    """The JSON of a value, which encode_text makes bytes of."""
    return "".join(_parts(value, 0))


def parse_object(data: bytes | bytearray | memoryview, what: str) -> dict[str, object]:
    """Reads a JSON object, bounded in size and depth.

    Raises:
        InputError: it is none (E1001) or too large (E1005).
    """
    if len(data) > MAX_MESSAGE_BYTES:
        raise InputError(
            f"{what} of {len(data)} bytes is over the limit of {MAX_MESSAGE_BYTES}: send data of this size as a tensor",
            REQUEST_TOO_LARGE,
        )
    data = bytes(data)
    # The number of brackets bounds the depth, so only a message with many of them is looked at in detail.
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and _depth(data) > MAX_DEPTH:
        raise InputError(f"{what}: nested more than {MAX_DEPTH} deep")
    try:
        text = data.decode("utf-8")
        message = _read(text)
        if b"\\u" in data:
            # Half a character, such as "\\ud800", is none, but for what stands for a byte that is not UTF-8.
            encode(message).encode("utf-8", "surrogateescape")
    except StopIteration as error:
        raise InputError(f"{what} is not JSON: expected a value at character {error.value}") from None
    except UnicodeError as error:
        raise InputError(f"{what} is not UTF-8: {error}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{what} is not JSON: {error}") from None
    if not isinstance(message, dict):
        raise InputError(f"{what}: expected a JSON object, found {kind_of(message)}")
    return message


def sound_object(data: bytes, what: str) -> dict[str, object]:
    """The same of what the library has found to be a JSON object without the rare things that parsers differ in."""
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        return parse_object(data, what)
    if "\\" in text or text[0] != "{":
        return parse_object(data, what)
    message: dict[str, object] = _scan_sound(text, 0)[0]
    return message


def _read(text: str) -> Any:
    if text.startswith("{"):
        try:
            message, end = _scan(text, 0)
            if end == len(text):  # no blanks after it, nor anything else
                return message
        except SystemError:
            pass  # the core finds no class for its error, as long as nobody has imported `json`
    return _decode(text.strip(BLANKS))


def encode_object(message: dict[str, object]) -> bytes:
    """The bytes of a JSON object; see encode_text."""
    return encode_text(encode(message))


def encode_text(text: str) -> bytes:
    """The bytes of a JSON text.

    A byte that is not UTF-8, as in the names of files, is a lone surrogate in Python's texts (PEP 383) and an escape in
    JSON, which the host reads as that byte again.

    Raises:
        InputError: it holds another lone surrogate, which stands for nothing.
    """
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        pass
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise InputError(
            f"a text with half a character, {text[error.start]!a}, cannot be sent: expected text that UTF-8 can say, "
            "or names that os.fsdecode made of bytes; see errors= of str.encode"
        ) from None
    return text.encode("utf-8", "backslashreplace")  # which is how JSON escapes them


_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def _depth(data: bytes) -> int:
    """How deep the brackets outside strings are nested; all of it in steps that take time linear in the length."""
    unescaped = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside = b"".join(unescaped.split(b'"')[::2])
    depth = deepest = 0
    for bracket in outside.translate(None, bytes(set(range(256)) - set(_STEPS))):
        depth += _STEPS[bracket]
        if depth > deepest:
            deepest = depth
            if deepest > MAX_DEPTH:
                break
    return deepest


def kind_of(value: object) -> str:
    """What a value is, for an error."""
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")

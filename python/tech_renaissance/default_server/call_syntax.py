"""The argument syntax of the default server: tags, literals and keywords, read without ever evaluating anything.

    a,b stride=2 padding=(1,1)      tensors by tag, then keywords
    a 0 1                           literals are positional as well
    [a,b] dim=0                     a list of tensors
    "ij,jk->ik" a b                 text stands in quotes
    a dtype=torch.float64           a dtype by its name

Items are separated by spaces or commas. A word is a number, True, False, None, inf or nan when it can be read as one,
and a tag otherwise.
"""

from __future__ import annotations

import functools
import re

from ..errors import REQUEST_TOO_LARGE, InputError
from ..protocol.messages import is_tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MAX_LENGTH = 16 << 10
MAX_DEPTH = 8
_OFTEN = 256  # texts of up to so many letters, and so many of them, are remembered
_CONSTANTS = {"True": True, "False": False, "None": None, "inf": float("inf"), "nan": float("nan")}
_CONSTANTS.update({"-inf": float("-inf"), "+inf": float("inf")})
_is_integer = re.compile(r"[+-]?[0-9]{1,19}").fullmatch
_is_float = re.compile(r"[+-]?(?:[0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?").fullmatch
_word = re.compile(r"[^\s,()\[\]\"'=]+")
_ESCAPES = {"\\": "\\", "n": "\n", "t": "\t", '"': '"', "'": "'"}


class Name:
    """A word that stands for a tensor, or where one is expected, a dtype."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def parse_arguments(text: str) -> tuple[list[Any], dict[str, Any]]:
    """Positional and keyword arguments; words that are no literals are Name objects. Not to be changed.

    Raises:
        InputError: what stands there does not follow the syntax, or is too long (E1005).
    """
    if len(text) > MAX_LENGTH:
        raise InputError(
            f"parameters of {len(text)} characters are over the limit of {MAX_LENGTH} of the default server",
            REQUEST_TOO_LARGE,
        )
    return _parse_again(text) if len(text) <= _OFTEN else _Parser(text).arguments()


@functools.lru_cache(maxsize=_OFTEN)
def _parse_again(text: str) -> tuple[list[Any], dict[str, Any]]:
    return _Parser(text).arguments()


def substitute(value: Any, replace: Callable[[Name], Any]) -> Any:
    """The value with every Name in it replaced."""
    if isinstance(value, Name):
        return replace(value)
    if isinstance(value, (list, tuple)):
        return type(value)(substitute(item, replace) for item in value)
    return value


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def arguments(self) -> tuple[list[Any], dict[str, Any]]:
        positional: list[Any] = []
        keywords: dict[str, Any] = {}
        while self._skip():
            value = self._value(0)
            if self._equals_follows():
                key = value.text if isinstance(value, Name) else ""
                if not key.isidentifier() or key.startswith("_"):
                    raise self._error("'=' comes after the name of a keyword")
                if key in keywords:
                    raise self._error(f"keyword {key!r} stands there twice")
                self._at += 1
                if not self._skip():
                    raise self._error(f"a value is missing after '{key}='")
                keywords[key] = self._value(0)
            elif keywords:
                raise self._error("positional arguments come before keywords")
            else:
                positional.append(value)
        return positional, keywords

    def _value(self, depth: int) -> Any:
        letter = self._peek()
        if letter in ("(", "["):
            return self._sequence(letter, depth + 1)
        if letter in ('"', "'"):
            return self._quoted(letter)
        found = _word.match(self._text, self._at)
        if found is None:
            raise self._error(f"{letter!r} is not expected here")
        self._at = found.end()
        if self._peek() == "(":
            raise self._error(f"{found.group()[:40]!r} cannot be called: parameters are tags and literals")
        return self._word(found.group())

    def _sequence(self, bracket: str, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise self._error(f"brackets are nested more than {MAX_DEPTH} deep")
        self._at += 1
        closing = ")" if bracket == "(" else "]"
        items: list[Any] = []
        while True:
            if not self._skip():
                raise self._error(f"{closing!r} is missing")
            if self._peek() == closing:
                self._at += 1
                return tuple(items) if bracket == "(" else items
            items.append(self._value(depth))

    def _quoted(self, quote: str) -> str:
        letters: list[str] = []
        self._at += 1
        while self._at < len(self._text):
            letter = self._text[self._at]
            self._at += 1
            if letter == quote:
                return "".join(letters)
            if letter == "\\":
                letter = _ESCAPES.get(self._peek(), "")
                if not letter:
                    raise self._error("unknown escape: known are " + " ".join("\\" + key for key in _ESCAPES))
                self._at += 1
            letters.append(letter)
        raise self._error(f"the closing {quote} is missing")

    def _word(self, word: str) -> Any:
        if word in _CONSTANTS:
            return _CONSTANTS[word]
        if _is_integer(word):
            return int(word)
        if _is_float(word):
            return float(word)
        if word[-1] == "j" and _is_float(word[:-1]):
            return complex(0, float(word[:-1]))
        if is_tag(word):
            return Name(word)
        raise self._error(f"{word[:40]!r} is neither a number nor a tag; text stands in quotes")

    def _skip(self) -> bool:
        """Passes separators; whether anything is left."""
        text, at = self._text, self._at
        while at < len(text) and (text[at] == "," or text[at].isspace()):
            at += 1
        self._at = at
        return at < len(text)

    def _equals_follows(self) -> bool:
        """Whether '=' comes next, after blanks at most; it is where reading goes on then."""
        at = self._at
        while at < len(self._text) and self._text[at].isspace():
            at += 1
        if self._text[at : at + 1] != "=":
            return False
        self._at = at
        return True

    def _peek(self) -> str:
        return self._text[self._at] if self._at < len(self._text) else ""

    def _error(self, problem: str) -> InputError:
        start = max(0, self._at - 30)
        shown = self._text[start : self._at + 30]
        return InputError(f"parameters: {problem}, at character {self._at} near {shown!r}")

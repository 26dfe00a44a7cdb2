"""The settings of a service: which there are, and of which types."""

from __future__ import annotations

import difflib
import json
import math
from typing import Any, NamedTuple

from ..errors import InputError, NotFoundError


class Setting(NamedTuple):
    """One of them.

    Attributes:
        kind: "int", "float", "bool", "str", "texts", "table" of texts, "tables", a list of these, or "resources".
        default: where nobody says anything; None for what is found out later.
        least: of numbers.
        choices: of texts; empty for any.
    """

    kind: str
    default: Any
    told: str
    least: float = 0
    choices: tuple[str, ...] = ()

    @property
    def is_table(self) -> bool:
        """Has entries, each of which may come from somewhere else."""
        return self.kind in ("table", "resources")


#: By name. What the documentation says of them stands in `told`.
SETTINGS: dict[str, Setting] = {
    "workers": Setting("int", 1, "how many processes", 1),
    "threads": Setting("int", 0, "calls that a worker runs at a time; 0: one, or any number of an async service"),
    "framework": Setting("str", "", "of tensors; empty: torch where it is installed", choices=("", "torch", "numpy")),
    "python": Setting("str", "", "the workers' interpreter; empty: that of a session"),
    "python_arguments": Setting("texts", [], "arguments to it, before the script"),
    "launcher": Setting("texts", [], "a program and its arguments that run the interpreter"),
    "working_directory": Setting("str", "", "of the workers; empty: that of this command"),
    "environment": Setting("table", {}, "added to that of each worker"),
    "worker_environment": Setting("tables", [], "added to that of worker i: entry i, from the first again"),
    "threads_per_worker": Setting("int", 0, "OMP_NUM_THREADS and its like; 0: cores / workers, unless it is set"),
    "resources": Setting("resources", {}, "cpu: cores of each worker, gpu: GPUs, or a part of one"),
    "start_timeout_s": Setting("float", 60.0, "until a worker has to be ready"),
    "graceful_shutdown_timeout_s": Setting("float", 10.0, "for calls at work to end before a worker is ended"),
    "restart_attempts": Setting("int", 5, "starts in a row after deaths, before all is given up"),
    "restart_backoff_s": Setting("float", 0.1, "before the second of these, and twice as much each time"),
    "restart_max_backoff_s": Setting("float", 5.0, "where that ends"),
    "keep_on_failure": Setting("bool", False, "keep failures, for `python -m tech_renaissance replay`"),
}

_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "texts": "a list of texts",
    "table": "a table of texts",
    "tables": "a list of tables of texts",
    "resources": "a table with cpu, a whole number, and gpu, a whole number or a part of one below 1",
}


def nearest(name: str, known: Any) -> str:
    """A question after the one that may have been meant, and which there are."""
    names = list(known)
    close = difflib.get_close_matches(name, names, 1)
    meant = f"did you mean {close[0]!r}? " if close else ""
    return f"{meant}There {'are' if len(names) != 1 else 'is'} {', '.join(names)}"


def setting_of(name: str, where: str) -> Setting:
    """The setting of this name. Raises NotFoundError."""
    found = SETTINGS.get(name)
    if found is None:
        raise NotFoundError(f"{where}: there is no setting {name!r}: {nearest(name, SETTINGS)}")
    return found


def checked(name: str, value: Any, where: str) -> Any:
    """The value as it is used.

    Raises:
        InputError: it is of another type, or out of range.
        NotFoundError: there is no such setting.
    """
    setting = setting_of(name, where)
    if setting.kind == "float" and type(value) is int:
        value = float(value)
    good = _GOOD[setting.kind](value)
    if good and setting.kind in ("int", "float") and not (setting.least <= value <= 2**31 - 1):
        good = False
    if good and setting.choices and value not in setting.choices:
        raise InputError(f"{where}: {name} is {value!r:.200}: expected {' or '.join(map(repr, setting.choices))}")
    if not good:
        least = f" of {setting.least:g} or more" if setting.kind in ("int", "float") else ""
        raise InputError(f"{where}: {name} is {value!r:.200}: expected {_EXPECTED[setting.kind]}{least}")
    return value


def parsed(name: str, text: str, where: str) -> Any:
    """The value that a text stands for, as in `--set` and in the environment. Raises as `checked`."""
    kind = setting_of(name, where).kind
    if kind == "str":
        return checked(name, text, where)
    value: Any = text
    try:
        value = json.loads(text)
    except ValueError:
        if kind == "texts" and text and text[0] not in "[{":
            value = [text]  # one alone needs no brackets
    return checked(name, value, where)


def number_in(text: str) -> Any:
    """The number that a text stands for; the text where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _are_resources(value: Any) -> bool:
    if not isinstance(value, dict) or not set(value) <= {"cpu", "gpu"}:
        return False
    if any(type(it) not in (int, float) or not 0 <= it <= 2**31 - 1 for it in value.values()):
        return False
    return type(value.get("cpu", 0)) is int and (value.get("gpu", 0) < 1 or float(value["gpu"]).is_integer())


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(x, str) and "\0" not in x for pair in value.items() for x in pair)


_GOOD: dict[str, Any] = {
    "int": lambda value: type(value) is int,
    "float": lambda value: type(value) is float and math.isfinite(value),
    "bool": lambda value: type(value) is bool,
    "str": lambda value: isinstance(value, str) and "\0" not in value,
    "texts": lambda value: isinstance(value, list) and all(isinstance(text, str) for text in value),
    "table": _is_table,
    "tables": lambda value: isinstance(value, list) and all(_is_table(table) for table in value),
    "resources": _are_resources,
}

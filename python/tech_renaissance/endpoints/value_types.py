"""Types of what travels as JSON: numbers, texts, lists and objects.

Each has `describe` (as the hello tells it), `read` (from JSON to what user code is given) and `write` (back), which
both raise InputError for a value of another type, and say which: `where` is "blur: radius".
"""

from __future__ import annotations

import sys

from ..errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Protocol

    class ValueType(Protocol):
        """What all of them are."""

        kind: str

        def describe(self) -> dict[str, object]:
            """As the hello tells it."""

        def read(self, value: Any, where: str) -> Any:
            """From JSON to what user code is given."""

        def write(self, value: Any, where: str) -> object:
            """And back."""


def wrong(value: object, where: str, expected: str) -> InputError:
    """The error for a value of another type."""
    return InputError(f"{where} is {value!r:.200}: expected {expected}")


_PYTHON: dict[str, tuple[type, ...]] = {
    "int": (int,), "float": (float, int), "bool": (bool,), "str": (str,), "none": (type(None),)
}  # fmt: skip
_NAMES = {"int": "an int", "float": "a float", "bool": "a bool", "str": "a str", "none": "None"}


class Scalar:
    """An int, a float, which may be a whole number, a bool, a str, or None."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._types = _PYTHON[kind]

    def describe(self) -> dict[str, object]:
        """See above."""
        return {"kind": self.kind}

    def read(self, value: Any, where: str) -> Any:
        """See above."""
        if type(value) not in self._types:  # a bool is no int here
            raise wrong(value, where, _NAMES[self.kind])
        return _finite(float(value), where) if self.kind == "float" else value

    def write(self, value: Any, where: str) -> object:
        """See above. Numbers of NumPy, and tensors with one element, are numbers as well."""
        if type(value) not in self._types:
            item = getattr(value, "item", None)
            if item is not None and not getattr(value, "shape", ()):
                value = item()
            elif isinstance(value, self._types) and not isinstance(value, bool):
                value = self._types[0](value)  # of a class derived from it
        return _small(self.read(value, where), where)

    def __repr__(self) -> str:
        return "None" if self.kind == "none" else self.kind


def _finite(value: float, where: str) -> float:
    if value - value != 0:
        raise wrong(value, where, "a finite number, as JSON has no other; a tensor can hold it")
    return value


def _small(value: Any, where: str) -> Any:
    if type(value) is int and not -(2**63) <= value < 2**63:
        raise wrong(value, where, "a whole number of 64 bits")
    return value


class AnyType:
    """Whatever JSON can say."""

    kind = "any"

    def describe(self) -> dict[str, object]:
        """See above."""
        return {"kind": self.kind}

    def read(self, value: Any, where: str) -> Any:
        """See above."""
        return value

    def write(self, value: Any, where: str) -> object:
        """See above. Also dataclasses, enumerations, models of pydantic, and tensors, as lists."""
        return plain(value, where)

    def __repr__(self) -> str:
        return "any"


def plain(value: Any, where: str, depth: int = 0) -> object:
    """A value as JSON has it. Raises InputError when it has no form there."""
    if value is None or type(value) in (bool, int, str):
        return _small(value, where)
    if type(value) is float:
        return _finite(value, where)
    if depth > _DEEPEST:
        raise InputError(f"{where} is nested more than {_DEEPEST} deep")
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise wrong(key, f"a key of {where}", "a str, as JSON has no other")
        return {key: plain(item, f"{where}[{key!r}]", depth + 1) for key, item in value.items()}
    if hasattr(value, "_asdict"):
        return plain(value._asdict(), where, depth + 1)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item, f"{where}[{place}]", depth + 1) for place, item in enumerate(value)]
    if hasattr(type(value), "model_dump"):
        return plain(value.model_dump(mode="json"), where, depth + 1)
    if hasattr(type(value), "__dataclass_fields__"):
        fields = {name: getattr(value, name) for name in value.__dataclass_fields__}
        return plain(fields, where, depth + 1)
    if _is_enum(type(value)):
        return plain(value.value, where, depth + 1)
    if hasattr(value, "tolist"):
        return plain(value.tolist(), where, depth + 1)
    if isinstance(value, (int, float, str)):  # of a class derived from it
        return plain(next(kind for kind in (int, float, str) if isinstance(value, kind))(value), where, depth + 1)
    raise wrong(value, where, "a tensor, or what JSON can say: numbers, texts, lists, dicts and dataclasses of these")


_DEEPEST = 50


def _is_enum(kind: type) -> bool:
    enum = sys.modules.get("enum")
    return enum is not None and issubclass(kind, enum.Enum)


class ListType:
    """A list of values of one type.

    Args:
        of: that type.
        make: what user code is given: list, tuple, set or frozenset.
    """

    kind = "list"

    def __init__(self, of: ValueType, make: Callable[[list[Any]], Any] = list) -> None:
        self.of = of
        self._make = make

    def describe(self) -> dict[str, object]:
        """See above."""
        return {"kind": self.kind, "of": self.of.describe()}

    def read(self, value: Any, where: str) -> Any:
        """See above."""
        if type(value) is not list:
            raise wrong(value, where, f"a list, {self!r}")
        found = [self.of.read(item, f"{where}[{place}]") for place, item in enumerate(value)]
        return found if self._make is list else self._make(found)

    def write(self, value: Any, where: str) -> object:
        """See above."""
        if hasattr(value, "tolist"):
            value = value.tolist()
        if not isinstance(value, (list, tuple, set, frozenset)):
            raise wrong(value, where, f"a list, {self!r}")
        return [self.of.write(item, f"{where}[{place}]") for place, item in enumerate(value)]

    def __repr__(self) -> str:
        return f"list[{self.of!r}]"


class DictType:
    """An object with any names, and values of one type."""

    kind = "dict"

    def __init__(self, of: ValueType) -> None:
        self.of = of

    def describe(self) -> dict[str, object]:
        """See above."""
        return {"kind": self.kind, "of": self.of.describe()}

    def read(self, value: Any, where: str) -> Any:
        """See above."""
        if type(value) is not dict:
            raise wrong(value, where, f"a dict, {self!r}")
        return {key: self.of.read(item, f"{where}[{key!r}]") for key, item in value.items()}

    def write(self, value: Any, where: str) -> object:
        """See above."""
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise wrong(value, where, f"a dict with texts as keys, {self!r}")
        return {key: self.of.write(item, f"{where}[{key!r}]") for key, item in value.items()}

    def __repr__(self) -> str:
        return f"dict[str, {self.of!r}]"


class TupleType:
    """A list of a given length, each item of which has a type of its own."""

    kind = "tuple"

    def __init__(self, of: Sequence[ValueType]) -> None:
        self.of = list(of)

    def describe(self) -> dict[str, object]:
        """See above."""
        return {"kind": self.kind, "of": [kind.describe() for kind in self.of]}

    def read(self, value: Any, where: str) -> Any:
        """See above."""
        return tuple(self._each(value, where, "read"))

    def write(self, value: Any, where: str) -> object:
        """See above."""
        return self._each(value, where, "write")

    def _each(self, value: Any, where: str, method: str) -> list[Any]:
        if not isinstance(value, (list, tuple)) or len(value) != len(self.of):
            raise wrong(value, where, f"{len(self.of)} values, {self!r}")
        return [
            getattr(kind, method)(item, f"{where}[{place}]")
            for place, (kind, item) in enumerate(zip(self.of, value))
        ]  # fmt: skip

    def __repr__(self) -> str:
        return f"tuple[{', '.join(map(repr, self.of))}]"


class OptionalType:
    """A value of a type, or None."""

    kind = "optional"

    def __init__(self, of: ValueType) -> None:
        self.of = of

    def describe(self) -> dict[str, object]:
        """See above."""
        return {"kind": self.kind, "of": self.of.describe()}

    def read(self, value: Any, where: str) -> Any:
        """See above."""
        return None if value is None else self.of.read(value, where)

    def write(self, value: Any, where: str) -> object:
        """See above."""
        return None if value is None else self.of.write(value, where)

    def __repr__(self) -> str:
        return f"{self.of!r} or None"


class EnumType:
    """One of some values.

    Args:
        values: as JSON has them.
        make: from one of these to what user code is given; an enumeration, or None for the value itself.
    """

    kind = "enum"

    def __init__(self, values: Sequence[object], make: Callable[[Any], Any] | None = None) -> None:
        self.values = list(values)
        self._make = make

    def describe(self) -> dict[str, object]:
        """See above."""
        return {"kind": self.kind, "values": self.values}

    def read(self, value: Any, where: str) -> Any:
        """See above."""
        if not any(type(value) is type(known) and value == known for known in self.values):
            raise wrong(value, where, repr(self))
        return value if self._make is None else self._make(value)

    def write(self, value: Any, where: str) -> object:
        """See above."""
        found = value.value if self._make is not None and isinstance(value, self._make) else value  # type: ignore[arg-type]
        self.read(found, where)
        return found

    def __repr__(self) -> str:
        return " or ".join(map(repr, self.values))


class Field:
    """A member of an object."""

    __slots__ = ("name", "required", "type")

    def __init__(self, name: str, kind: ValueType, *, required: bool) -> None:
        self.name = name
        self.type = kind
        self.required = required


class ObjectType:
    """An object with given members: a dataclass, a TypedDict, a NamedTuple, or a model of pydantic.

    Args:
        name: of the class.
        fields: its members.
        make: from these, as keyword arguments, to what user code is given. What it raises for values that it refuses is
            the error of the argument.
        take: the members of such an object.
    """

    kind = "object"

    def __init__(
        self, name: str, fields: Sequence[Field], make: Callable[..., Any], take: Callable[[Any], dict[str, Any] | None]
    ) -> None:
        self.name = name
        self.fields = list(fields)
        self._make = make
        self._take = take

    def describe(self) -> dict[str, object]:
        """See above."""
        fields = [{"name": it.name, "type": it.type.describe(), "required": it.required} for it in self.fields]
        return {"kind": self.kind, "name": self.name, "fields": fields}

    def read(self, value: Any, where: str) -> Any:
        """See above."""
        if type(value) is not dict:
            raise wrong(value, where, f"the members of a {self.name}: {', '.join(it.name for it in self.fields)}")
        left = dict(value)
        found = {
            it.name: it.type.read(left.pop(it.name), f"{where}.{it.name}") for it in self.fields if it.name in left
        }
        missing = [it.name for it in self.fields if it.required and it.name not in found]
        if missing or left:
            what = f"lacks {', '.join(missing)}" if missing else f"has no member {', '.join(map(repr, left))}"
            raise InputError(f"{where} {what}: a {self.name} has {', '.join(it.name for it in self.fields)}")
        try:
            return self._make(**found)
        except (TypeError, ValueError) as error:
            raise InputError(f"{where} makes no {self.name}: {error}") from error

    def write(self, value: Any, where: str) -> object:
        """See above."""
        members = self._take(value)
        if members is None:
            raise wrong(value, where, f"a {self.name}")
        return {
            it.name: it.type.write(members[it.name], f"{where}.{it.name}") for it in self.fields if it.name in members
        }

    def __repr__(self) -> str:
        return self.name

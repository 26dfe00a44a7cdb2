"""Looking at the calls that a service makes of others, in its source, before anything starts.

Only what is plain is looked at: `self.filters.blur(image, radius=5)`. Nothing is said of what is put together at run
time; the other service checks that when it is called.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import TYPE_CHECKING, Any

from ..endpoints.tensor_type import TensorType
from ..endpoints.value_types import AnyType, OptionalType, Scalar
from ..errors import InputError, NotFoundError
from .settings import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..endpoints.signature import Input, Signature

    Signatures = Mapping[str, Signature]

_LIMIT = "timeout_ms"
_UNKNOWN = AnyType()
_OF_CLIENTS = ("call", "calculate", "fetch_response", "close")


def check_calls(kind: type, own: Signatures, others: Mapping[str, Signatures]) -> None:
    """Raises InputError or NotFoundError for a call that cannot go well.

    Args:
        kind: the class that calls.
        own: its endpoints.
        others: those of the services that it depends on, by the attributes through which it does.
    """
    if not others:
        return
    endpoints = {getattr(it.function, "__name__", name): it for name, it in own.items()}
    for where, line, function in _methods(kind):
        _Method(function, endpoints.get(function.name), others, where, line).check()


def _methods(kind: type) -> Iterator[tuple[str, int, Any]]:
    """The functions of a class, with the file and the line before its first."""
    for owner in kind.__mro__:
        try:
            lines, first = inspect.getsourcelines(owner)
            tree = ast.parse(textwrap.dedent("".join(lines))).body[0]
        except (OSError, TypeError, SyntaxError, IndexError):
            continue  # there is no source of it
        for node in getattr(tree, "body", []):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield inspect.getsourcefile(owner) or owner.__module__, first - 1, node


class _Method:
    """One function, and the types that are known in it."""

    def __init__(
        self, function: Any, endpoint: Signature | None, others: Mapping[str, Signatures], where: str, line: int
    ) -> None:
        self._function = function
        self._others = others
        self._where = where
        self._line = line
        self._self = function.args.args[0].arg if function.args.args else ""
        self._endpoint = endpoint
        stores = [
            node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        ]
        inputs = endpoint.inputs if endpoint else []
        self._types: dict[str, Any] = {it.name: it.type for it in inputs if it.name not in stores and not it.many}
        self._once = {name for name in stores if stores.count(name) == 1}

    def check(self) -> None:
        """Raises for the first thing that is wrong."""
        for node in self._in_order():
            if isinstance(node, ast.Call):
                found = self._called(node)
                if found is not None:
                    self._check_call(node, *found)
            elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                if node.targets[0].id in self._once:
                    self._types[node.targets[0].id] = self._type_of(node.value)
            elif isinstance(node, ast.Return) and node.value is not None:
                self._check_return(node)

    def _in_order(self) -> list[ast.AST]:
        nodes = [node for node in ast.walk(self._function) if hasattr(node, "lineno")]
        return sorted(nodes, key=lambda node: (node.lineno, isinstance(node, ast.stmt)))

    def _called(self, call: ast.Call) -> tuple[str, str, list[ast.expr]] | None:
        """Of a call of another service: the attribute, the endpoint, and the arguments without a name."""
        target = call.func
        if not isinstance(target, ast.Attribute) or not isinstance(target.value, ast.Attribute):
            return None
        owner = target.value
        if not isinstance(owner.value, ast.Name) or owner.value.id != self._self or owner.attr not in self._others:
            return None
        if target.attr == "call" and call.args and isinstance(call.args[0], ast.Constant):
            return owner.attr, str(call.args[0].value), call.args[1:]
        return None if target.attr in _OF_CLIENTS else (owner.attr, target.attr, call.args)

    def _signature(self, node: ast.AST) -> Signature | None:
        found = self._called(node) if isinstance(node, ast.Call) else None
        return self._others[found[0]].get(found[1]) if found else None

    def _check_call(self, call: ast.Call, attribute: str, name: str, arguments: list[ast.expr]) -> None:
        offered = self._others[attribute]
        what = f"self.{attribute}.{name}"
        if name not in offered:
            raise NotFoundError(f"{self._at(call)}: {what}: there is no endpoint {name!r}: {nearest(name, offered)}")
        it = offered[name]
        if any(isinstance(argument, ast.Starred) for argument in arguments) or it.starred:
            return
        inputs = [one for one in it.inputs if not one.by_name]
        if len(arguments) > len(inputs):
            raise InputError(
                f"{self._at(call)}: {what} is given {len(arguments)} arguments without a name: it takes "
                f"{', '.join(one.name for one in inputs) or 'none'}"
            )
        given = dict(zip((one.name for one in inputs), arguments))
        given.update({word.arg: word.value for word in call.keywords if word.arg and word.arg != _LIMIT})
        known = {one.name: one for one in it.inputs}
        for argument, value in given.items():
            if argument in known:
                self._check_argument(call, what, known[argument], value)
            elif not it.open:
                raise InputError(f"{self._at(call)}: {what} takes no {argument!r}: {nearest(argument, known)}")
        complete = all(word.arg for word in call.keywords)
        missing = [one.name for one in it.inputs if one.required and one.name not in given]
        if complete and missing:
            raise InputError(f"{self._at(call)}: {what} lacks {', '.join(missing)}")

    def _check_argument(self, call: ast.Call, what: str, one: Input, value: ast.expr) -> None:
        if isinstance(value, ast.Constant) and not isinstance(one.type, TensorType):
            try:
                one.type.read(value.value, f"{what}: {one.name}")
            except InputError as error:
                raise InputError(f"{self._at(call)}: {error}") from None
            return
        problem = "" if one.many else differ(self._type_of(value), one.type)
        if problem:
            raise InputError(f"{self._at(call)}: {what}: {one.name} {problem}")

    def _check_return(self, node: ast.Return) -> None:
        if self._endpoint is None or self._endpoint.stream or self._endpoint.outputs.shape != "one":
            return
        (kind,) = self._endpoint.outputs.kinds.values()
        problem = differ(self._type_of(node.value), kind)
        if problem:
            raise InputError(f"{self._at(node)}: the result of {self._endpoint.name} {problem}")

    def _type_of(self, node: Any) -> Any:
        if isinstance(node, ast.Name):
            return self._types.get(node.id, _UNKNOWN)
        if isinstance(node, ast.Constant):
            name = type(node.value).__name__
            return Scalar(name) if name in ("int", "float", "bool", "str") else _UNKNOWN
        it = self._signature(node)
        if it is None or it.stream or it.outputs.shape != "one":
            return _UNKNOWN
        (kind,) = it.outputs.kinds.values()
        return kind

    def _at(self, node: Any) -> str:
        return f"{self._where}:{self._line + node.lineno}"


def differ(given: Any, taken: Any) -> str:
    """Why something of one type can never be one of another; empty where it can be."""
    if isinstance(taken, OptionalType):
        taken = taken.of
    if isinstance(given, (AnyType, OptionalType)) or isinstance(taken, AnyType):
        return ""
    if isinstance(given, TensorType) and isinstance(taken, TensorType):
        dtypes = not given.dtypes or not taken.dtypes or set(given.dtypes) & set(taken.dtypes)
        if dtypes and not _shapes_differ(given, taken):
            return ""
    elif isinstance(given, Scalar) and isinstance(taken, Scalar):
        if given.kind == taken.kind or (given.kind, taken.kind) == ("int", "float"):
            return ""
    elif isinstance(given, TensorType) == isinstance(taken, TensorType):
        return ""
    return f"would be {given!r}: expected {taken!r}"


def _shapes_differ(given: TensorType, taken: TensorType) -> bool:
    """In the number of dims, or in one that both have as a number."""
    if given.dims is None or taken.dims is None:
        return False
    left, right = given.dims.text.split(), taken.dims.text.split()
    if any(word == "..." or word.startswith("*") for word in (*left, *right)):
        return False
    return len(left) != len(right) or any(a != b for a, b in zip(left, right) if a.isdigit() and b.isdigit())

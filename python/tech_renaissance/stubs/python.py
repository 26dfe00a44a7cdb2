"""A .pyi with a class whose methods are the endpoints, for type checkers."""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING, Any

from ..endpoints.tensor_type import TensorListType, TensorType
from ..endpoints.value_types import DictType, EnumType, ListType, ObjectType, OptionalType, Scalar, TupleType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..endpoints.signature import Input, Signature


def stub(source: str, endpoints: Sequence[Signature], kind: str) -> str:
    """The text of the stub.

    Args:
        source: what names the server, for the first line.
        endpoints: of the server.
        kind: name of its class, and of that in the stub.
    """
    lines = [
        f"# Written by 'python -m tech_renaissance stubs {source}': edit the server, and write it again.",
        '# if TYPE_CHECKING: from <this file> import ...; session = cast("<the class>", PythonSession("server.py"))',
        "from datetime import timedelta",
        "from typing import Any, Literal, NamedTuple",
        "",
        "from tech_renaissance import PythonSession, TensorStream",
        "",
    ]
    for it in endpoints:
        lines += _results(it)
    lines.append(f"class {kind}(PythonSession[Any]):")
    for it in endpoints:
        if it.name.isidentifier() and not keyword.iskeyword(it.name):
            lines.append(f"    def {it.name}({_parameters(it)}) -> {_result(it)}: ...")
    return "\n".join([*lines, ""])


def _type(kind: Any) -> str:
    if isinstance(kind, TensorType):
        return "Any"  # of the framework that the session is of
    if isinstance(kind, Scalar):
        return "None" if kind.kind == "none" else kind.kind
    if isinstance(kind, OptionalType):
        return f"{_type(kind.of)} | None"
    if isinstance(kind, (ListType, TensorListType)):
        return f"list[{_type(kind.of)}]"
    if isinstance(kind, DictType):
        return f"dict[str, {_type(kind.of)}]"
    if isinstance(kind, TupleType):
        return f"tuple[{', '.join(map(_type, kind.of))}]"
    if isinstance(kind, EnumType):
        return f"Literal[{', '.join(map(repr, kind.values))}]"
    return "dict[str, Any]" if isinstance(kind, ObjectType) else "Any"


def _parameter(one: Input) -> str:
    kind = "list[Any]" if one.many else _type(one.type)
    if one.required:
        return f"{one.name}: {kind}"
    optional = isinstance(one.type, TensorType) and not one.many
    return f"{one.name}: {kind}{' | None' if optional else ''} = ..."


def _parameters(it: Signature) -> str:
    by_name = [
        one for one in it.inputs if one.by_name or (it.starred and it.inputs.index(one) > it.inputs.index(it.starred))
    ]
    rest = [one for one in it.inputs if one not in by_name]
    parts = ["self", *(f"*{one.name}: Any" if one is it.starred else _parameter(one) for one in rest)]
    if it.starred is None:
        parts.append("*")
    parts += [_parameter(one) for one in by_name]
    parts.append("timeout_ms: int | timedelta | None = None")
    if it.open:
        parts.append("**values: Any")
    return ", ".join(parts)


def _result(it: Signature) -> str:
    if it.stream:
        return "TensorStream[Any]"
    if it.outputs.shape in ("tuple", "members"):
        return _class_name(it)
    kinds = list(it.outputs.kinds.values())
    return _type(kinds[0]) if kinds else "None"


def _class_name(it: Signature) -> str:
    return f"{it.name[:1].upper()}{it.name[1:]}Result"


def _results(it: Signature) -> list[str]:
    if it.stream or it.outputs.shape not in ("tuple", "members"):
        return []
    fields = [f"    {name}: {_type(kind)}" for name, kind in it.outputs.kinds.items()]
    return [f"class {_class_name(it)}(NamedTuple):", *fields, ""]

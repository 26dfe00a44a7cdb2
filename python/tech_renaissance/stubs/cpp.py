"""A C++ header with one typed function for each endpoint."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ..endpoints.tensor_type import TensorListType, TensorType
from ..endpoints.value_types import EnumType, ListType, OptionalType, Scalar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..endpoints.signature import Input, Signature

# Of the language, and what the functions call something themselves.
# fmt: off
_TAKEN_NAMES = frozenset((
    "alignas", "alignof", "and", "asm", "auto", "bitand", "bitor", "bool", "break", "case", "catch", "char", "class",
    "compl", "const", "constexpr", "const_cast", "continue", "decltype", "default", "delete", "do", "double",
    "dynamic_cast", "else", "enum", "explicit", "export", "extern", "false", "float", "for", "friend", "goto", "if",
    "inline", "int", "long", "mutable", "namespace", "new", "noexcept", "not", "nullptr", "operator", "or", "private",
    "protected", "public", "register", "reinterpret_cast", "return", "short", "signed", "sizeof", "static",
    "static_assert", "static_cast", "struct", "switch", "template", "this", "throw", "true", "try", "typedef", "typeid",
    "typename", "union", "unsigned", "using", "virtual", "void", "volatile", "wchar_t", "while", "xor", "session",
    "limit", "given", "found", "std", "tr",
))
# fmt: on
_SCALARS = {"int": "std::int64_t", "float": "double", "bool": "bool", "str": "std::string"}
_TAKEN = {"int": "as_int()", "float": "as_double()", "bool": "as_bool()"}


def header(source: str, endpoints: Sequence[Signature], kind: str) -> str:
    """The text of the header.

    Args:
        source: what names the server, for the first line.
        endpoints: of the server.
        kind: name of its class; the functions are in a namespace of this name, in lower case.
    """
    parts = [
        f"// Written by 'python -m tech_renaissance stubs {source}': edit the server, and write it again.",
        "#pragma once",
        "",
        "#include <cstdint>",
        "#include <optional>",
        "#include <string>",
        "#include <vector>",
        "",
        "#include <tech_renaissance/session/python_session.h>",
        "",
        f"namespace {_name(re.sub(r'(?<=[a-z0-9])(?=[A-Z])', '_', kind).lower())} {{",
        "",
    ]
    for it in endpoints:
        parts += [*_results(it), *_function(it), ""]
    return "\n".join([*parts, "}  // namespace", ""])


def _name(name: str) -> str:
    found = re.sub(r"\W", "_", name)
    return f"{found}_" if found in _TAKEN_NAMES or found[0].isdigit() else found


def _type(kind: Any) -> str:
    """Of an argument or result that is no tensor."""
    if isinstance(kind, Scalar):
        return _SCALARS.get(kind.kind, "tr::Value")
    if isinstance(kind, EnumType) and all(isinstance(value, str) for value in kind.values):
        return "std::string"
    return "tr::Value"


def _argument_type(kind: Any) -> str:
    if isinstance(kind, ListType) and isinstance(kind.of, Scalar) and kind.of.kind in ("int", "float", "str"):
        return f"std::vector<{_SCALARS[kind.of.kind]}>"
    return _type(kind)


def _is_left_out(one: Input) -> bool:
    """It may be left out, and C++ cannot say what stands for it."""
    return not one.required and not one.many and _default(one) is None


def _default(one: Input) -> str | None:
    if not one.has_default or isinstance(one.type, TensorType):
        return None
    kind, value = one.type, one.default
    if _type(kind) == "tr::Value" or isinstance(kind, OptionalType) or type(value) not in (int, float, bool, str):
        return None
    if isinstance(value, float) and value - value != 0:
        return None
    return json.dumps(value) if isinstance(value, (bool, str)) else repr(value)


def _parameter(one: Input) -> str:
    name = _name(one.name)
    if one.many:
        return f"const std::vector<tr::TensorView>& {name}" + ("" if one.required else " = {}")
    if isinstance(one.type, TensorType):
        return (
            f"const tr::TensorView& {name}" if one.required else f"const std::optional<tr::TensorView>& {name} = {{}}"
        )
    inner = one.type.of if isinstance(one.type, OptionalType) else one.type
    kind = _argument_type(inner)
    if _is_left_out(one) or isinstance(one.type, OptionalType):
        return f"const std::optional<{kind}>& {name}" + ("" if one.required else " = {}")
    default = _default(one)
    by_value = kind in ("std::int64_t", "double", "bool")
    return f"{kind if by_value else f'const {kind}&'} {name}" + (f" = {default}" if default is not None else "")


def _function(it: Signature) -> list[str]:
    ordered = sorted(it.inputs, key=lambda one: not one.required and not (one.many and one.required))
    parameters = ["const tr::PythonSession& session", *map(_parameter, ordered)]
    parameters.append("tr::Limit limit = tr::PythonSession::kDefaultTimeout")
    lines = [f"/// {it.doc}"] if it.doc else []
    lines += [f"/// @param {_name(one.name)} {one.type!r}" for one in it.inputs]
    if it.outputs.kinds:
        lines.append(f"/// @returns {', '.join(f'{name}: {kind!r}' for name, kind in it.outputs.kinds.items())}")
    result, expression = _result(it)
    lines.append(f"inline {result} {_name(it.name)}({', '.join(parameters)}) {{")
    named = [f'{{"{one.name}", {_name(one.name)}}}' for one in it.inputs if not _is_optional(one)]
    lines.append(f"    std::vector<tr::NamedArgument> given{{{', '.join(named)}}};")
    for one in it.inputs:
        if _is_optional(one):
            lines.append(f'    if ({_name(one.name)}) given.emplace_back("{one.name}", *{_name(one.name)});')
    call = f'session.{"stream" if it.stream else "call"}("{it.name}", given, limit)'
    if result == "void":
        lines.append(f"    {call};")
    elif "found" in expression:
        lines += [f"    const tr::Result found = {call};", f"    return {expression};"]
    else:
        lines.append(f"    return {call}{expression};")
    return [*lines, "}"]


def _is_optional(one: Input) -> bool:
    return _parameter(one).startswith("const std::optional")


def _result(it: Signature) -> tuple[str, str]:
    """The type of what the function returns, and how it is made."""
    if it.stream:
        return "tr::TensorStream", ""
    outputs = it.outputs
    if outputs.shape == "none":
        return "void", ""
    if outputs.shape == "any":
        return "tr::Result", ""
    if outputs.shape == "one":
        kind = next(iter(outputs.kinds.values()))
        return _result_type(kind), _taken(kind, "result")
    members = ", ".join(_taken(kind, name) for name, kind in outputs.kinds.items())
    return _struct_name(it), f"{_struct_name(it)}{{{members}}}"


def _result_type(kind: Any) -> str:
    if isinstance(kind, OptionalType):
        return f"std::optional<{_result_type(kind.of)}>"
    if isinstance(kind, TensorListType):
        return "std::vector<tr::Tensor>"
    return "tr::Tensor" if isinstance(kind, TensorType) else _type(kind)


def _taken(kind: Any, name: str) -> str:
    if isinstance(kind, OptionalType):
        inner = _result_type(kind.of)
        there = f'found.has("{name}")' if isinstance(kind.of, TensorType) else f'!found.value("{name}").is_null()'
        return f"{there} ? std::optional<{inner}>({_taken(kind.of, name)}) : std::nullopt"
    if isinstance(kind, TensorType):
        return f'found.tensor("{name}")'
    if isinstance(kind, TensorListType):
        return f'found.tensors("{name}")'
    taken = _TAKEN.get(getattr(kind, "kind", ""))
    if _type(kind) == "std::string":
        return f'found.text("{name}")'
    return f'found.value("{name}")' + (f".{taken}" if taken else "")


def _struct_name(it: Signature) -> str:
    return "".join(part.capitalize() for part in re.split(r"[^A-Za-z0-9]", it.name)) + "Result"


def _results(it: Signature) -> list[str]:
    if it.stream or it.outputs.shape not in ("tuple", "members"):
        return []
    lines = [f"struct {_struct_name(it)} {{"]
    for name, kind in it.outputs.kinds.items():
        lines.append(f"    {_result_type(kind)} {_name(name)};  ///< {kind!r}")
    return [*lines, "};"]

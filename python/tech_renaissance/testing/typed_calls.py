"""Calls of endpoints by a harness: from arguments to a request, and from the answer to what a session gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..endpoints.declare import marked
from ..endpoints.result_tuple import result_tuple
from ..endpoints.signature import RESULT, Signature
from ..endpoints.tensor_type import TensorListType, TensorType, is_tensor
from ..endpoints.value_types import plain
from ..errors import InputError
from ..protocol.messages import OK
from ..worker.endpoints import PlainServer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..worker.server import TechRenaissanceServer


def signature_of(server: TechRenaissanceServer, name: str) -> Signature | None:
    """That of an endpoint; None where the server has none of this name."""
    target = server.service if isinstance(server, PlainServer) else server
    method = marked(type(target)).get(name)
    return None if method is None else Signature(name, getattr(target, method))


def split(
    name: str, it: Signature | None, arguments: tuple[Any, ...], named: dict[str, Any]
) -> tuple[list[tuple[str, Any]], dict[str, object]]:
    """Tensors with the names of their inputs, and values by theirs."""
    given: dict[str, Any] = {}
    inputs = [] if it is None else [one for one in it.inputs if not one.by_name]
    tensors: list[tuple[str, Any]] = []
    for place, argument in enumerate(arguments):
        one = inputs[min(place, len(inputs) - 1)] if inputs else None
        if it is None and is_tensor(argument):
            tensors.append(("", argument))
        elif one is None or (place >= len(inputs) and one is not (it and it.starred)):
            raise InputError(f"{name} takes {len(inputs)} arguments without a name: {len(arguments)} were given")
        elif it is not None and one is it.starred:
            tensors.append(("", argument))
        else:
            given[one.name] = argument
    for key, value in named.items():
        if key in given:
            raise InputError(f"{name}: {key} is there twice, by its position and by its name")
        given[key] = value
    values: dict[str, object] = {}
    for key, value in given.items():
        if is_tensor(value):
            tensors.append((key, value))
        elif isinstance(value, (list, tuple)) and value and all(map(is_tensor, value)):
            tensors += [("", tensor) for tensor in value]
        elif value is not None or not any(one.name == key and isinstance(one.type, TensorType) for one in inputs):
            values[key] = plain(value, f"{name}: {key}")
    return tensors, values


def result_of(
    name: str, text: str, results: Sequence[Any], names: Sequence[str], values: dict[str, Any], it: Signature | None
) -> Any:
    """The one result, or several as a tuple with names, as `PythonSession.call` gives them."""
    found = {given or f"result_{place}": result for place, (given, result) in enumerate(zip(names, results))}
    if len(results) == 1 and not names[0]:
        found = {"result": results[0]}
    found.update(values)
    for name_of_list, kind in it.outputs.kinds.items() if it is not None else ():
        if isinstance(kind, TensorListType):
            places = range(len(results))
            found[name_of_list] = [
                found.pop(f"{name_of_list}.{place}") for place in places if f"{name_of_list}.{place}" in found
            ]
    if it is not None and it.outputs.shape in ("tuple", "members"):
        return result_tuple(name, tuple(it.outputs.kinds))(*(found.get(key) for key in it.outputs.kinds))
    if it is not None and it.outputs.shape == "none":
        return None
    if not found:
        is_text = it is not None and getattr(it.outputs.kinds.get(RESULT), "kind", "") == "str"
        return text if is_text or text != OK else None
    if len(found) == 1 and "result" in found:
        return found["result"]
    return result_tuple(name, tuple(found))(*found.values())

"""From a request to the arguments of an endpoint's method."""

from __future__ import annotations

from ..data.tensors import choose_framework
from ..endpoints.tensor_type import TensorType
from ..endpoints.value_types import AnyType
from ..errors import InputError
from ..protocol import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..endpoints.dims import Sizes
    from ..endpoints.signature import Signature
    from .call import Call
    from .server import TechRenaissanceServer


def arguments_of(
    it: Signature, call: Call, parameters: str, server: TechRenaissanceServer, sizes: Sizes
) -> dict[str, Any]:
    """What the method is called with, by name.

    Raises:
        InputError: something is missing, unknown, or of another type.
    """
    request = call.request
    try:
        tags = messages.split_tags(parameters)
    except InputError:
        raise InputError(
            f"{it.name}: the parameters are {parameters!r:.200}: expected the tags of its tensors, and "
            "everything else in 'arguments'"
        ) from None
    given: dict[str, Any] = {}
    if request.names:
        tags = _take_named(it, tags, messages.names_in(request.names), given)
    if tags:
        _take_unnamed(it, tags, given)
    if given:
        _load(it, call, given, server, sizes)
    values = request.arguments if request._arguments else None
    if values:
        _take_values(it, values, given)
    if len(given) < len(it.inputs):
        missing = [one.name for one in it.inputs if one.required and one.name not in given]
        if missing:
            raise InputError(f"{it.name}: {' and '.join(missing)} {_is(missing)} missing: it takes {_inputs(it)}")
        for one in it.inputs:
            if not (one.has_default or one.required or one.name in given):
                given[one.name] = one.default
    return given


def take_positional(it: Signature, given: dict[str, Any]) -> list[Any]:
    """What the method takes by its position alone."""
    found: list[Any] = []
    for one in it.inputs[: it.positional]:
        found += given.pop(one.name, ()) if one is it.starred else (given.pop(one.name, one.default),)
    return found


def _is(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _inputs(it: Signature) -> str:
    return ", ".join(one.name for one in it.inputs) or "nothing"


def _take_named(it: Signature, tags: tuple[str, ...], named: dict[str, str], given: dict[str, Any]) -> tuple[str, ...]:
    """Tensors that have names; those that are left have none."""
    known = {one.name for one in it.inputs}
    for name, tag in named.items():
        if name not in known and not it.open:
            raise unknown_input(it, name)
        given[name] = tag
    taken = set(named.values())
    return tuple(tag for tag in tags if tag not in taken)


def _take_unnamed(it: Signature, tags: tuple[str, ...], given: dict[str, Any]) -> None:
    left = list(tags)
    for one in it.tensor_inputs:
        if one.name in given or not left:
            continue
        given[one.name] = left if one.many else left.pop(0)
        if one.many:
            return
    if left:
        names = ", ".join(one.name for one in it.tensor_inputs)
        expected = f"{len(it.tensor_inputs)}, {names}" if names else "none, and everything else in 'arguments'"
        raise InputError(f"{it.name}: {len(tags)} tensors are named in the parameters: expected {expected}")


def _load(it: Signature, call: Call, given: dict[str, Any], server: TechRenaissanceServer, sizes: Sizes) -> None:
    """From tags to tensors, which are checked in order of declaration."""
    framework = ""
    for one in it.inputs:
        tags = given.get(one.name)
        if tags is None:
            continue
        declared = getattr(one.type, "framework", None)
        if declared is None:
            framework = framework or choose_framework(server.framework)
        tensors = call.load(tags if one.many else (tags,), declared or framework)
        if isinstance(one.type, TensorType):
            for tensor in tensors:
                one.type.check(tensor, one.where, sizes, one.name)
        elif not isinstance(one.type, AnyType):
            raise InputError(f"{it.name}: {one.name} is a tensor: expected {one.type!r}")
        given[one.name] = tensors if one.many else tensors[0]
    if it.open:
        known = {one.name for one in it.inputs}
        for name in [name for name in given if name not in known]:
            given[name] = call.load((given[name],), choose_framework(server.framework))[0]


def _take_values(it: Signature, values: dict[str, Any], given: dict[str, Any]) -> None:
    known = {one.name: one for one in it.inputs}
    for name, value in values.items():
        one = known.get(name)
        if one is None:
            if not it.open:
                raise unknown_input(it, name)
            given[name] = value
            continue
        if name in given:
            raise InputError(f"{it.name}: {name} is there twice, as a tensor and as a value")
        if isinstance(one.type, TensorType):
            if one.many and value == []:
                given[name] = []
            elif value is not None or one.required:
                raise InputError(f"{it.name}: {name} is {value!r:.200}: expected {one.type.told()}")
            continue
        given[name] = one.type.read(value, one.where)


def unknown_input(it: Signature, name: str) -> InputError:
    """The error for an argument that an endpoint does not take."""
    import difflib

    close = difflib.get_close_matches(name[:200], [one.name for one in it.inputs], 1)
    meant = f"did you mean {close[0]!r}? " if close else ""
    return InputError(f"{it.name}: there is no input {name!r:.200}: {meant}It takes {_inputs(it)}")

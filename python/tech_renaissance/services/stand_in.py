"""Whether one service can stand in the place of another, by their endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InputError, NotFoundError
from .calls_in_source import differ
from .settings import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..endpoints.signature import Input, Signature


def check_stand_in(where: str, wanted: Mapping[str, Signature], offered: Mapping[str, Signature]) -> None:
    """Raises InputError or NotFoundError where calls that one service takes could not go well with another.

    Args:
        where: names the edge.
        wanted: the endpoints of the service that is depended on.
        offered: those of the one that is to stand in its place; it may have more.
    """
    for name, it in wanted.items():
        if name not in offered:
            raise NotFoundError(f"{where}: there is no endpoint {name!r}: {nearest(name, offered)}")
        problem = _problem(it, offered[name])
        if problem:
            raise InputError(f"{where}: {name} {problem}")


def _problem(wanted: Signature, offered: Signature) -> str:
    """Why calls of one endpoint would not go well with the other; empty where they can."""
    if wanted.stream != offered.stream:
        return f"answers {'in parts' if offered.stream else 'at once'}: expected the other"
    left, right = ([one.name for one in it.inputs if not one.by_name] for it in (wanted, offered))
    if right[: len(left)] != left:
        return f"takes {', '.join(right) or 'nothing'} without a name: expected {', '.join(left)}"
    known = {one.name: one for one in offered.inputs}
    for one in wanted.inputs:
        if one.name in known:
            problem = _input_problem(one, known[one.name])
        else:
            problem = "" if offered.open else "is not among what it takes"
        if problem:
            return f"{one.name} {problem}"
    required = {one.name for one in offered.inputs if one.required} - {one.name for one in wanted.inputs}
    if required:
        return f"requires {', '.join(sorted(required))}: expected nothing more than {', '.join(left) or 'nothing'}"
    return _outputs_problem(wanted, offered)


def _input_problem(wanted: Input, offered: Input) -> str:
    if wanted.many != offered.many:
        return f"takes {'any number of tensors' if offered.many else 'one'}: expected the other"
    if offered.required and not wanted.required:
        return "is required: expected that it can be left out"
    return differ(wanted.type, offered.type)


def _outputs_problem(wanted: Signature, offered: Signature) -> str:
    if "any" in (wanted.outputs.shape, offered.outputs.shape):
        return ""
    if list(wanted.outputs.kinds) != list(offered.outputs.kinds):
        left, right = (", ".join(it.outputs.kinds) or "nothing" for it in (wanted, offered))
        return f"gives {right}: expected {left}"
    for name, kind in wanted.outputs.kinds.items():
        problem = differ(offered.outputs.kinds[name], kind)
        if problem:
            return f"{name} {problem}"
    return ""

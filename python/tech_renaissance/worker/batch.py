"""One batch: the calls that are in it, their tensors joined, and what came of it split again."""

from __future__ import annotations

import sys

from ..endpoints.padding import ragged
from ..endpoints.tensor_type import TensorType
from ..errors import InputError
from ..protocol.messages import OK
from .endpoint_results import answer_each, answer_with, check, members_of, place_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..endpoints.dims import Sizes
    from ..endpoints.signature import Signature
    from .call import Call


class Member:
    """A call that is to be part of a batch.

    Attributes:
        it: the endpoint.
        call: the call.
        named: its arguments.
        sizes: of the symbols of its tensors.
        rows: how many it adds to a batch.
        key: what it has to have in common with the others: all but its rows.

    Raises:
        InputError: it has more rows than a batch may have.
    """

    __slots__ = ("call", "it", "key", "named", "rows", "sizes")

    def __init__(self, it: Signature, call: Call, named: dict[str, Any], sizes: Sizes) -> None:
        self.it = it
        self.call = call
        self.named = named
        self.sizes = sizes
        self.rows = int(sizes[it.batch][0])  # type: ignore[arg-type]
        if self.rows > it.max_batch_size:
            raise InputError(
                f"{it.name}: {sizes[it.batch][1]} has {self.rows} rows: expected {it.max_batch_size} at most, the "
                "endpoint's max_batch_size"
            )
        self.key = key = []  # type: list[object]
        for one in it.inputs:
            value = named.get(one.name)
            if value is not None and isinstance(one.type, TensorType):
                shape = value.shape[1:] if one.name not in it.pads else _fixed(value.shape, ragged(one.type, it.batch))
                key.append((value.dtype, shape))
            else:
                key.append(value)

    def is_given_up(self) -> bool:
        """Its host wants it no more, which is then answered."""
        if not self.call.look():
            return False
        self.call.fail_as_cancelled()
        self.call.close()
        return True


def joined(members: list[Member]) -> dict[str, Any]:
    """The arguments of all, each tensor written once."""
    first = members[0]
    if len(members) == 1:
        return first.named
    named = dict(first.named)
    for one in first.it.inputs:
        if isinstance(one.type, TensorType) and named.get(one.name) is not None:
            tensors = [member.named[one.name] for member in members]
            pad = first.it.pads.get(one.name)
            named[one.name] = _concatenated(tensors) if pad is None else _padded(tensors, pad)
    return named


def _fixed(shape: Sequence[int], dims: dict[int, str]) -> tuple[int, ...]:
    """A shape without its rows, and with -1 for what may differ within a batch."""
    return tuple(-1 if place in dims else size for place, size in enumerate(shape) if place)


def _padded(tensors: list[Any], pad: float) -> Any:
    """The same, each filled up at its end to the largest."""
    shapes = [tensor.shape[1:] for tensor in tensors]
    if all(shape == shapes[0] for shape in shapes):
        return _concatenated(tensors)
    first, rows = tensors[0], sum(len(tensor) for tensor in tensors)
    largest = [max(sizes) for sizes in zip(*shapes)]
    torch = _is_torch(first)
    if torch is not None:
        batch = torch.full((rows, *largest), pad, dtype=first.dtype, device=first.device)
    else:
        batch = sys.modules["numpy"].full((rows, *largest), pad, first.dtype)
    start = 0
    for tensor in tensors:
        place = (slice(start, start + len(tensor)), *(slice(size) for size in tensor.shape[1:]))
        batch[place] = tensor
        start += len(tensor)
    return batch


def _is_torch(tensor: object) -> Any:
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(tensor, torch.Tensor) else None


def _concatenated(tensors: list[Any]) -> Any:
    torch = _is_torch(tensors[0])
    return torch.cat(tensors) if torch is not None else sys.modules["numpy"].concatenate(tensors)


def _split(part: Any, counts: list[int]) -> Sequence[Any]:
    """The rows of each."""
    if _is_torch(part) is not None:
        return part.split(counts)  # type: ignore[no-any-return]
    found, start = [], 0
    for count in counts:
        found.append(part[start : start + count])
        start += count
    return found


def answer_all(members: list[Member], result: Any) -> None:
    """To each call its own rows of what the method has returned.

    Raises:
        InputError: that is not what is declared; no call has been answered then.
    """
    it = members[0].it
    if len(members) == 1:
        _finish(members[0], answer_with(it, members[0].call, result, members[0].sizes))
        return
    where = f"{it.name}: the result of a batch"
    single = it.outputs.shape == "one"
    parts = {next(iter(it.outputs.kinds)): result} if single else members_of(it, result, where)
    _check_parts(members, parts, where)
    counts = [member.rows for member in members]
    split = {name: _split(part, counts) for name, part in parts.items()}
    if it.padded:
        split = {name: _cut(members, it.outputs.kinds[name], own) for name, own in split.items()}
    if single and isinstance(next(iter(it.outputs.kinds.values())), TensorType):  # as most are; it has been checked
        for member, own in zip(members, next(iter(split.values()))):
            _finish(member, member.call.stage((own,)))
        return
    for place, member in enumerate(members):
        own = {name: part[place] for name, part in split.items()}
        if single:
            outcome = answer_with(it, member.call, next(iter(own.values())), member.sizes)
        else:
            outcome = answer_each(it, member.call, own, where, member.sizes)
        _finish(member, outcome)


def _cut(members: list[Member], kind: Any, parts: Sequence[Any]) -> Sequence[Any]:
    """Of each part that a call gets, what is not padding."""
    dims = {place: name for place, name in ragged(kind, members[0].it.batch).items() if name in members[0].it.padded}
    if not dims:
        return parts
    places = range(max(dims) + 1)
    return [
        part[tuple(slice(member.sizes[dims[place]][0] if place in dims else None) for place in places)]
        for member, part in zip(members, parts)
    ]


def _check_parts(members: list[Member], parts: dict[str, Any], where: str) -> None:
    """Raises InputError for a result that is not declared so, or has not a row for each that was given."""
    it = members[0].it
    rows = sum(member.rows for member in members)
    sizes: Sizes = {**members[0].sizes, it.batch: (rows, "the batch")}
    for name in it.padded:
        largest = [member.sizes[name][0] for member in members if name in member.sizes]
        sizes[name] = (max(largest), "the batch")
    for name, part in parts.items():
        kind = it.outputs.kinds[name]
        if isinstance(kind, TensorType):
            check(it, kind, part, where, sizes)
        elif not isinstance(part, (list, tuple)) or len(part) != rows:
            raise InputError(
                f"{where} is {part!r:.200}: expected a list with an item for each of {rows} rows{place_in(it)}"
            )


def _finish(member: Member, outcome: bool) -> None:
    """The answer, unless it is out: one that cannot be sent is that call's affair alone."""
    call = member.call
    if outcome and not call.answered:
        call.answer(OK)
    member.named = {}  # or what was lent for this call alone would be kept beyond it
    call.close()

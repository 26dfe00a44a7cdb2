"""What `pad=` of an endpoint means: which of its dims may be other sizes in each call of a batch."""

from __future__ import annotations

from ..errors import InputError
from .tensor_type import TensorType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .signature import Signature


def ragged(kind: Any, batch: str) -> dict[int, str]:
    """The dims of a tensor besides the rows that are just names, by their places; none of what is no tensor."""
    if not isinstance(kind, TensorType) or kind.dims is None:
        return {}
    return {place: name for place, name in kind.dims.names().items() if name != batch}


def read_pads(it: Signature, pad: float | dict[str, float]) -> tuple[dict[str, float], set[str]]:
    """Of each input that is padded with what, and the symbols of its dims.

    Raises:
        InputError: an input cannot be padded, or there is none of this name; or one that is not, or a result, depends
            on a size that is.
    """
    found = {one.name: ragged(one.type, it.batch) for one in it.inputs}
    pads = pad if isinstance(pad, dict) else {name: pad for name, dims in found.items() if dims}
    where = f"the endpoint {it.name} cannot pad"
    if not pads:
        raise InputError(f'{where}: none of its tensors has a name besides the first among its dims, as "b n" has')
    for name in pads:
        if name not in found:
            import difflib

            close = difflib.get_close_matches(name, list(found), 1)
            meant = f"did you mean {close[0]!r}? " if close else ""
            raise InputError(f"{where} {name!r:.200}: there is no such input: {meant}It takes {', '.join(found)}")
        if not found[name]:
            kind = next(one.type for one in it.inputs if one.name == name)
            raise InputError(f"{where} {name}: it is {kind!r}: expected a tensor with a name besides the first dim")
    symbols = {symbol for name in pads for symbol in found[name].values()}
    for one in it.inputs:
        shared = symbols & (set(found[one.name].values()) | _followed(one.type))
        if shared and (one.name not in pads or _followed(one.type) & symbols):
            raise InputError(f"{where} {min(shared)} of some tensors and not of {one.name}: expected a pad for it too")
    for name, kind in it.outputs.kinds.items():
        if shared := symbols & _followed(kind):
            raise InputError(f"{where} {min(shared)}: {name} is {kind!r}, of which no caller's part could be told")
    return dict(pads), symbols


def _followed(kind: Any) -> set[str]:
    return kind.dims.followed() if isinstance(kind, TensorType) and kind.dims is not None else set()

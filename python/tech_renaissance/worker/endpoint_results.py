"""From what an endpoint's method returns to the answer."""

from __future__ import annotations

from ..endpoints.signature import RESULT
from ..endpoints.tensor_type import TensorListType, TensorType, is_tensor
from ..endpoints.value_types import AnyType, Scalar, plain
from ..errors import InputError
from .failure import at, place_of_function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..endpoints.dims import Sizes
    from ..endpoints.signature import Signature
    from .call import Call


def answer_with(it: Signature, call: Call, result: Any, sizes: Sizes) -> bool:
    """Sends what the method has returned, unless it has answered itself."""
    if call.answered:
        return True
    outputs = it.outputs
    where = it.where
    if outputs.shape == "one":
        kind: Any = outputs.kinds[RESULT]
        if isinstance(kind, TensorListType):
            return answer_each(it, call, {RESULT: result}, where, sizes)
        if isinstance(getattr(kind, "of", None), TensorType):
            if result is None:
                return True  # an optional one that is not there
            kind = kind.of
        if isinstance(kind, TensorType):
            check(it, kind, result, where, sizes)
            call.stage((result,))
        elif isinstance(kind, Scalar) and kind.kind == "str":
            call.answer(str(_write(it, kind, result, where)))
        else:
            call.answer_values({RESULT: _write(it, kind, result, where)})
        return True
    if outputs.shape == "none":
        if result is not None:
            raise InputError(f"{where} is {result!r:.200}: expected None, as declared{place_in(it)}")
        return True
    if outputs.shape == "any":
        return _answer_any(call, result, where)
    return answer_each(it, call, members_of(it, result, where), where, sizes)


def members_of(it: Signature, result: Any, where: str) -> dict[str, Any]:
    """Several results by name. Raises InputError when they are not those declared."""
    kinds = it.outputs.kinds
    if it.outputs.take is not None:
        members = it.outputs.take(result)
        if members is None or not set(members) <= set(kinds):
            raise InputError(f"{where} is {result!r:.200}: expected the members {', '.join(kinds)}{place_in(it)}")
        return members
    if not isinstance(result, (tuple, list)) or len(result) != len(kinds):
        raise InputError(f"{where} is {_told(result)}: expected {len(kinds)} results, {_kinds(it)}{place_in(it)}")
    return dict(zip(kinds, result))


def _told(result: Any) -> str:
    return f"{len(result)} results" if isinstance(result, (tuple, list)) else f"a {type(result).__name__}"


def _kinds(it: Signature) -> str:
    return ", ".join(map(repr, it.outputs.kinds.values()))


def place_in(it: Signature) -> str:
    """Where it is defined, as a message ends with it."""
    return at(place_of_function(it.function))


def check(it: Signature, kind: TensorType, result: Any, where: str, sizes: Sizes) -> None:
    """Raises InputError when a result is not the tensor that is declared."""
    if not is_tensor(result):
        raise InputError(f"{where} is a {type(result).__name__}: expected {kind.told()}{place_in(it)}")
    if kind.dtypes or kind.dims is not None:
        try:
            kind.check(result, where, sizes)
        except InputError as error:
            raise InputError(f"{error}{place_in(it)}") from None


def _write(it: Signature, kind: Any, result: Any, where: str) -> object:
    try:
        return kind.write(result, where)
    except InputError as error:
        raise InputError(f"{error}{place_in(it)}") from None


def answer_each(it: Signature, call: Call, members: dict[str, Any], where: str, sizes: Sizes) -> bool:
    """Several results: tensors under their names, and values."""
    return _send(call, *_taken_apart(it, members, where, sizes))


def _taken_apart(
    it: Signature, members: dict[str, Any], where: str, sizes: Sizes
) -> tuple[dict[str, Any], dict[str, object]]:
    """Tensors by the names by which they travel, and values. Raises InputError for what is not as declared."""
    tensors: dict[str, Any] = {}
    values: dict[str, object] = {}
    for name, declared in it.outputs.kinds.items():
        if name not in members:
            continue
        result = members[name]
        what = where if name == RESULT else f"{where} {name!r}"
        if isinstance(declared, TensorListType):
            if not isinstance(result, (list, tuple)):
                raise InputError(f"{what} is a {type(result).__name__}: expected {declared!r}{place_in(it)}")
            for place, tensor in enumerate(result):
                check(it, declared.of, tensor, f"{what}[{place}]", sizes)
                tensors[f"{name}.{place}"] = tensor
            continue
        inner: Any = getattr(declared, "of", None)
        kind: Any = inner if isinstance(inner, TensorType) else declared
        if isinstance(kind, TensorType):
            if result is not None or kind is declared:  # or an optional one that is not there
                check(it, kind, result, what, sizes)
                tensors[name] = result
        elif isinstance(kind, AnyType) and is_tensor(result):
            tensors[name] = result
        else:
            values[name] = _write(it, kind, result, what)
    return tensors, values


def _answer_any(call: Call, result: Any, where: str) -> bool:
    """What a method returns that declares nothing."""
    if result is None:
        return True
    if is_tensor(result):
        call.stage((result,))
        return True
    if isinstance(result, str):
        call.answer(result)
        return True
    if isinstance(result, (tuple, list)) and result and all(is_tensor(item) for item in result):
        call.stage(tuple(result))
        return True
    if isinstance(result, dict) and any(is_tensor(item) for item in result.values()):
        tensors = {str(name): item for name, item in result.items() if is_tensor(item)}
        values = {str(name): plain(item, where) for name, item in result.items() if not is_tensor(item)}
        return _send(call, tensors, values)
    if isinstance(result, tuple) and any(is_tensor(item) for item in result):
        return _answer_any(call, {f"{RESULT}_{place}": item for place, item in enumerate(result)}, where)
    call.answer_values({RESULT: plain(result, where)})
    return True


def _send(call: Call, tensors: dict[str, Any], values: dict[str, object]) -> bool:
    if tensors:
        call.stage((), tensors)
    if values:
        call.answer_values(values)
    return True


class Part:
    """What a generator has yielded at once.

    Args:
        it: the endpoint.
        part: what it was.
        sizes: of the symbols of its inputs; what they leave open may be other sizes in each part.

    Attributes:
        tensors: those without a name.
        named: those with one.
        values: results that are no tensors.

    Raises:
        InputError: it is not what the endpoint declares.
    """

    __slots__ = ("named", "tensors", "values")

    def __init__(self, it: Signature, part: Any, sizes: Sizes) -> None:
        self.tensors: tuple[Any, ...] = ()
        self.named: dict[str, Any] = {}
        self.values: dict[str, object] = {}
        where = f"{it.name}: a part"
        if it.outputs.shape == "any":
            self._take_any(part, where)
        elif it.outputs.shape == "one":
            kind = it.outputs.kinds[RESULT]
            found = part[0] if isinstance(kind, TensorType) and type(part) is tuple and len(part) == 1 else part
            self.named, self.values = _taken_apart(it, {RESULT: found}, where, dict(sizes))
            if isinstance(kind, TensorType):
                self.tensors, self.named = (found,), {}
        else:
            self.named, self.values = _taken_apart(it, members_of(it, part, where), where, dict(sizes))

    def _take_any(self, part: Any, where: str) -> None:
        found = part if isinstance(part, (tuple, list)) else (part,)
        if all(map(is_tensor, found)):
            self.tensors = tuple(found)
        elif isinstance(part, dict):
            self.named = {str(name): item for name, item in part.items() if is_tensor(item)}
            self.values = {str(name): plain(item, where) for name, item in part.items() if not is_tensor(item)}
        elif isinstance(part, tuple) and any(map(is_tensor, part)):
            self._take_any({f"{RESULT}_{place}": item for place, item in enumerate(part)}, where)
        else:
            self.values = {RESULT: plain(part, where)}

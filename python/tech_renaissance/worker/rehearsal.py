"""Running the examples of endpoints: from arguments to results, without the tensors of a host."""

from __future__ import annotations

from ..endpoints.tensor_type import TensorType, is_tensor
from ..endpoints.value_types import AnyType
from ..errors import InputError
from .endpoint_arguments import take_positional, unknown_input
from .endpoint_results import Part, answer_with

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..endpoints.dims import Sizes
    from ..endpoints.signature import Signature


class _Answer:
    """Takes the place of a call: what would be sent is looked at and dropped."""

    answered = False

    def stage(self, tensors: tuple[object, ...], named: dict[str, object] | None = None) -> bool:
        """As Call."""
        return True

    def answer(self, result: str) -> None:
        """As Call."""

    def answer_values(self, values: dict[str, object]) -> None:
        """As Call."""


def _begun(it: Signature, target: object, sizes: Sizes) -> Any:
    """What the method returns for its example."""
    example = it.example(target) if callable(it.example) else it.example
    if not isinstance(example, dict):
        raise InputError(f"{it.name}: its example is {example!r:.200}: expected a dict of arguments, or what gives one")
    named: dict[str, Any] = {}
    known = {one.name: one for one in it.inputs}
    for name, value in example.items():
        one = known.get(name)
        if one is None:
            raise unknown_input(it, name)
        if isinstance(one.type, TensorType):
            for tensor in value if one.many else [value]:
                if not is_tensor(tensor):
                    raise InputError(f"{one.where} is {tensor!r:.200}: expected {one.type.told()}")
                one.type.check(tensor, one.where, sizes, name)
            named[name] = value
        else:
            named[name] = (
                value if isinstance(one.type, AnyType) else one.type.read(one.type.write(value, one.where), one.where)
            )
    return it.function(*take_positional(it, named), **named) if it.positional else it.function(**named)


def _looked_at(it: Signature, result: Any, sizes: Sizes) -> None:
    answer: Any = _Answer()
    answer_with(it, answer, result, sizes)


def rehearsed(endpoints: list[Signature], target: object) -> dict[str, str]:
    """Of each endpoint with an example "ok", or what went wrong; of a stream the first part alone is looked at."""
    outcomes: dict[str, str] = {}
    for it in endpoints:
        try:
            sizes: Sizes = {}
            result = _begun(it, target, sizes)
            if it.stream:
                for part in result:
                    Part(it, part, sizes)
                    break
                result.close()
            else:
                _looked_at(it, result, sizes)
            outcomes[it.name] = "ok"
        except Exception as error:
            outcomes[it.name] = f"{type(error).__name__}: {error}"
    return outcomes


async def async_rehearsed(endpoints: list[Signature], target: object) -> dict[str, str]:
    """The same where some are coroutines, or generators of that kind."""
    outcomes: dict[str, str] = {}
    for it in endpoints:
        if not it.is_async:
            outcomes.update(rehearsed([it], target))
            continue
        try:
            sizes: Sizes = {}
            result = _begun(it, target, sizes)
            if it.stream:
                async for part in result:
                    Part(it, part, sizes)
                    break
                await result.aclose()
            else:
                _looked_at(it, await result, sizes)
            outcomes[it.name] = "ok"
        except Exception as error:
            outcomes[it.name] = f"{type(error).__name__}: {error}"
    return outcomes

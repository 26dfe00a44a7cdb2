"""The tensors of a request by their names."""

from __future__ import annotations

# Of which `collections.abc` is made: every interpreter has it, where `collections` takes its time to be imported.
from _collections_abc import Mapping

from ..errors import NotFoundError
from ..protocol.messages import names_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .call import Call


class NamedTensors(Mapping[str, "Any"]):
    """What the caller of a request has given names to; each is taken up when it is asked for.

    Args:
        call: the request.
        framework: of which library the tensors are.
    """

    def __init__(self, call: Call, framework: str) -> None:
        self._call = call
        self._framework = framework
        self._tags = names_in(call.request.names)

    def __getitem__(self, name: str) -> Any:
        """The tensor of this name.

        Raises:
            NotFoundError: there is none in this request.
            RuntimeError: the request has been answered.
        """
        tag = self._tags.get(name)
        if tag is None:
            there = ", ".join(self._tags) or "none, as its caller gave none a name: get_tensors(parameters) has them"
            raise NotFoundError(f"{self._call.request.command!r} has no tensor named {name!r}; it has {there}")
        return self._call.load((tag,), self._framework)[0]

    def __contains__(self, name: object) -> bool:
        return name in self._tags

    def get(self, name: str, default: Any = None) -> Any:
        """The tensor of this name, or else the default."""
        return self[name] if name in self._tags else default

    def __iter__(self) -> Iterator[str]:
        return iter(self._tags)

    def __len__(self) -> int:
        return len(self._tags)

    def __repr__(self) -> str:
        return f"<tensors of {self._call.request.command!r}: {', '.join(self._tags) or 'none has a name'}>"

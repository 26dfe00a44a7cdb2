"""Typed calls: arguments as the compiled module takes them, results as Python has them, and what a server declares."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import _core
from ..data.tensors import export_tensor
from ..endpoints.tensor_type import is_tensor
from ..endpoints.value_types import plain
from ..errors import InputError
from .arguments import limit, text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .arguments import Limit

_SIMPLE = (int, float, str, bool, type(None))
# As the compiled module knows them.
_VALUE, _TENSOR, _TENSORS = range(3)


@dataclass(frozen=True)
class EndpointInput:
    """One thing that an endpoint takes.

    Attributes:
        type: on one line: `float32 "b 3 h w"`, `int`, `list[str]`.
        required: it has to be given.
        default: what it is otherwise; None also where that has no form in JSON.
        by_name: it can be given by name alone.
    """

    name: str
    type: str
    required: bool
    default: Any
    by_name: bool


@dataclass(frozen=True)
class EndpointOutput:
    """One thing that an endpoint gives; its type as that of an input."""

    name: str
    type: str


@dataclass(frozen=True)
class Endpoint:
    """One thing that a server offers, as it says it; from `PythonSession.endpoints`.

    Attributes:
        doc: the first line of its docstring.
        stream: it answers in parts: `PythonSession.stream`.
        open: it takes named values that are not among its inputs.
        outputs: of a stream those of each part.
    """

    name: str
    doc: str
    stream: bool
    open: bool
    inputs: tuple[EndpointInput, ...]
    outputs: tuple[EndpointOutput, ...]

    def signature(self) -> inspect.Signature:
        """As a function of Python would have it; the annotations are the types, as texts."""
        kinds = inspect.Parameter
        parameters = [
            kinds(
                it.name,
                kinds.KEYWORD_ONLY if it.by_name else kinds.POSITIONAL_OR_KEYWORD,
                default=kinds.empty if it.required else it.default,
                annotation=it.type,
            )
            for it in self.inputs
        ]
        parameters.append(kinds("timeout_ms", kinds.KEYWORD_ONLY, default=None, annotation="int | timedelta | None"))
        if self.open:
            parameters.append(kinds("values", kinds.VAR_KEYWORD))
        outputs = ", ".join(it.type for it in self.outputs) or "None"
        return inspect.Signature(parameters, return_annotation=outputs if len(self.outputs) < 2 else f"({outputs})")


def known_endpoints(core: _core.Session | _core.Pool) -> list[Endpoint]:
    """Those of the worker, which is waited for."""
    return [
        Endpoint(
            name,
            doc,
            stream,
            is_open,
            tuple(EndpointInput(*given) for given in inputs),
            tuple(EndpointOutput(*output) for output in outputs),
        )
        for name, doc, stream, is_open, inputs, outputs in core.endpoints()
    ]


class Packed:
    """A call of an endpoint, as the compiled module takes it.

    Attributes:
        call: its name, then of each argument its name, "" for one without; the argument, a value, an exported tensor,
            or a list of such; which of these; and the limit.
        tensors: all of them, as they were given.

    Raises:
        InputError: one of the arguments cannot be sent.
    """

    def __init__(
        self, endpoint: str, arguments: tuple[Any, ...], named: dict[str, Any], timeout_ms: Limit = None
    ) -> None:
        names: list[str | bytes] = [""] * len(arguments)
        self._items: list[object] = []
        self._kinds: list[int] = []
        self.tensors: list[Any] = []
        for place, item in enumerate(arguments):
            self._add(item, endpoint, place)
        for name, item in named.items():
            names.append(text(name, "the name of an argument"))
            self._add(item, endpoint, name)
        self.call = (text(endpoint, "endpoint"), names, self._items, self._kinds, limit(timeout_ms))

    def _add(self, item: Any, endpoint: str, which: int | str) -> None:
        if type(item) in _SIMPLE:
            self._items.append(item)
            self._kinds.append(_VALUE)
        elif is_tensor(item):
            self._items.append(export_tensor(item))
            self._kinds.append(_TENSOR)
            self.tensors.append(item)
        elif isinstance(item, (list, tuple)) and item and all(map(is_tensor, item)):
            self._items.append([export_tensor(tensor) for tensor in item])
            self._kinds.append(_TENSORS)
            self.tensors += item
        else:
            label = which if isinstance(which, str) else f"argument {which}"
            self._items.append(plain(item, f"{endpoint}: {label}"))
            self._kinds.append(_VALUE)


class Offered:
    """What a server offers, as it was last asked.

    Attributes:
        epoch: of the worker that was; -1: none was.
        known: the endpoints by name, as functions of Python would have them too.
    """

    def __init__(self) -> None:
        self.epoch = -1
        self.known: dict[str, tuple[Endpoint, inspect.Signature]] = {}


class EndpointMethods:
    """The endpoints of a server as methods of what calls them, unless that has one of their name itself."""

    _offered: Offered

    def _epoch(self) -> int:
        """Changes when the server may offer something else."""
        raise NotImplementedError

    def endpoints(self) -> list[Endpoint]:
        """What the server offers, in its order; none of one that declares nothing. Waits for the worker to be ready."""
        raise NotImplementedError

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """An endpoint of the server, as a method; the first waits for the worker to be ready.

        Raises:
            AttributeError: there is none of this name.
        """
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__} has no {name!r}")
        try:
            known = self._known()
        except InputError as error:
            raise no_attribute(self, name, (), f"endpoints are known of a worker that runs, and {error}") from None
        if name not in known:
            raise no_attribute(self, name, tuple(known))
        return method_for(self, *known[name])

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._offered.known})

    def _known(self) -> dict[str, tuple[Endpoint, inspect.Signature]]:
        """The endpoints of the worker that there is now, by name."""
        epoch = self._epoch()
        if self._offered.epoch != epoch:
            self._offered.known = {it.name: (it, it.signature()) for it in self.endpoints()}
            self._offered.epoch = epoch
        return self._offered.known


def method_for(session: Any, endpoint: Endpoint, signature: inspect.Signature) -> Callable[..., Any]:
    """`session.blur`."""
    name = endpoint.name

    def method(*arguments: Any, **named: Any) -> Any:
        return (session.stream if endpoint.stream else session.call)(name, *arguments, **named)

    method.__name__ = name
    method.__qualname__ = f"{type(session).__name__}.{name}"
    method.__doc__ = endpoint.doc
    method.__signature__ = signature  # type: ignore[attr-defined]
    return method


def no_attribute(session: object, name: str, known: Sequence[str], reason: str = "") -> AttributeError:
    """The error for a name that is neither of a session nor of an endpoint."""
    import difflib

    own = [one for one in dir(type(session)) if not one.startswith("_")]
    close = difflib.get_close_matches(name, [*own, *known], 2)
    meant = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    offers = f"this server offers {', '.join(known)}" if known else reason or "its server declares no endpoints"
    return AttributeError(f"{type(session).__name__} has no {name!r}: {meant}{offers}")

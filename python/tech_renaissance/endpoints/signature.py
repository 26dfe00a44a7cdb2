"""What an endpoint takes and gives, read from its function."""

from __future__ import annotations

import sys

from ..errors import InputError
from .annotations import evaluated, fields_of, result_type_of, taker_of, type_of
from .declare import options_of
from .padding import read_pads
from .tensor_type import TensorListType, TensorType
from .value_types import AnyType, ListType, OptionalType, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .annotations import Type

_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200
_POSITIONAL_ARGUMENTS, _NAMED_ARGUMENTS = 0x04, 0x08
_STREAMS = ("Iterator", "Iterable", "Generator", "AsyncIterator", "AsyncIterable", "AsyncGenerator")
#: What Python hosts call the limit of a call.
LIMIT = "timeout_ms"
#: The name of a result that has none.
RESULT = "result"
_NO_DEFAULT: Any = object()


class Input:
    """One thing that an endpoint takes.

    Attributes:
        name: of the parameter.
        type: of what is given for it.
        required: it has to be given.
        default: what it is otherwise.
        by_name: it can be given by name alone.
        many: it takes any number of tensors.
        has_default: its parameter has one. One without that need not be given is None, or no tensors at all.
        takes_tensors: those that have no name are meant for it.
        where: what messages call it, "blur: radius".
    """

    __slots__ = ("by_name", "default", "has_default", "many", "name", "required", "takes_tensors", "type", "where")

    def __init__(
        self, name: str, kind: Type, default: Any = _NO_DEFAULT, *, by_name: bool = False, many: bool = False
    ) -> None:
        optional = isinstance(kind, OptionalType) and isinstance(kind.of, TensorType)
        self.name = name
        self.type: Any = kind.of if optional else kind  # type: ignore[union-attr]
        self.required = default is _NO_DEFAULT and not optional and not many
        self.has_default = default is not _NO_DEFAULT
        self.default = default if self.has_default or self.required else [] if many else None
        self.by_name = by_name
        self.many = many
        self.takes_tensors = isinstance(self.type, (TensorType, AnyType))
        self.where = name

    def describe(self) -> dict[str, object]:
        """As the hello tells it."""
        kind: dict[str, object] = self.type.describe()
        if self.many:
            kind = {"kind": "list", "of": kind}
        found: dict[str, object] = {"name": self.name, "type": kind, "required": self.required}
        if self.by_name:
            found["by_name"] = True
        if self.has_default:
            try:
                found["default"] = plain(self.default, self.name)
            except InputError:
                return found  # one that JSON has no form for is the server's own affair
        return found


class Outputs:
    """What an endpoint gives.

    Attributes:
        kinds: the type of each result, by name; empty for none.
        shape: how they come: "none", "one", "tuple", "members" of an object, or "any" where nothing is declared.
        take: of "members", gives them by name.
    """

    def __init__(self, annotation: Any, names: dict[str, Any], where: str) -> None:
        self.kinds: dict[str, Type] = {}
        self.take: Callable[[Any], dict[str, Any] | None] | None = None
        annotation = evaluated(annotation, names, where)
        members = None if hasattr(annotation, "model_fields") else fields_of(annotation, where)
        arguments = getattr(annotation, "__args__", ())
        if annotation is None or annotation is type(None):
            self.shape = "none"
        elif members is not None:
            self.shape = "members"
            self.take = taker_of(annotation)
            self.kinds = {it.name: result_type_of(it.annotation, it.names, f"{where}.{it.name}") for it in members}
        elif getattr(annotation, "__origin__", None) is tuple and arguments and arguments[-1] is not Ellipsis:
            self.shape = "tuple"
            self.kinds = {
                f"{RESULT}_{place}": result_type_of(argument, names, f"{where} {place}")
                for place, argument in enumerate(arguments)
            }
        else:
            kind = AnyType() if annotation is _NO_DEFAULT else result_type_of(annotation, names, where)
            self.shape = "any" if isinstance(kind, AnyType) else "one"
            self.kinds = {RESULT: kind}

    def describe(self) -> list[dict[str, object]]:
        """As the hello tells it."""
        return [{"name": name, "type": kind.describe()} for name, kind in self.kinds.items()]


class Signature:
    """All that is known of an endpoint without calling it.

    Args:
        name: of the endpoint.
        function: a method, bound to its object, or as it stands in a class.
        kind: that class.

    Attributes:
        inputs: in order of declaration.
        outputs: see there; of a stream those of each part.
        stream: it gives parts, one after the other.
        is_async: it is an `async def`, or a generator of that kind.
        open: it takes named values that it does not declare.
        starred: its `*tensors`, if it has such.
        positional: how many inputs the method takes by their position alone, that one among them.
        where: what messages call its result.
        example: see `endpoint`; None for none.
        max_batch_size: see `endpoint`.
        max_queue_delay_ms: see `endpoint`.
        batch: the symbol along which calls are joined; "" where they are not.
        pads: see `endpoint`: of each input that is padded, with what.
        padded: the symbols that may be other sizes in each call of a batch.

    Raises:
        InputError: a parameter or result is of a type that cannot travel.
    """

    def __init__(self, name: str, function: Any, kind: Any = None) -> None:
        self.name = name
        self.function = function
        plain_function = getattr(function, "__func__", function)
        while hasattr(plain_function, "__wrapped__"):  # by functools.wraps
            plain_function = plain_function.__wrapped__
        code = getattr(plain_function, "__code__", None)
        if code is None:
            raise InputError(f"the endpoint {name} is a {type(plain_function).__name__}: expected a method")
        bound_to = getattr(function, "__self__", None)
        kind = kind or type(bound_to)
        is_static = any(isinstance(vars(owner).get(function.__name__), staticmethod) for owner in kind.__mro__)
        is_method = kind is not type(None) and not is_static
        annotations = getattr(plain_function, "__annotations__", {})
        names = {**vars(sys.modules["builtins"]), **getattr(plain_function, "__globals__", {})}
        names.setdefault(kind.__name__, kind)
        text = (getattr(plain_function, "__doc__", None) or "").strip()
        self.doc = text.splitlines()[0] if text else ""
        flags = code.co_flags
        self.stream = bool(flags & (_GENERATOR | _ASYNC_GENERATOR))
        self.is_async = bool(flags & (_COROUTINE | _ASYNC_GENERATOR))
        self.open = bool(flags & _NAMED_ARGUMENTS)
        self.starred: Input | None = None
        self.positional = max(0, code.co_posonlyargcount - int(is_method))
        self.inputs = self._inputs(plain_function, annotations, names, skipped=int(is_method))
        self.outputs = Outputs(
            self._result(annotations.get("return", _NO_DEFAULT), names), names, f"the result of {name}"
        )
        for one in self.inputs:
            one.where = f"{name}: {one.name}"
        self.where = f"{name}: the result"
        self.tensor_inputs = [it for it in self.inputs if it.takes_tensors]
        options = options_of(function)
        self.example = options.example if options else None
        self.max_batch_size = options.max_batch_size if options else 1
        self.max_queue_delay_ms = options.max_queue_delay_ms if options else 0.0
        self.batch = self._batch() if self.max_batch_size > 1 else ""
        self.pads: dict[str, float] = {}
        self.padded: set[str] = set()
        if options is not None and options.pad is not None:
            self.pads, self.padded = read_pads(self, options.pad)

    def _inputs(
        self, function: Any, annotations: dict[str, Any], names: dict[str, Any], *, skipped: int
    ) -> list[Input]:
        code, defaults = function.__code__, function.__defaults__ or ()
        positional = code.co_varnames[skipped : code.co_argcount]
        by_name = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
        given = dict(zip(positional[len(positional) - len(defaults) :], defaults))
        given.update(function.__kwdefaults__ or {})
        found: list[Input] = []
        for name in positional:
            found.append(self._input(name, annotations, names, given))
        if code.co_flags & _POSITIONAL_ARGUMENTS:
            name = code.co_varnames[code.co_argcount + code.co_kwonlyargcount]
            kind = type_of(annotations[name], names, f"{name} of {self.name}") if name in annotations else TensorType()
            if not isinstance(kind, TensorType):
                raise InputError(
                    f"*{name} of the endpoint {self.name} is no tensor: expected a list, {name}: list[...]"
                )
            self.starred = Input(name, kind, many=True)
            found.append(self.starred)
            self.positional = len(found)
        for name in by_name:
            found.append(self._input(name, annotations, names, given, by_name=True))
        return found

    def _input(
        self,
        name: str,
        annotations: dict[str, Any],
        names: dict[str, Any],
        given: dict[str, Any],
        *,
        by_name: bool = False,
    ) -> Input:
        where = f"{name} of the endpoint {self.name}"
        if name == LIMIT:
            raise InputError(f"{where}: Python hosts say the limit of a call by this name; give it another one")
        annotation = evaluated(annotations.get(name, _NO_DEFAULT), names, where)
        origin, arguments = getattr(annotation, "__origin__", None), getattr(annotation, "__args__", ())
        if annotation is _NO_DEFAULT:
            return Input(name, AnyType(), given.get(name, _NO_DEFAULT), by_name=by_name)
        if origin in (list, tuple) and arguments and arguments[-1:] != (...,):
            inner = type_of(arguments[0], names, where)
            if isinstance(inner, TensorType):
                return Input(name, inner, given.get(name, _NO_DEFAULT), by_name=by_name, many=True)
        return Input(name, type_of(annotation, names, where), given.get(name, _NO_DEFAULT), by_name=by_name)

    def _batch(self) -> str:
        """The first dim of every tensor. Raises InputError where calls cannot be joined and split."""
        tensors = [one.type for one in self.inputs if isinstance(one.type, TensorType)]
        results = list(self.outputs.kinds.values())
        symbols = {kind.dims.first() if kind.dims is not None else "" for kind in tensors}
        symbol = next(iter(symbols), "")
        problem = ""
        loose = any(one.many or isinstance(one.type, AnyType) for one in self.inputs)
        if self.stream or self.is_async or self.open or loose:
            problem = "it is a stream, async, or takes any number of things"
        elif len(symbols) != 1 or not symbol:
            problem = 'not all of its tensors begin with one name, as in "b n"'
        elif not results or self.outputs.shape == "any":
            problem = "it declares no result"
        for kind in () if problem else results:
            rows = kind.dims.first() if isinstance(kind, TensorType) and kind.dims is not None else ""
            if rows != symbol and not isinstance(kind, (ListType, TensorListType)):
                problem = f'a result is {kind!r}: expected a tensor whose dims begin with "{symbol}", or a list'
        if problem:
            raise InputError(f"the endpoint {self.name} cannot take calls in batches: {problem}")
        return symbol

    def _result(self, annotation: Any, names: dict[str, Any]) -> Any:
        """Of a stream the annotation of a part."""
        annotation = evaluated(annotation, names, f"the result of {self.name}")
        if not self.stream or annotation is _NO_DEFAULT:
            return annotation
        origin = getattr(annotation, "__origin__", annotation)
        if getattr(origin, "__name__", getattr(origin, "_name", "")) not in _STREAMS:
            raise InputError(
                f"the endpoint {self.name} is a generator, and annotated to give {annotation!r:.200}: expected "
                "Iterator[...] of what it yields, or AsyncIterator[...]"
            )
        return getattr(annotation, "__args__", (_NO_DEFAULT,))[0]

    def describe(self) -> dict[str, object]:
        """As the hello tells it."""
        found: dict[str, object] = {
            "name": self.name,
            "doc": self.doc,
            "stream": self.stream,
            "inputs": [it.describe() for it in self.inputs],
            "outputs": self.outputs.describe(),
        }
        if self.open:
            found["open"] = True
        return found

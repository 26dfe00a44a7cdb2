"""From annotations to types. `typing` is not imported for it: what its objects are made of tells enough."""

from __future__ import annotations

import sys

from ..data.tsr_header import BY_NAME
from ..errors import InputError
from .dims import Dims
from .tensor_type import Tensor, TensorAnnotation, TensorListType, TensorType
from .value_types import (
    AnyType,
    DictType,
    EnumType,
    Field,
    ListType,
    ObjectType,
    OptionalType,
    Scalar,
    TupleType,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Union

    from .value_types import ValueType

    Type = Union[TensorType, TensorListType, ValueType]

_SCALARS: dict[Any, str] = {
    int: "int", float: "float", bool: "bool", str: "str", None: "none", type(None): "none"
}  # fmt: skip
_LISTS: dict[Any, Callable[[list[Any]], Any]] = {list: list, tuple: tuple, set: set, frozenset: frozenset}
_SEQUENCES = ("Sequence", "Iterable", "Collection", "MutableSequence")
_MAPPINGS = ("Mapping", "MutableMapping")


def evaluated(annotation: Any, names: dict[str, Any], where: str) -> Any:
    """An annotation that is a text, as `from __future__ import annotations` makes them, or stands between quotes.

    Raises:
        InputError: it cannot be evaluated.
    """
    depth = 0
    while isinstance(annotation, str) and depth < 2:
        try:
            annotation = eval(annotation, names)  # the server's own code
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        except Exception as error:
            raise InputError(
                f"the annotation {annotation!r:.200} of {where} cannot be evaluated: {type(error).__name__}: {error}; "
                "what it names has to be there when the server starts, not only for type checkers"
            ) from error
        depth += 1
    return annotation


def type_of(annotation: Any, names: dict[str, Any], where: str) -> Type:
    """The type that an annotation stands for.

    Args:
        annotation: as it stands at a parameter, a result or a member.
        names: what texts in it may name, the globals of its module.
        where: what it belongs to, for messages.

    Raises:
        InputError: it stands for nothing that can travel.
    """
    annotation = evaluated(annotation, names, where)
    tensor = tensor_of(annotation, where)
    if tensor is not None:
        return tensor
    kind = _SCALARS.get(annotation) if _is_hashable(annotation) else None
    if kind is not None:
        return Scalar(kind)
    found = _generic(annotation, names, where) or _class(annotation, where)
    if found is None:
        raise InputError(
            f"{where} is annotated {annotation!r:.200}, which cannot travel: expected a tensor, int, float, bool, str, "
            "a list, tuple or dict of these, an Optional, Literal or Enum, a dataclass, TypedDict, NamedTuple or "
            "pydantic model, or Any"
        )
    return found


def result_type_of(annotation: Any, names: dict[str, Any], where: str) -> Type:
    """The same for a result, which may be a list of tensors as well."""
    annotation = evaluated(annotation, names, where)
    tensors = list_of_tensors(annotation, names, where)
    return type_of(annotation, names, where) if tensors is None else TensorListType(tensors)


def list_of_tensors(annotation: Any, names: dict[str, Any], where: str) -> TensorType | None:
    """Of `list[Tensor]`, or a tuple of any length, the type of each; None for what means something else."""
    origin: Any = getattr(annotation, "__origin__", None)
    arguments: Any = getattr(annotation, "__args__", ())
    if origin not in (list, tuple) or not (len(arguments) == 1 or arguments[1:] == (...,)):
        return None
    return tensor_of(evaluated(arguments[0], names, where), where)


def _is_hashable(annotation: Any) -> bool:
    try:
        hash(annotation)
    except TypeError:
        return False
    return True


def tensor_of(annotation: Any, where: str) -> TensorType | None:
    """That of an annotation which means a tensor; None for another one."""
    if annotation is Tensor:
        return TensorType()
    if isinstance(annotation, TensorAnnotation):
        return annotation.tensor
    said = next((it.tensor for it in getattr(annotation, "__metadata__", ()) if isinstance(it, TensorAnnotation)), None)
    if said is not None:  # Annotated[torch.Tensor, Tensor["float32", "n"]], which type checkers understand
        plain = tensor_of(annotation.__origin__, where) or TensorType()
        return TensorType(said.dtypes, said.dims, plain.framework)
    if hasattr(annotation, "dim_str") and hasattr(annotation, "array_type"):  # of jaxtyping
        inner = tensor_of(annotation.array_type, where) or TensorType()
        return TensorType(_known(annotation.dtypes, where), _dims(annotation.dim_str, where), inner.framework)
    origin = getattr(annotation, "__origin__", annotation)
    module, name = getattr(origin, "__module__", ""), getattr(origin, "__name__", "")
    if name in ("Tensor", "Parameter") and str(module).partition(".")[0] == "torch":
        return TensorType(framework="torch")
    if name == "ndarray" and str(module).partition(".")[0] == "numpy":
        # NDArray[numpy.float32] is numpy.ndarray[Any, numpy.dtype[numpy.float32]].
        scalar = getattr(getattr(annotation, "__args__", (None, None))[-1], "__args__", (None,))[0]
        dtype = getattr(scalar, "__name__", "").rstrip("_")
        return TensorType((dtype,) if dtype in BY_NAME else (), framework="numpy")
    return None


def _dims(text: str, where: str) -> Dims:
    try:
        return Dims(text)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _known(dtypes: Any, where: str) -> tuple[str, ...]:
    """Of jaxtyping's names those that can travel; any, where it has no list of them."""
    if not isinstance(dtypes, (list, tuple)):
        return ()
    names = tuple(dict.fromkeys(str(name).rstrip("_") for name in dtypes))
    found = tuple(name for name in names if name in BY_NAME)
    if names and not found:
        raise InputError(f"{where} is a tensor of {', '.join(names)}, none of which can be sent")
    return found


def _generic(annotation: Any, names: dict[str, Any], where: str) -> Type | None:
    """Any, Union, Literal, Annotated, and what has brackets."""
    typing = sys.modules.get("typing")
    origin = getattr(annotation, "__origin__", None)
    arguments = getattr(annotation, "__args__", ())
    if annotation is object or (typing is not None and annotation is typing.Any):
        return AnyType()
    if hasattr(annotation, "__metadata__"):  # Annotated, of a tensor in tensor_of
        return type_of(origin, names, where)
    if hasattr(annotation, "__supertype__"):  # NewType
        return type_of(annotation.__supertype__, names, where)
    if type(annotation).__name__ == "UnionType" or (typing is not None and origin is typing.Union):
        rest = [argument for argument in arguments if argument is not type(None)]
        inner: Any = type_of(rest[0], names, where) if len(rest) == 1 else AnyType()
        return OptionalType(inner) if len(rest) < len(arguments) and not isinstance(inner, AnyType) else inner
    if typing is not None and origin is getattr(typing, "Literal", 0):
        return EnumType(arguments)
    kind: Any = origin or annotation
    if kind is tuple and arguments and arguments[-1] is not Ellipsis:
        return TupleType([_value(argument, names, where) for argument in arguments])
    if kind in _LISTS or getattr(kind, "__name__", "") in _SEQUENCES:
        return ListType(_value(arguments[0], names, where) if arguments else AnyType(), _LISTS.get(kind, list))
    if kind is dict or getattr(kind, "__name__", "") in _MAPPINGS:
        if arguments and arguments[0] is not str:
            raise InputError(f"{where} is annotated {annotation!r:.200}: expected texts as keys, as JSON has no other")
        return DictType(_value(arguments[1], names, where) if arguments else AnyType())
    return None


def _value(annotation: Any, names: dict[str, Any], where: str) -> Any:
    """The type of an item or member, which may be no tensor."""
    found = type_of(annotation, names, where)
    if isinstance(found, TensorType) or isinstance(getattr(found, "of", None), TensorType):
        raise InputError(
            f"{where} has tensors inside: expected them as inputs or results of their own, or a list of tensors "
            "as one of these"
        )
    return found


def _class(annotation: Any, where: str) -> Any:
    if not isinstance(annotation, type):
        return None
    enum = sys.modules.get("enum")
    if enum is not None and issubclass(annotation, enum.Enum):
        members: Any = annotation
        return EnumType([member.value for member in members], annotation)
    if hasattr(annotation, "model_fields") and hasattr(annotation, "model_validate"):
        return _model(annotation, where)
    fields = fields_of(annotation, where)
    if fields is not None:
        typed = [
            Field(it.name, _value(it.annotation, it.names, f"{where}.{it.name}"), required=it.required) for it in fields
        ]
        return ObjectType(annotation.__name__, typed, annotation, taker_of(annotation))
    base = next((kind for kind in (bool, int, float, str) if issubclass(annotation, kind)), None)
    numpy = sys.modules.get("numpy")
    if base is None and numpy is not None and issubclass(annotation, numpy.number):
        base = float if issubclass(annotation, numpy.floating) else int
    return Scalar(_SCALARS[base]) if base is not None else None


def _model(annotation: Any, where: str) -> ObjectType:
    """Of pydantic, which reads, checks and writes by itself."""

    def make(**members: Any) -> Any:
        return annotation.model_validate(members)

    def take(value: Any) -> dict[str, Any] | None:
        found: dict[str, Any] | None = value.model_dump(mode="json") if isinstance(value, annotation) else None
        return found

    fields = [Field(name, AnyType(), required=it.is_required()) for name, it in annotation.model_fields.items()]
    return ObjectType(annotation.__name__, fields, make, take)


class MemberOf:
    """A member of a class as it was written: its annotation, and what that may name."""

    __slots__ = ("annotation", "name", "names", "required")

    def __init__(self, name: str, annotation: Any, names: dict[str, Any], *, required: bool) -> None:
        self.name = name
        self.annotation = annotation
        self.names = names
        self.required = required


def fields_of(kind: Any, where: str) -> list[MemberOf] | None:
    """The members of a dataclass, TypedDict or NamedTuple; None of another class."""
    is_dict = hasattr(kind, "__required_keys__")
    is_tuple = isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")
    is_data = hasattr(kind, "__dataclass_fields__")
    if not (is_dict or is_tuple or is_data):
        return None
    annotations: dict[str, tuple[Any, dict[str, Any]]] = {}
    for owner in reversed(kind.__mro__):
        names = vars(sys.modules.get(owner.__module__, sys))
        for name, annotation in getattr(owner, "__annotations__", {}).items():
            annotations[name] = (getattr(annotation, "__forward_arg__", annotation), names)
    members: list[MemberOf] = []
    for name, (annotation, names) in annotations.items():
        if is_data:
            field = kind.__dataclass_fields__.get(name)
            if field is None or not field.init:
                continue
            dataclasses = sys.modules["dataclasses"]
            missing = dataclasses.MISSING
            required = field.default is missing and field.default_factory is missing
        elif is_tuple:
            required = name not in kind._field_defaults
        else:
            required = name in kind.__required_keys__
        members.append(MemberOf(name, annotation, names, required=required))
    return members


def taker_of(kind: Any) -> Callable[[Any], dict[str, Any] | None]:
    """Gives the members of an object of such a class, None for another object."""
    if hasattr(kind, "__required_keys__"):
        return lambda value: dict(value) if isinstance(value, dict) else None
    if hasattr(kind, "_fields"):
        return lambda value: value._asdict() if isinstance(value, kind) else None
    return lambda value: (
        {name: getattr(value, name) for name in kind.__dataclass_fields__} if isinstance(value, kind) else None
    )

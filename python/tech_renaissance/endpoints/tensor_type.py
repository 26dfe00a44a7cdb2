"""`Tensor["float32", "b 3 h w"]`, for annotations where jaxtyping is not installed; and what any tensor type says."""

from __future__ import annotations

import sys

from ..data.tsr_header import BY_NAME
from ..errors import InputError
from .dims import Dims

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..data.tensors import Framework
    from .dims import Sizes

_SHORT = {
    "f64": "float64", "f32": "float32", "f16": "float16", "bf16": "bfloat16", "i64": "int64", "i32": "int32",
    "i16": "int16", "i8": "int8", "u64": "uint64", "u32": "uint32", "u16": "uint16", "u8": "uint8", "c64": "complex64",
    "c128": "complex128", "bool_": "bool",
}  # fmt: skip
_GROUPS = {
    "float": tuple(name for name in BY_NAME if "float" in name),
    "int": tuple(name for name in BY_NAME if name.startswith("int")),
    "uint": tuple(name for name in BY_NAME if name.startswith("uint")),
    "complex": tuple(name for name in BY_NAME if name.startswith("complex")),
}


class TensorType:
    """A tensor, or an array.

    Args:
        dtypes: names of those that it may have; empty for any.
        dims: what its shape has to be, None for any.
        framework: "torch" or "numpy", when it has to be of that; None for that of the server.
    """

    kind = "tensor"

    def __init__(
        self, dtypes: Sequence[str] = (), dims: Dims | None = None, framework: Framework | None = None
    ) -> None:
        self.dtypes = tuple(dtypes)
        self.dims = dims
        self.framework = framework

    def describe(self) -> dict[str, object]:
        """As the hello tells it."""
        found: dict[str, object] = {"kind": self.kind}
        if self.dtypes:
            found["dtypes"] = list(self.dtypes)
        if self.dims is not None:
            found["dims"] = self.dims.text
        return found

    def check(self, tensor: Any, where: str, sizes: Sizes, owner: str = "the result") -> None:
        """Raises InputError when a tensor is not of this type.

        Args:
            tensor: of PyTorch or NumPy.
            where: which it is, for the message, "blur: image".
            sizes: of the symbols of this call.
            owner: what other messages call it.
        """
        if self.dtypes:
            name = _dtype_names.get(tensor.dtype) or _name_of_dtype(tensor.dtype)
            if name not in self.dtypes:
                raise InputError(f"{where} is {name}: expected {' or '.join(self.dtypes)}")
        if self.dims is not None:
            reason = self.dims.mismatch(tensor.shape, sizes, owner)
            if reason:
                raise InputError(f"{where} has {reason}")

    def told(self) -> str:
        """As a message has it: 'a tensor, float32 "n"'."""
        return f"a tensor, {self!r}" if self.dtypes or self.dims is not None else "a tensor"

    def __repr__(self) -> str:
        words = [" or ".join(self.dtypes) or "tensor"]
        return " ".join(words if self.dims is None else [*words, f'"{self.dims.text}"'])


class TensorListType:
    """Any number of tensors of one type, as a result; each travels as a tensor of its own, `masks.0`, `masks.1`."""

    kind = "list"

    def __init__(self, of: TensorType) -> None:
        self.of = of

    def describe(self) -> dict[str, object]:
        """As the hello tells it."""
        return {"kind": self.kind, "of": self.of.describe()}

    def __repr__(self) -> str:
        return f"list[{self.of!r}]"


_dtype_names: dict[object, str] = {}


def _name_of_dtype(dtype: object) -> str:
    name = _dtype_names[dtype] = str(dtype).rpartition(".")[2]
    return name


def is_tensor(value: object) -> bool:
    """Of PyTorch or NumPy; asks no library that is not imported yet."""
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    return (torch is not None and isinstance(value, torch.Tensor)) or (
        numpy is not None and isinstance(value, numpy.ndarray)
    )


def dtypes_of(name: str) -> tuple[str, ...]:
    """Those that a name stands for: "float32", "f32", "float" for all that are; "" or "any" for any.

    Raises:
        InputError: it is none.
    """
    name = _SHORT.get(name, name)
    if name in ("", "any"):
        return ()
    if name in BY_NAME:
        return (name,)
    if name in _GROUPS:
        return _GROUPS[name]
    raise InputError(
        f"there is no dtype {name!r:.100}: expected one of {', '.join(BY_NAME)}, a short name such as 'f32', or "
        f"{', '.join(map(repr, _GROUPS))} or 'any'"
    )


class TensorAnnotation:
    """What `Tensor[...]` gives; the type is read from it when a server starts, as from any annotation."""

    def __init__(self, tensor: TensorType) -> None:
        self.tensor = tensor

    def __repr__(self) -> str:
        return f"Tensor[{self.tensor!r}]"

    def __call__(self, *_: object, **__: object) -> object:
        """Only here because `typing` takes nothing for an annotation that cannot be called."""
        raise TypeError(f"{self!r} is for annotations: make a tensor with PyTorch or NumPy")

    def __or__(self, other: object) -> object:
        import typing

        return typing.Union[self, other]

    __ror__ = __or__

    def __hash__(self) -> int:
        return hash((self.tensor.dtypes, self.tensor.dims and self.tensor.dims.text))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorAnnotation) and repr(self) == repr(other)


class Tensor:
    """For annotations of endpoints: `Tensor`, `Tensor["float32"]`, `Tensor["float32", "b 3 h w"]`.

    The dtype is a name as PyTorch has it, a short one ("f32"), "float", "int", "uint" or "complex" for all of a kind,
    or "any". The dims are spelled as jaxtyping does. The server is given tensors of its framework. Type checkers
    understand `Annotated[torch.Tensor, Tensor["float32", "b 3 h w"]]`.
    """

    def __class_getitem__(cls, item: str | tuple[str, str]) -> TensorAnnotation:
        """The type.

        Raises:
            InputError: there is no such dtype, or the dims are none.
        """
        parts = item if isinstance(item, tuple) else (item,)
        if len(parts) not in (1, 2) or not all(isinstance(part, str) for part in parts):
            raise InputError(f'Tensor[{item!r:.200}]: expected a dtype and dims, Tensor["float32", "b 3 h w"]')
        return TensorAnnotation(TensorType(dtypes_of(parts[0]), Dims(parts[1]) if len(parts) == 2 else None))

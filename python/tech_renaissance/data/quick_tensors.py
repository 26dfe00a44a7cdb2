"""Tensors in one step of the library, header and elements at once, where they are as most are (docs/decisions/0017).

Every function has a long way beside it, in `tensors`, for what is not as usual.
"""

from __future__ import annotations

from ..platform import library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What a type of tensors offers to the library for the functions below: a table of DLPack's, or None where it takes the
# buffer protocol. Of those that have been seen here.
_exchanges: dict[Any, Any] = {}
_NONE_YET = "none yet"


def offer(kind: Any) -> None:
    """The library can take tensors of this type, which has been seen here."""
    if kind not in _exchanges and library.module is not None:
        if kind.__module__ == "numpy":
            _exchanges[kind] = None
        elif hasattr(kind, "__dlpack_c_exchange_api__"):
            _exchanges[kind] = _exchanges["torch"] = kind.__dlpack_c_exchange_api__


def _exchange_of(tensor: Any) -> Any:
    exchange = _exchanges.get(type(tensor), _NONE_YET)
    if exchange is None or exchange is _NONE_YET:
        return exchange
    # A view that has yet to be computed looks like what it is a view of.
    return _NONE_YET if tensor.is_neg() or tensor.is_conj() else exchange


def write_tensor(tensor: object, address: int, size: int) -> bool:
    """Writes a tensor, header first, to memory of exactly its size, in a fraction of the time of the long way.

    Returns:
        Whether that was done. The long way is for what is of another size, and for what is not as usual.
    """
    exchange = _exchange_of(tensor)
    if exchange is _NONE_YET:
        return False
    return library.module.write_tensor(exchange, tensor, address, size)  # type: ignore[no-any-return]


def describe_tensor(tensor: object) -> tuple[bytes, int, int] | None:
    """The header of a contiguous tensor on the CPU, the address of its elements, and how many bytes they take.

    None: the long way is for what is not as usual.
    """
    exchange = _exchange_of(tensor)
    if exchange is _NONE_YET:
        return None
    return library.module.describe_tensor(exchange, tensor)  # type: ignore[no-any-return]


def read_tensor(address: int, size: int, framework: str, owner: object = None) -> Any:
    """The tensor in memory that starts with its header, in a fraction of the time of the long way.

    Args:
        address: where.
        size: of all that is there.
        framework: "torch" or "numpy".
        owner: keeps the memory valid, and the tensor keeps it alive; None for a tensor that is a copy.

    Returns:
        The tensor, or None: the long way is for what is not as usual.
    """
    exchange = _exchanges.get(framework)
    return None if exchange is None else library.module.read_tensor(exchange, address, size, owner)

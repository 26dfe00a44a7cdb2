"""From what the compiled module gives to what Python code sees: tensors, and the results of endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core
from ..data.tensors import import_tensor
from ..data.tsr_header import DTYPES, TsrHeader, count_elements
from ..endpoints.result_tuple import result_tuple

if TYPE_CHECKING:
    from ..data.tensors import Framework


def tensor_over(tensor: _core.Tensor, framework: str) -> Any:
    """An array or tensor over the memory of a C++ tensor, which it keeps alive."""
    dtype = DTYPES[tensor.dtype - 1]
    shape = tensor.shape
    numel = count_elements(shape)
    header = TsrHeader(2, dtype, shape, numel, 0, numel * dtype.itemsize)
    return import_tensor(header, memoryview(tensor), framework, "a result")


def result_in(result: _core.Result, endpoint: str, framework: Framework) -> Any:
    """What a call gives: its one result, a tuple with names of several, or None.

    Of a server that declares nothing, and has sent no tensor: its text.
    """
    declared, words, items = result
    if not items:
        return None if declared else words
    found = [_made(item, framework) for _, item in items]
    return found[0] if len(found) == 1 else result_tuple(endpoint, tuple(name for name, _ in items))(*found)


def _made(item: Any, framework: Framework) -> Any:
    if isinstance(item, _core.Tensor):
        return tensor_over(item, framework)
    if type(item) is list and item and isinstance(item[0], _core.Tensor):
        return [tensor_over(tensor, framework) for tensor in item]
    return item

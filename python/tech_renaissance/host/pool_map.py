"""The results of one command on many inputs, in the order of these."""

from __future__ import annotations

from collections.abc import Sized
from typing import TYPE_CHECKING, Any, Generic

from ..data.tensors import export_tensor, framework_of
from .results import tensor_over
from .tensor_stream import TensorT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from typing_extensions import Self

    from .. import _core
    from ..data.tensors import Exported, Framework


class PoolMap(Generic[TensorT]):
    """An iterator over results; from `Pool.map`.

    Inputs are read, and calls made, while results are read: at most `look_ahead` beyond them. An error of a call, or of
    the inputs, is raised in its place, after the results before it, and ends the map; calls that were made beyond it
    are cancelled, as they are by `cancel`, at the end of `with`, and when nobody refers to the map any more.
    """

    def __init__(
        self,
        make: Callable[[Callable[[], list[Exported] | None]], _core.PoolMap],
        inputs: Iterable[Any],
        choose: Callable[[Framework | None], Framework],
        progress: Callable[[int, int | None], object] | None,
    ) -> None:
        """For `Pool.map`."""
        self._inputs = iter(inputs)
        self._total = len(inputs) if isinstance(inputs, Sized) else None
        self._given: list[Any] = []  # what is at work, which its calls use
        self._choose = choose
        self._progress = progress
        self._done = 0
        self._core = make(_reader(self._inputs, self._given))

    def __iter__(self) -> Iterator[TensorT]:
        return self

    def __next__(self) -> TensorT:
        """Waits for the next result."""
        tensor = self._core.next()
        if tensor is None:
            raise StopIteration
        inputs = self._given.pop(0)
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)
        result: TensorT = tensor_over(tensor, self._choose(framework_of(inputs)))
        return result

    def cancel(self) -> None:
        """Gives up what has not been read."""
        self._core.cancel()

    close = cancel

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()


class SizedPoolMap(PoolMap[TensorT]):
    """A map of inputs whose number is known, for those who show how far it is (tqdm, rich)."""

    def __len__(self) -> int:
        """How many results there are, read ones among them."""
        return self._total or 0


def _reader(inputs: Iterator[Any], given: list[Any]) -> Callable[[], list[Exported] | None]:
    """What reads the next input: a tensor, or a tuple of them. No method, as the map is to go when nobody has it."""

    def read() -> list[Exported] | None:
        for tensors in inputs:
            tensors = tensors if isinstance(tensors, tuple) else (tensors,)
            exported = [export_tensor(tensor) for tensor in tensors]
            given.append(tensors)
            return exported
        return None

    return read

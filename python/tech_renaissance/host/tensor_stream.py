"""Tensors of a session as Python code sees them: one, and those that come one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from .results import result_in, tensor_over

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from typing_extensions import Self, TypeVar

    from .. import _core
    from ..data.tensors import Framework

    # What results are, where that is known when the program is checked: with a framework that is named.
    TensorT = TypeVar("TensorT", default=Any)
else:
    from typing import TypeVar

    TensorT = TypeVar("TensorT")


class TensorStream(Generic[TensorT]):
    """What comes for one request that is answered in parts, in the order sent; from `PythonSession.stream`.

        with session.stream("frames", start) as frames:
            first = next(frames)

    Of an endpoint it gives each part as `call` gives a result: a tensor, a text or another value, a list of tensors, or
    of several results a tuple with names. Of another command it gives tensors, one by one.

    The worker is at most one part ahead of what was read. The stream holds a channel of the session: where there is no
    other (`SessionOptions.max_ongoing_requests`), other threads' calls wait until it has ended, and the thread that
    reads it must not make others meanwhile. It ends with its last tensor,
    an error (but for TimeoutError, after which it may be read on), Ctrl-C, `cancel`, the end of `with`, the end of its
    session, or when nobody refers to it any more. It may be read from any thread.
    """

    def __init__(self, owner: object, core: _core.Stream, framework: Framework) -> None:
        """For `PythonSession.stream` and `Pool.stream`."""
        self._owner = owner  # whose end would be the stream's
        self._core = core
        self._framework = framework

    def __iter__(self) -> Iterator[TensorT]:
        return self

    def __next__(self) -> TensorT:
        """Waits for the next of them.

        Raises:
            TimeoutError: it did not come within the limit.
            RestartError: the worker died.
            RemoteError: the server failed; or another error that its answer carries.
            InputError: the session has been closed.
        """
        item = self._core.next()
        if item is None:
            raise StopIteration
        is_part = type(item) is tuple
        found: TensorT = result_in(item, "part", self._framework) if is_part else tensor_over(item, self._framework)
        return found

    def is_ready(self) -> bool:
        """`next` would not wait: a tensor has come, the end, or what has ended it."""
        return self._core.is_ready()

    def cancel(self) -> None:
        """Has the server stopped at its next part, and drops what was on its way; nothing on a stream that has ended.

        Waits a moment for the server to notice. One that does not goes on, and the next request waits for it.
        """
        self._core.cancel()

    close = cancel

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()

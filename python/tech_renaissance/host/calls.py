"""Calls that go on beside the caller, and the wait for the next of several."""

from __future__ import annotations

from concurrent.futures import Future, InvalidStateError
from typing import TYPE_CHECKING, Any, Generic, NamedTuple

from .. import _core
from ..errors import InputError
from .arguments import limit, milliseconds
from .tensor_stream import TensorT

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from typing import Literal

    from .arguments import Limit
    from .session import PythonSession


class CallFuture(Future[TensorT]):
    """The result of a `PythonSession.calculate_async`.

    It is ready when the call has ended; `asyncio.wrap_future` makes an awaitable of it.
    """

    def __init__(self, call: _core.Call | None, result: Callable[[], TensorT]) -> None:
        """For `PythonSession.calculate_async`."""
        super().__init__()
        self._call = call
        self._get = result
        if call is None:
            self._settle()
        else:
            call.when_ready(self._settle)

    @classmethod
    def failed(cls, error: Exception) -> CallFuture[Any]:
        """Of a call that could not be made."""

        def fail() -> Any:
            raise error

        return CallFuture(None, fail)

    def result(self, timeout: float | None = None) -> TensorT:
        """The result of the call, once it has ended; at most so many seconds are waited."""
        return super().result(_seconds(timeout))

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What the call has raised, if anything, once it has ended; at most so many seconds are waited."""
        return super().exception(_seconds(timeout))

    def cancel(self) -> bool:
        """Gives the result up: a call that has not been sent is dropped, the server of one that is at work is told.

        Returns:
            False when the call had ended before.
        """
        again = self.cancelled()
        given_up = super().cancel()
        if given_up and not again and self._call is not None:
            self.set_running_or_notify_cancel()  # whoever waits for it need not wait for the worker
            self._call.cancel()
        return given_up

    def _settle(self) -> None:
        try:
            try:
                self.set_result(self._get())
            except InvalidStateError:
                raise
            except BaseException as error:
                self.set_exception(error)
        except InvalidStateError:
            return  # it was cancelled


def _seconds(timeout: Any) -> float | None:
    if timeout is not None and (isinstance(timeout, bool) or not hasattr(type(timeout), "__float__")):
        raise InputError(f"timeout is {timeout!r:.200}: expected seconds, or None to wait for ever")
    return timeout


class SentRequest(Generic[TensorT]):
    """A request that `PythonSession.send_request` has sent.

    Whoever has it may take the answer, on any thread: this is how a request is handed from one thread to another. For
    as long as it is there the answer is kept, also when the thread that sent the request has ended, or has sent another
    one.

    The methods are those of the session, for this request in place of the thread's last one; the answer can be read
    once, here or there. When its session has been closed, each is an InputError.
    """

    def __init__(self, session: PythonSession[TensorT], core: _core.SentRequest) -> None:
        """For `PythonSession.send_request`."""
        self._session = session
        self._core = core

    def new_response(self) -> bool:
        """There is something to read; does not wait."""
        return self._core.new_response()

    def read_response(self) -> str:
        """As `PythonSession.read_response`."""
        return self._core.read_response()

    def wait_for_response(self, timeout_ms: Limit = None) -> str:
        """As `PythonSession.wait_for_response`; an answer that has been read is an InputError."""
        return self._core.wait_for_response(limit(timeout_ms))

    def wait_for_tensor(self, timeout_ms: Limit = None) -> TensorT:
        """As `PythonSession.wait_for_tensor`."""
        return self._session._result(self._core.wait_for_tensor(limit(timeout_ms)))

    def wait_for_tensors(self, timeout_ms: Limit = None) -> list[TensorT]:
        """As `PythonSession.wait_for_tensors`."""
        return [self._session._result(tensor) for tensor in self._core.wait_for_tensors(limit(timeout_ms))]


class Ready(NamedTuple):
    """What `wait_any` waited for.

    Attributes:
        item: the session, request or future.
        event: "answer" (this thread's answer, or that to the request, can be read), "death" (the worker has ended), or
            "call" (it is done).
    """

    item: PythonSession[Any] | SentRequest[Any] | CallFuture[Any]
    event: Literal["answer", "death", "call"]


def wait_any(
    *items: PythonSession[Any] | SentRequest[Any] | CallFuture[Any], timeout_ms: int | timedelta = 0
) -> Ready | None:
    """Waits for the next of several sessions, requests and futures, those named first before others.

    A session is ready when an answer to this thread's `send_request` can be read, or its worker has ended.

    Args:
        items: what to wait for.
        timeout_ms: 0: for ever.

    Returns:
        None when the limit passed, or there is nothing to wait for.

    Raises:
        InputError: one of them is neither.
    """
    waiting = _core.WaitSet()
    for key, item in enumerate(items):
        if isinstance(item, CallFuture):
            if item._call is None:
                return Ready(item, "call")
            waiting.add_call(item._call, key)
        elif isinstance(item, SentRequest):
            waiting.add_sent(item._core, key)
        elif isinstance(getattr(item, "_core", None), _core.Session):
            waiting.add_session(item._core, key)
        else:
            raise InputError(
                "wait_any takes sessions, requests of send_request and futures of calculate_async; "
                f"got a {type(item).__name__}"
            )
    ready = waiting.wait(milliseconds(timeout_ms, "timeout_ms", "milliseconds or a timedelta, 0 to wait for ever"))
    return None if ready is None else Ready(items[ready[0]], ready[1])

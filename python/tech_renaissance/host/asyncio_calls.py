"""Sessions and pools in an asyncio program: their calls, streams, start and end, none of which blocks the event loop.

What waits in the library does so on a thread of its own; the loop hears of its end, and never waits for a thread.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from .calls import CallFuture
    from .pool_calls import PoolCalls
    from .session import PythonSession
    from .tensor_stream import TensorStream, TensorT

_Result = TypeVar("_Result")
_END = object()


async def result_of(future: CallFuture[TensorT]) -> TensorT:
    """The result of a call that goes on beside the loop; to cancel the wait is to cancel the call."""
    return await asyncio.wrap_future(future)


async def enter(session: PythonSession[Any]) -> None:
    """Starts the worker, if there is none. Whoever cancels that is left without one."""
    thread = _Thread(session)
    began: list[bool] = []

    def start() -> None:
        if not session.is_alive():
            began.append(True)
            session.start()

    try:
        await thread.run(start)
    except asyncio.CancelledError:
        thread.stop()
        thread.finish(lambda: session.terminate() if began else None)
        raise
    finally:
        thread.finish()


async def leave(session: PythonSession[Any], kind: type[BaseException] | None) -> None:
    """Ends the session as `with` does. Whoever cancels that does not wait for what the worker is at, but ends it."""
    thread = _Thread(session)
    try:
        await thread.run(lambda: session.__exit__(kind, None, None))
    except asyncio.CancelledError:
        _Thread(session).finish(session.terminate)
        raise
    finally:
        thread.finish()


async def parts(
    session: PythonSession[Any] | PoolCalls[Any], begin: Callable[[], TensorStream[TensorT]]
) -> AsyncGenerator[TensorT, None]:
    """The tensors of a stream, which is cancelled when this is closed, dropped, or cancelled itself."""
    thread = _Thread(session)
    begun: list[TensorStream[TensorT]] = []  # where the thread finds it also when the wait for it was cancelled

    def end() -> None:
        while begun:
            begun.pop().cancel()  # and it goes there, which may wait as well

    try:
        await thread.run(lambda: begun.append(begin()))
        while True:
            part: Any = await thread.run(lambda: next(begun[0], _END))
            if part is _END:
                return
            yield part
            del part  # before the next is waited for, so that its memory can be used for it
    except asyncio.CancelledError:
        thread.stop()
        raise
    finally:
        thread.finish(end)


class _Thread:
    """A thread for calls, which is there from the first of them until `finish`. For the loop's thread."""

    def __init__(self, session: PythonSession[Any] | PoolCalls[Any]) -> None:
        self._pool = ThreadPoolExecutor(1, "tech_renaissance")
        self._interruption = session._core.interruption()

    async def run(self, work: Callable[[], _Result]) -> _Result:
        """The result of this, on the thread. It goes on when the wait is cancelled, until `stop`."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[_Result] = loop.create_future()

        def interruptible() -> _Result:
            with self._interruption:
                return work()

        def settle(done: Future[_Result]) -> None:
            error = done.exception()
            if result.cancelled():
                return
            if error is not None:
                result.set_exception(error)
            else:
                result.set_result(done.result())

        def tell(done: Future[_Result]) -> None:
            try:
                loop.call_soon_threadsafe(settle, done)
            except RuntimeError:
                return  # the loop has been closed, so nobody waits

        self._pool.submit(interruptible).add_done_callback(tell)
        return await result

    def stop(self) -> None:
        """Ends the wait of the call that the thread is in; waits for nothing itself."""
        self._interruption.stop()

    def finish(self, last: Callable[[], object] | None = None) -> None:
        """Has the thread end, after it has done this."""
        if last is not None:
            self._pool.submit(last)
        self._pool.shutdown(wait=False)

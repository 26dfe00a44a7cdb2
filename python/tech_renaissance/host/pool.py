"""`Pool` for hosts written in Python: several workers of one server behind one call."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
import weakref
from concurrent.futures import wait as wait_for_futures
from typing import TYPE_CHECKING, Any, overload

from .. import _core
from ..data.tensors import choose_framework
from ..errors import InputError
from .arguments import milliseconds, whole_number
from .pool_calls import PoolCalls
from .pool_options import PoolOptions, PoolStats, PoolWorkerStats, core_arguments
from .session import worker_arguments
from .session_options import SessionOptions, batch_stats
from .tensor_stream import TensorT

if TYPE_CHECKING:
    from datetime import timedelta
    from types import TracebackType
    from typing import Literal

    from numpy.typing import NDArray
    from torch import Tensor
    from typing_extensions import Self

    from ..data.tensors import Framework

    Server = str | os.PathLike[str] | SessionOptions | PoolOptions

_FOR_EVER = "milliseconds or a timedelta, 0 to wait for ever"


class Pool(PoolCalls[TensorT]):
    """Several workers of one server behind one call.

        with Pool("server.py", workers=4) as pool:
            y = pool.calculate("blur", x)  # from any number of threads

    `with` starts the workers side by side, and stops them at the end, when the futures are done; `async with` does so
    for `acall`, `acalculate` and `astream`, and neither holds up the event loop. A worker that dies is
    replaced in the background, while the others go on. Every method may be called from any thread.

    Results come in the kind of the call's tensors; of a call without any as torch tensors where torch has been
    imported, else as NumPy arrays. `framework` decides it instead.
    """

    @overload
    def __init__(self, server: Server = "default", workers: int | None = None, *, framework: None = None) -> None: ...
    @overload
    def __init__(
        self: Pool[NDArray[Any]],
        server: Server = "default",
        workers: int | None = None,
        *,
        framework: Literal["numpy"],
    ) -> None: ...
    @overload
    def __init__(
        self: Pool[Tensor], server: Server = "default", workers: int | None = None, *, framework: Literal["torch"]
    ) -> None: ...
    def __init__(
        self, server: Server = "default", workers: int | None = None, *, framework: Framework | None = None
    ) -> None:
        """Takes a script, SessionOptions, or PoolOptions alone.

        Raises:
            InputError: an option has a value that it cannot have.
        """
        if framework is not None:
            choose_framework(framework)
        if isinstance(server, PoolOptions):
            if workers is not None:
                raise InputError(f"workers is {workers!r:.200} beside PoolOptions: expected PoolOptions alone")
            options = server
        else:
            session = server if isinstance(server, SessionOptions) else SessionOptions(script=server)
            options = PoolOptions(session) if workers is None else PoolOptions(session, workers)
        if not isinstance(options.session, SessionOptions):
            raise InputError(f"PoolOptions.session is {options.session!r:.200}: expected SessionOptions")
        core = _core.Pool(_core.Options(**worker_arguments(options.session)), **core_arguments(options))
        super().__init__(core, framework)
        # Ends the workers when this object goes, or before the interpreter is torn down.
        self._finalizer = weakref.finalize(self, core.close)
        self._finalizer.atexit = False
        with _lock:
            _open.add(self)

    def __repr__(self) -> str:
        try:
            stats = self._core.stats()
            states = ", ".join(worker["state"] for worker in stats["workers"])
            return f"<Pool of {len(stats['workers'])}: {states}; {stats['queued']} queued>"
        except InputError:  # closed, or a fork's
            return "<Pool, closed>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self.stop()  # whoever leaves in a hurry does not wait for calls that are at work
        self.close()

    async def __aenter__(self) -> Self:
        try:
            await asyncio.to_thread(self.start)
        except asyncio.CancelledError:
            threading.Thread(target=self.stop).start()  # which ends the start
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await asyncio.to_thread(self.__exit__, kind, value, traceback)
        except asyncio.CancelledError:
            threading.Thread(target=self.stop).start()  # whoever cancels does not wait for calls that are at work
            raise

    def close(self) -> None:
        """Waits for the futures, and stops the workers; the pool is then of no use. Streams are cancelled."""
        self._core.end_streams()  # which the futures may wait for
        wait_for_futures(tuple(self._calls))
        self._finalizer()

    def start(self) -> None:
        """Starts all workers side by side, and returns when all are ready.

        In a pool that runs, or has been drained: lets calls in again, and starts those that have left.

        Raises:
            TRException: the first error of one; unless the pool was running, the others are stopped then.
        """
        self._offered.epoch = -1
        self._core.start()

    def stop(self) -> None:
        """Stops all workers side by side; it may be started again.

        Calls at work end with a RestartError, those that wait with a RetryError (E4002). To let them end, `drain`
        first.
        """
        self._core.stop()

    def drain(self, timeout_ms: int | timedelta = 0) -> None:
        """Lets no more calls in (RetryError, E3002), and returns when all that there were have ended.

        Raises:
            TimeoutError: that takes longer; none is let in all the same.
        """
        self._core.drain(milliseconds(timeout_ms, "timeout_ms", _FOR_EVER))

    def resize(self, workers: int, timeout_ms: int | timedelta = 0) -> None:
        """To this number of workers: more are started, those that are too many finish what is at work, and are stopped.

        Raises:
            TRException: the first error of one that could not be started.
            TimeoutError: those that are too many go when they have finished.
        """
        count = whole_number(workers, "workers", "a whole number", 2**31 - 1)
        self._core.resize(count, milliseconds(timeout_ms, "timeout_ms", _FOR_EVER))

    def reload(self, timeout_ms: int | timedelta = 0) -> None:
        """Gives each worker a new process, one after the other, while the others serve.

        Raises:
            TRException: why one could not be started; the others are left as they are.
        """
        self._offered.epoch = -1
        self._core.reload(milliseconds(timeout_ms, "timeout_ms", _FOR_EVER))

    def clear_quarantine(self) -> None:
        """Lets calls through again that `RestartPolicy.quarantine_after` keeps from the workers."""
        self._core.clear_quarantine()

    def size(self) -> int:
        """How many workers there are."""
        return self._core.size()

    def stats(self) -> PoolStats:
        """What the pool has done so far and how; a snapshot."""
        found = self._core.stats()
        workers = [PoolWorkerStats(**worker) for worker in found["workers"]]
        return PoolStats(**{**found, "workers": workers, "batches": batch_stats(found["batches"])})


_open: weakref.WeakSet[Pool[Any]] = weakref.WeakSet()
_lock = threading.Lock()


@atexit.register
def _close_all() -> None:
    with _lock:
        pools = list(_open)
    for pool in pools:
        with contextlib.suppress(InputError):  # in a fork of the program, which has no part in those of its parent
            pool._core.close()  # finalizers are no more at this point

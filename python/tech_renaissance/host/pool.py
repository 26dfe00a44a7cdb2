"""`Pool` for hosts written in Python: several workers of one server behind one call."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import sys
import threading
import weakref
from collections.abc import Sized
from concurrent.futures import wait as wait_for_futures
from typing import TYPE_CHECKING, Any, Generic, overload

from .. import _core
from ..data.tensors import choose_framework, export_tensor, framework_of
from ..endpoints.tensor_type import is_tensor
from ..errors import InputError
from .arguments import inputs, limit, milliseconds, text, whole_number
from .calls import CallFuture
from .endpoint_calls import Endpoint, Packed, known_endpoints, result_in
from .pool_map import PoolMap, SizedPoolMap
from .pool_options import PoolOptions, PoolStats, PoolWorkerStats, core_arguments
from .session import worker_arguments
from .session_options import SessionOptions
from .tensor_stream import TensorStream, TensorT, tensor_over

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import timedelta
    from types import TracebackType
    from typing import Literal

    from numpy.typing import NDArray
    from torch import Tensor
    from typing_extensions import Self

    from ..data.tensors import Framework
    from .arguments import Limit

    Server = str | os.PathLike[str] | SessionOptions | PoolOptions

_FOR_EVER = "milliseconds or a timedelta, 0 to wait for ever"


class PoolCalls(Generic[TensorT]):
    """The calls of a pool: those of a `PythonSession` that are a whole turn, in the worker that is least busy.

    By itself it is the pool with a key or a priority; from `Pool.by_key` and `Pool.with_priority`.

    Limits count the wait for a worker. Errors are a session's, and OverloadedError (the queue is full), RestartError
    (the worker died at work on the call, or none is left), TimeoutError (also before a worker was free), RetryError
    (the pool was stopped, or drained). Ctrl-C ends any wait.
    """

    def __init__(
        self, core: _core.Pool, framework: Framework | None, key: str | bytes | None = None, priority: int = 0
    ) -> None:
        """For `Pool`."""
        self._core = core
        self._framework = framework
        self._key = key
        self._priority = priority
        self._calls: weakref.WeakSet[CallFuture[Any]] = weakref.WeakSet()
        self._pool: PoolCalls[TensorT] | None = None  # kept

    def _with(self, key: str | bytes | None, priority: int) -> PoolCalls[TensorT]:
        calls: PoolCalls[TensorT] = PoolCalls(self._core, self._framework, key, priority)
        calls._calls = self._calls
        calls._pool = self._pool or self
        return calls

    def by_key(self, key: str) -> PoolCalls[TensorT]:
        """The same pool: calls with one key go to the same worker, for as long as that serves.

        For what a worker keeps between calls. While it is dead, or when workers have come or gone, another one gets
        them.
        """
        return self._with(text(key, "key"), self._priority)

    def with_priority(self, priority: int) -> PoolCalls[TensorT]:
        """The same pool: of the calls that wait, those of a higher priority come first; 0 where nothing is said."""
        if isinstance(priority, bool) or not isinstance(priority, int) or abs(priority) >= 2**31:
            raise InputError(f"priority is {priority!r:.200}: expected a whole number")
        return self._with(self._key, priority)

    def call(self, endpoint: str, /, *arguments: Any, timeout_ms: Limit = None, **named: Any) -> Any:
        """As `PythonSession.call`."""
        packed = Packed(endpoint, arguments, named)
        result = self._core.call(
            self._key,
            self._priority,
            text(endpoint, "endpoint"),
            packed.names,
            packed.items,
            packed.kinds,
            limit(timeout_ms),
        )
        return result_in(result, endpoint, self._choose(framework_of(packed.tensors)))

    def submit_call(self, endpoint: str, /, *arguments: Any, timeout_ms: Limit = None, **named: Any) -> CallFuture[Any]:
        """`call` beside the caller, as `submit`."""
        return self._submit_call(endpoint, arguments, timeout_ms, named, True)

    async def acall(self, endpoint: str, /, *arguments: Any, timeout_ms: Limit = None, **named: Any) -> Any:
        """`call` for asyncio, as `acalculate`."""
        return await asyncio.wrap_future(self._submit_call(endpoint, arguments, timeout_ms, named, False))

    def _submit_call(
        self, endpoint: str, arguments: tuple[Any, ...], timeout_ms: Limit, named: dict[str, Any], waits: bool
    ) -> CallFuture[Any]:
        packed = Packed(endpoint, arguments, named)
        kind = self._choose(framework_of(packed.tensors))
        call = self._core.submit_call(
            self._key,
            self._priority,
            text(endpoint, "endpoint"),
            packed.names,
            packed.items,
            packed.kinds,
            limit(timeout_ms),
            waits,
        )
        future: CallFuture[Any] = CallFuture(call, lambda: result_in(call.result(), endpoint, kind))
        self._calls.add(future)
        return future

    def endpoints(self) -> list[Endpoint]:
        """What the server offers; asks one of the workers."""
        return known_endpoints(self._core)

    def calculate(self, command: str, *tensors: Any, timeout_ms: Limit = None, **named: Any) -> TensorT:
        """As `PythonSession.calculate`."""
        tensors, exported, names = inputs(tensors, named)
        result = self._core.calculate(
            self._key, self._priority, text(command, "command"), exported, names, limit(timeout_ms)
        )
        return self._result(result, tensors)

    def calculate_many(self, command: str, *tensors: Any, timeout_ms: Limit = None, **named: Any) -> list[TensorT]:
        """As `PythonSession.calculate_many`."""
        tensors, exported, names = inputs(tensors, named)
        results = self._core.calculate_many(
            self._key, self._priority, text(command, "command"), exported, names, limit(timeout_ms)
        )
        return [self._result(tensor, tensors) for tensor in results]

    def calculate_named(
        self, command: str, *tensors: Any, timeout_ms: Limit = None, **named: Any
    ) -> dict[str, TensorT]:
        """As `PythonSession.calculate_named`."""
        tensors, exported, names = inputs(tensors, named)
        results = self._core.calculate_named(
            self._key, self._priority, text(command, "command"), exported, names, limit(timeout_ms)
        )
        return {name: self._result(tensor, tensors) for name, tensor in results.items()}

    def fetch_response(self, message: str, timeout_ms: Limit = None) -> str:
        """As `PythonSession.fetch_response`."""
        return self._core.fetch_response(self._key, self._priority, text(message, "message"), limit(timeout_ms))

    def fetch_tensor(self, message: str, timeout_ms: Limit = None) -> TensorT:
        """As `PythonSession.fetch_tensor`."""
        tensor = self._core.fetch_tensor(self._key, self._priority, text(message, "message"), limit(timeout_ms))
        return self._result(tensor)

    def stream(self, command: str, *tensors: Any, timeout_ms: Limit = None, **named: Any) -> TensorStream[TensorT]:
        """As `PythonSession.stream`; it has one of its worker's places until it has ended."""
        if named or not all(map(is_tensor, tensors)):
            packed = Packed(command, tensors, named)
            typed = self._core.stream_endpoint(
                self._key,
                self._priority,
                text(command, "command"),
                packed.names,
                packed.items,
                packed.kinds,
                limit(timeout_ms),
            )
            return TensorStream(self, typed, self._choose(framework_of(packed.tensors)))
        exported = [export_tensor(tensor) for tensor in tensors]
        core = self._core.stream(self._key, self._priority, text(command, "command"), exported, limit(timeout_ms))
        return TensorStream(self, core, self._choose(framework_of(tensors)))

    def submit(self, command: str, *tensors: Any, timeout_ms: Limit = None, **named: Any) -> CallFuture[TensorT]:
        """`calculate` beside the caller: a `concurrent.futures.Future`.

        `cancel` frees its place in the queue, or has its worker told. The limit counts from here. The tensors are
        shared, not copied, so leave their contents alone until the future is done. Where the queue is full, and the
        pool is to wait, this waits for a place.
        """
        return self._submit(command, tensors, timeout_ms, named, True)

    async def acalculate(self, command: str, *tensors: Any, timeout_ms: Limit = None, **named: Any) -> TensorT:
        """`calculate` for asyncio: the loop goes on meanwhile. To cancel the task is to cancel the call."""
        return await asyncio.wrap_future(self._submit(command, tensors, timeout_ms, named, False))

    def _submit(
        self, command: str, tensors: tuple[Any, ...], timeout_ms: Limit, named: dict[str, Any], waits: bool
    ) -> CallFuture[TensorT]:
        tensors, exported, names = inputs(tensors, named)
        kind = self._choose(framework_of(tensors))
        call = self._core.submit(
            self._key, self._priority, text(command, "command"), exported, names, limit(timeout_ms), waits
        )
        future: CallFuture[TensorT] = CallFuture(call, lambda: tensor_over(call.get(), kind))
        self._calls.add(future)
        return future

    def map(
        self,
        command: str,
        inputs: Iterable[Any],
        *,
        timeout_ms: Limit = None,
        look_ahead: int | None = None,
        progress: Callable[[int, int | None], object] | None = None,
    ) -> PoolMap[TensorT]:
        """The results of one command on many inputs, in the order of these; inputs are read as they are needed.

            for y in tqdm(pool.map("blur", images)):

        Args:
            command: as for `calculate`.
            inputs: a tensor each, or a tuple of them.
            timeout_ms: for each call, from when it is put into the queue.
            look_ahead: how many calls there are beyond the one whose result is read next. None: as the workers take at
                a time, and one more for each worker.
            progress: gets how many results have been read, and of how many (None where `inputs` has no length).
        """
        words = text(command, "command")
        ahead = 0 if look_ahead is None else whole_number(look_ahead, "look_ahead", "a whole number", 2**31)
        timeout = limit(timeout_ms)
        kind: type[PoolMap[TensorT]] = SizedPoolMap if isinstance(inputs, Sized) else PoolMap
        return kind(
            lambda read: _core.PoolMap(self._core, self._key, self._priority, words, read, timeout, ahead),
            inputs,
            self._choose,
            progress,
        )

    def _choose(self, kind: Framework | None = None) -> Framework:
        """The framework that results come in, for inputs of this one."""
        return choose_framework(self._framework or kind or ("torch" if "torch" in sys.modules else "numpy"))

    def _result(self, tensor: _core.Tensor, inputs: Sequence[Any] = ()) -> TensorT:
        result: TensorT = tensor_over(tensor, self._choose(framework_of(inputs)))
        return result


class Pool(PoolCalls[TensorT]):
    """Several workers of one server behind one call.

        with Pool("server.py", workers=4) as pool:
            y = pool.calculate("blur", x)  # from any number of threads

    `with` starts the workers side by side, and stops them at the end, when the futures are done; `async with` does so
    for `acalculate`, and neither holds up the event loop. A worker that dies is
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
        self._core.reload(milliseconds(timeout_ms, "timeout_ms", _FOR_EVER))

    def size(self) -> int:
        """How many workers there are."""
        return self._core.size()

    def stats(self) -> PoolStats:
        """What the pool has done so far and how; a snapshot."""
        found = self._core.stats()
        return PoolStats(**{**found, "workers": [PoolWorkerStats(**worker) for worker in found["workers"]]})


_open: weakref.WeakSet[Pool[Any]] = weakref.WeakSet()
_lock = threading.Lock()


@atexit.register
def _close_all() -> None:
    with _lock:
        pools = list(_open)
    for pool in pools:
        with contextlib.suppress(InputError):  # in a fork of the program, which has no part in those of its parent
            pool._core.close()  # finalizers are no more at this point

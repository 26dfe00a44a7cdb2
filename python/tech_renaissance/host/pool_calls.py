"""The calls of a pool."""

from __future__ import annotations

import asyncio
import sys
import weakref
from collections.abc import Sized
from typing import TYPE_CHECKING, Any, Generic

from .. import _core
from ..data.tensors import choose_framework, export_tensor, framework_of
from ..endpoints.tensor_type import is_tensor
from ..errors import InputError
from .arguments import inputs, limit, text, whole_number
from .calls import CallFuture
from .endpoint_calls import EndpointMethods, Offered, Packed, known_endpoints
from .pool_map import PoolMap, SizedPoolMap
from .results import result_in, tensor_over
from .tensor_stream import TensorStream, TensorT

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

    from ..data.tensors import Framework
    from .arguments import Limit
    from .endpoint_calls import Endpoint


class PoolCalls(EndpointMethods, Generic[TensorT]):
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
        self._offered = Offered()
        self._pool: PoolCalls[TensorT] | None = None  # kept

    def _with(self, key: str | bytes | None, priority: int) -> PoolCalls[TensorT]:
        calls: PoolCalls[TensorT] = PoolCalls(self._core, self._framework, key, priority)
        calls._calls = self._calls
        calls._offered = self._offered
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
        """As `PythonSession.call`; an endpoint is an attribute of the pool as well: `pool.blur(image, radius=5)`."""
        packed = Packed(endpoint, arguments, named, timeout_ms)
        result = self._core.call(self._key, self._priority, *packed.call)
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
        packed = Packed(endpoint, arguments, named, timeout_ms)
        kind = self._choose(framework_of(packed.tensors))
        call = self._core.submit_call(self._key, self._priority, *packed.call, waits)
        future: CallFuture[Any] = CallFuture(call, lambda: result_in(call.result(), endpoint, kind))
        self._calls.add(future)
        return future

    def endpoints(self) -> list[Endpoint]:
        """What the server offers; asks one of the workers."""
        return known_endpoints(self._core)

    def _epoch(self) -> int:
        return 0  # what is known is forgotten when workers are replaced by others on purpose

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
            packed = Packed(command, tensors, named, timeout_ms)
            typed = self._core.stream_endpoint(self._key, self._priority, *packed.call)
            return TensorStream(self, typed, self._choose(framework_of(packed.tensors)))
        exported = [export_tensor(tensor) for tensor in tensors]
        core = self._core.stream(self._key, self._priority, text(command, "command"), exported, limit(timeout_ms))
        return TensorStream(self, core, self._choose(framework_of(tensors)))

    def astream(
        self, command: str, *tensors: Any, timeout_ms: Limit = None, **named: Any
    ) -> AsyncGenerator[TensorT, None]:
        """`stream` for asyncio, as `PythonSession.astream`."""
        from .asyncio_calls import parts

        return parts(self, lambda: self.stream(command, *tensors, timeout_ms=timeout_ms, **named))

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

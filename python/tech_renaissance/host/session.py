"""`PythonSession` for hosts written in Python: the C++ one, with NumPy arrays and torch tensors in and out."""

from __future__ import annotations

import os
import sys
import warnings
import weakref
from concurrent.futures import wait as wait_for_futures
from typing import TYPE_CHECKING, Any, Generic, overload

from ..data.tensors import choose_framework, dims, export_tensor, find_dtype, framework_of
from ..endpoints.tensor_type import is_tensor
from ..errors import InputError
from .arguments import inputs, limit, milliseconds, path, text, truth, whole_number
from .calls import CallFuture, SentRequest
from .endpoint_calls import EndpointMethods, Offered, Packed, known_endpoints
from .results import result_in, tensor_over
from .session_options import SessionInfo, SessionOptions, SessionStats, WorkerHealth, batch_stats, core_arguments
from .several import claiming, opened
from .tensor_stream import TensorStream, TensorT

try:
    from .. import _core
except ImportError as error:
    raise ImportError(
        f"PythonSession needs the compiled module tech_renaissance._core, which cannot be loaded: {error}. "
        "Install the package with 'pip install .', or build it in the source tree with 'make build-dev'. "
        "Workers do without it."
    ) from error

if TYPE_CHECKING:
    import builtins
    from collections.abc import AsyncGenerator, Sequence
    from datetime import timedelta
    from types import TracebackType
    from typing import Literal

    from numpy.typing import NDArray
    from torch import Tensor
    from typing_extensions import Self

    from ..data.tensors import Framework
    from .arguments import Limit
    from .endpoint_calls import Endpoint

    Script = str | os.PathLike[str] | SessionOptions

_INTERPRETER_VARIABLES = ("TR_PYTHON", "VIRTUAL_ENV", "CONDA_PREFIX")


class PythonSession(EndpointMethods, Generic[TensorT]):
    """A Python worker process that answers requests as if it were a function.

        with PythonSession() as session:
            product = session.calculate("torch.matmul", a, b)

    `with` starts the worker, and stops it at the end; `async with` does so for `acalculate` and `astream`, and none of
    these ever holds up the event loop. Tensors are NumPy arrays or torch tensors; results come in the
    kind of the tensors last sent, and before any was sent as torch tensors where torch has been imported, else as
    NumPy arrays. `framework`, "numpy" or "torch", decides it instead, for type checkers as well: they see a
    PythonSession[Tensor], or one of arrays. A result stays as it is for as long as it is held, also after the session.

    Limits are milliseconds, or a timedelta: 0 waits for ever, None is `SessionOptions.default_timeout_ms`. A limit that
    passes is a TimeoutError, the worker's death a RestartError that tells how it died and ends with its log, and a
    failure in the Python code a RemoteError with its traceback. Ctrl-C ends any wait.

    Every method may be called from any thread. As many requests are in flight at a time as
    `SessionOptions.max_ongoing_requests` says, one by default, and each thread gets the answers to its own requests,
    never to another's. A `SentRequest` hands a request that was sent by hand to another thread.
    """

    @overload
    def __init__(
        self,
        script_path: Script = "default",
        session_id: str | None = None,
        quiet_mode: bool | None = None,
        *,
        framework: None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: PythonSession[NDArray[Any]],
        script_path: Script = "default",
        session_id: str | None = None,
        quiet_mode: bool | None = None,
        *,
        framework: Literal["numpy"],
    ) -> None: ...
    @overload
    def __init__(
        self: PythonSession[Tensor],
        script_path: Script = "default",
        session_id: str | None = None,
        quiet_mode: bool | None = None,
        *,
        framework: Literal["torch"],
    ) -> None: ...
    def __init__(
        self,
        script_path: Script = "default",
        session_id: str | None = None,
        quiet_mode: bool | None = None,
        *,
        framework: Framework | None = None,
    ) -> None:
        """Takes what C++ takes: a script and an id, see `SessionOptions`, or SessionOptions alone.

        Raises:
            InputError: an option has a value that it cannot have.
        """
        if framework is not None:
            choose_framework(framework)
        if not isinstance(script_path, SessionOptions):
            options = SessionOptions(script=script_path, session_id=session_id or "", quiet=quiet_mode or False)
        elif session_id is not None or quiet_mode is not None:
            name, value = ("session_id", session_id) if session_id is not None else ("quiet_mode", quiet_mode)
            raise InputError(
                f"{name} is {value!r:.200} beside SessionOptions: expected SessionOptions alone, with its session_id "
                "and quiet set"
            )
        else:
            options = script_path
        self._open(_core.Session(**worker_arguments(options)), framework)

    def _open(self, core: _core.Session, framework: Framework | None) -> None:
        self._framework = framework
        self._last_sent: Framework | None = None
        self._calls: weakref.WeakSet[CallFuture[Any]] = weakref.WeakSet()
        self._offered = Offered()
        self._core = core
        # Ends the worker when this object goes, or with all others before the interpreter is torn down.
        self._finalizer = weakref.finalize(self, core.close)
        self._finalizer.atexit = False
        opened(self)

    @overload
    @classmethod
    def connect(cls, session_id: str, options: SessionOptions | None = None, *, framework: None = None) -> Self: ...
    @overload
    @classmethod
    def connect(
        cls, session_id: str, options: SessionOptions | None = None, *, framework: Literal["numpy"]
    ) -> PythonSession[NDArray[Any]]: ...
    @overload
    @classmethod
    def connect(
        cls, session_id: str, options: SessionOptions | None = None, *, framework: Literal["torch"]
    ) -> PythonSession[Tensor]: ...
    @classmethod
    def connect(
        cls, session_id: str, options: SessionOptions | None = None, *, framework: Framework | None = None
    ) -> PythonSession[Any]:
        """A session with the worker that another program of this user runs under this id.

        It takes a channel of that worker, beside its owner's. The end of this session closes the channel and nothing
        else; the end of the owner ends the worker, and with it calls of this session, with a RestartError that says so.
        Tags are this session's. `restart` attaches again; `please_exit` and `terminate` close the channel.

        Args:
            session_id: of the session; `list` tells which there are.
            options: what concerns the start of a process is not looked at.
            framework: as for the constructor.

        Raises:
            NotFoundError: there is no such session; the message lists those there are.
        """
        if framework is not None:
            choose_framework(framework)
        if not isinstance(options, (SessionOptions, type(None))):
            raise InputError(f"options is {options!r:.200}: expected SessionOptions or None")
        arguments = worker_arguments(options or SessionOptions()) | {"session_id": text(session_id, "session_id")}
        session = cls.__new__(cls)
        session._open(_core.Session.connect(**arguments), framework)
        return session

    @staticmethod
    def list(workspace: str | os.PathLike[str] = "") -> builtins.list[SessionInfo]:
        """The sessions that programs of this user run in a workspace; as in `SessionOptions`."""
        return [SessionInfo(**found) for found in _core.list_sessions(path(workspace, "workspace"))]

    def __repr__(self) -> str:
        try:
            stats = self._core.stats()
            worker = f"worker {stats['worker_pid']} {stats['worker_state']}" if stats["worker_pid"] else "no worker"
            carrier = f", {stats['carrier']}" if stats["carrier"] else ""
            return f"<PythonSession {self._core.session_id()!r}: {worker}{carrier}>"
        except InputError:  # closed, or a fork's
            return "<PythonSession, closed>"

    def __enter__(self) -> Self:
        if not self.is_alive():
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            # Whoever leaves in a hurry does not wait for a request that is at work.
            self.terminate()
        self.close()

    def close(self) -> None:
        """Waits for the futures, stops the worker and removes the session directory; the session is then of no use.

        A stream that has not ended is cancelled.
        """
        self._core.end_streams()  # which the futures wait for
        wait_for_futures(tuple(self._calls))
        self._finalizer()

    def start(self) -> None:
        """Creates the session directory and the worker; returns when its process runs, long before it is ready.

        Requests may be sent at once: they wait for it, as `wait_until_ready` does. When the script ends instead, they
        tell (RestartError).

        Raises:
            InputError: the script does not exist.
            RetryError: the session id is in use.
            RestartError: there is no interpreter, or its process cannot be started.
        """
        claiming(self, self._core.start)

    def start_async(self, timeout_ms: Limit = None) -> CallFuture[None]:
        """`start` and `wait_until_ready` beside the caller: a future that is done when the worker is ready.

        `start` alone may take a while with `quick_start`. It is a call like those of `calculate_async`, which are made
        after it; other calls have no worker before it has been started.
        """
        call = _core.Call.start(self._core, limit(timeout_ms))

        def ready() -> None:
            call.get()

        future = CallFuture(call, ready)
        self._calls.add(future)
        return future

    def is_alive(self) -> bool:
        """The worker process lives."""
        return self._core.is_alive()

    def is_ready(self) -> bool:
        """The worker has said that it takes requests, and is not at work on one; does not wait.

        One that has ended never is: a loop looks at `is_alive` as well.
        """
        return self._core.is_ready()

    def is_busy(self) -> bool:
        """A request is in flight that has no answer yet; does not wait."""
        return self._core.is_busy()

    def progress(self) -> str:
        """What the server said last with `write_status` in the request in flight, the oldest of several; does not wait.

        Empty when it has said nothing, or there is none. Costs next to nothing where there is nothing new.
        """
        return self._core.progress()

    def event_fd(self) -> int:
        """A descriptor for `select`, asyncio's `add_reader`, Qt or another event loop; the same each time.

            loop.add_reader(session.event_fd(), look)

        It is readable while there is something to take, and not when it has been taken:

        - an answer to a request of `send_request`, of any thread: `new_response` says whether it is this one's;
        - a tensor of a stream, or its end: `TensorStream.is_ready`;
        - the worker's death, until `is_alive` has said so, a call has raised it, or another worker is started; not one
          by `terminate` or `please_exit`;
        - that a new worker is ready: `is_ready`.

        What a call on another thread waits for at that moment is not there to be taken. Nothing is to be read from the
        descriptor or written to it. It is closed with the session: take it out of the loop before. From the first call
        on a thread sleeps for it. Where the mailbox is not in use it may be 32 ms late. A `calculate_async` has its
        future's `add_done_callback`.

        Raises:
            InputError: on Windows.
            RetryError: there is no thread or descriptor left.
        """
        return self._core.event_fd()

    def wait_until_ready(self, timeout_ms: Limit = None) -> bool:
        """Waits until the worker has said that it takes requests; False when the limit has passed, and it lives."""
        return self._core.wait_until_ready(limit(timeout_ms))

    def wait_until_ok(self, timeout_ms: Limit = None) -> bool:
        """Waits until this thread's request has been answered without an error; the answer stays to be read.

        False when the limit has passed, and the worker lives. An error that the answer carries is raised, and an
        InputError when this thread has sent no request.
        """
        return self._core.wait_until_ok(limit(timeout_ms))

    def send_request(self, message: str) -> SentRequest[TensorT]:
        """Sends a request: a JSON object as such, any other text split at the first space into command and parameters.

        The answer to an earlier request of this thread that was not read is waited for and dropped, or kept for who has
        its `SentRequest`.

        Returns:
            What hands the request to another thread; the thread that sends and reads itself need not keep it.
        """
        return SentRequest(self, self._core.send_request(text(message, "message")))

    def new_response(self) -> bool:
        """There is something to read: an answer to this thread's request, or that none will come; does not wait.

        None comes when the worker has ended; to read it is a RestartError then. False for a thread that has sent none.
        """
        return self._core.new_response()

    def read_response(self) -> str:
        """The text of the answer that lies ready; it can be read once.

        Raises:
            InputError: there is none.
            RestartError: the worker has ended instead.
        """
        return self._core.read_response()

    def wait_for_response(self, timeout_ms: Limit = None) -> str:
        """Waits for the answer to this thread's request and reads it.

        Raises:
            InputError: this thread has sent none; the message names the thread that has.
        """
        return self._core.wait_for_response(limit(timeout_ms))

    def fetch_response(self, message: str, timeout_ms: Limit = None) -> str:
        """`send_request` and `wait_for_response`."""
        return self._core.fetch_response(text(message, "message"), limit(timeout_ms))

    def send_tensor(self, tensor: Any, tag: str) -> None:
        """Puts a tensor where the worker finds it under `tag`. The memory is free for use when the call returns."""
        self._core.send_tensor(export_tensor(tensor), text(tag, "tag"))
        self._kind([tensor])

    @overload
    def empty(self, shape: Sequence[int], dtype: object = None, tag: str = "a", framework: None = None) -> TensorT: ...
    @overload
    def empty(
        self, shape: Sequence[int], dtype: object = None, tag: str = "a", *, framework: Literal["numpy"]
    ) -> NDArray[Any]: ...
    @overload
    def empty(
        self, shape: Sequence[int], dtype: object = None, tag: str = "a", *, framework: Literal["torch"]
    ) -> Tensor: ...
    def empty(
        self, shape: Sequence[int], dtype: object = None, tag: str = "a", framework: Framework | None = None
    ) -> Any:
        """A tensor to be filled, whose memory the worker shares: sending it moves no bytes.

            batch = session.empty((64, 3, 224, 224), "float32")
            batch[...] = images
            session.calculate("torch.mean", batch)

        The worker sees what is written to it later, and may write to it, so leave it alone while a request with it is
        in flight. It stays valid after the session. Where memory cannot be shared, it is an ordinary tensor and sending
        copies it. Waits for the worker to be ready, which knows.

        Args:
            shape: its dims.
            dtype: of PyTorch or NumPy, or a name; None for float32. The elements are not initialised, but for bools,
                which are False.
            tag: that it is most likely sent under; others serve too. The first tensor of `calculate` has the tag a.
            framework: "numpy" or "torch"; None for the kind of `dtype`, else that in which results come.

        Raises:
            InputError: there is no such dtype, a dim is negative, or the tag is malformed.
            RetryError: there is no room (E3002).
        """
        known = find_dtype(dtype)
        kind = choose_framework(framework or self._framework or _kind_of_dtype(dtype) or self._kind())
        tensor = self._core.empty(dims(shape), known.number, text(tag, "tag"))
        if known.name == "bool":
            memory = memoryview(tensor)
            memory[:] = bytes(len(memory))  # what was there before need not be bools
        return tensor_over(tensor, kind)

    def wait_for_tensor(self, timeout_ms: Limit = None) -> TensorT:
        """Waits for the answer to this thread's request and gives its one tensor, the first where there are several."""
        return self._result(self._core.wait_for_tensor(limit(timeout_ms)))

    def wait_for_tensors(self, timeout_ms: Limit = None) -> builtins.list[TensorT]:
        """The same, all of them, in the order sent."""
        return [self._result(tensor) for tensor in self._core.wait_for_tensors(limit(timeout_ms))]

    def fetch_tensor(self, message: str, timeout_ms: Limit = None) -> TensorT:
        """`send_request` and `wait_for_tensor`."""
        return self._result(self._core.fetch_tensor(text(message, "message"), limit(timeout_ms)))

    def calculate(self, command: str, *tensors: Any, timeout_ms: Limit = None, **named: Any) -> TensorT:
        """Has the worker run `command` on tensors and gives its result.

            session.calculate("torch.sum dim=1", x)
            session.calculate("step", {"obs": x, "act": y})
            session.calculate("step", obs=x, act=y)

        The tensors are sent under the tags a, b, c, ..., z, input_26, ..., which come first in the request's
        parameters; what follows a space in `command` comes after them. A server finds a tensor that has a name in
        `self.tensors`. Names are spelled as tags are.

        Raises:
            InputError: there are several results, or none; a name is none, or stands there twice; or the worker's
                package is too old for names.
        """
        tensors, exported, names = inputs(tensors, named)
        result = self._core.calculate(text(command, "command"), exported, names, limit(timeout_ms))
        return self._result(result, tensors)

    def calculate_many(
        self, command: str, *tensors: Any, timeout_ms: Limit = None, **named: Any
    ) -> builtins.list[TensorT]:
        """The same for commands with several results: all of them, in the order sent."""
        tensors, exported, names = inputs(tensors, named)
        results = self._core.calculate_many(text(command, "command"), exported, names, limit(timeout_ms))
        return [self._result(tensor, tensors) for tensor in results]

    def calculate_named(
        self, command: str, *tensors: Any, timeout_ms: Limit = None, **named: Any
    ) -> dict[str, TensorT]:
        """The same for servers that name their results, `self.send_tensors(loss=..., logits=...)`: all, by name.

        Raises:
            InputError: one of them has no name.
        """
        tensors, exported, names = inputs(tensors, named)
        results = self._core.calculate_named(text(command, "command"), exported, names, limit(timeout_ms))
        return {name: self._result(tensor, tensors) for name, tensor in results.items()}

    def call(self, endpoint: str, /, *arguments: Any, timeout_ms: Limit = None, **named: Any) -> Any:
        """Calls an endpoint of the server.

            session.call("blur", image, radius=5)
            session.blur(image, radius=5)

        Arguments are tensors, lists of tensors, and what JSON can say: numbers, texts, lists, dicts, dataclasses and
        models of pydantic. They are checked against what the endpoint declares before a byte is sent, and so are the
        tensors that come. A server that declares nothing, or has a main_logic for other commands, gets those as
        `calculate` sends them, and named values as its arguments. The first call waits for the worker to be ready.

        An endpoint is an attribute of the session as well, unless the session has one of that name itself.

        Returns:
            The one result; a tuple with names, where there are several; None, where there is none. Of a server that
            declares nothing, and has sent no tensor, its text.

        Raises:
            NotFoundError: the server has no such endpoint.
            InputError: an argument is missing, unknown, or not what it has to be; or the endpoint answers in parts,
                which `stream` is for.
            RemoteError: its results are not what it has declared.
        """
        packed = Packed(endpoint, arguments, named, timeout_ms)
        result = self._core.call(*packed.call)
        return result_in(result, endpoint, choose_framework(self._kind(packed.tensors)))

    def call_async(self, endpoint: str, /, *arguments: Any, timeout_ms: Limit = None, **named: Any) -> CallFuture[Any]:
        """The same beside the caller, as `calculate_async`."""
        try:
            packed = Packed(endpoint, arguments, named, timeout_ms)
            kind = choose_framework(self._kind(packed.tensors))
            call = self._core.call_async(*packed.call)
        except InputError as error:
            return CallFuture.failed(error)
        future: CallFuture[Any] = CallFuture(call, lambda: result_in(call.result(), endpoint, kind))
        self._calls.add(future)
        return future

    async def acall(self, endpoint: str, /, *arguments: Any, timeout_ms: Limit = None, **named: Any) -> Any:
        """`call` for asyncio, as `acalculate`."""
        from .asyncio_calls import result_of

        return await result_of(self.call_async(endpoint, *arguments, timeout_ms=timeout_ms, **named))

    def endpoints(self) -> builtins.list[Endpoint]:
        """What the server offers, in its order; none of one that declares nothing. Waits for the worker to be ready."""
        return known_endpoints(self._core)

    def _epoch(self) -> int:
        return self._core.epoch()

    def calculate_n(self, command: str, *tensors: Any, timeout_ms: Limit = None) -> builtins.list[TensorT]:
        """The old name of `calculate_many`."""
        warnings.warn("calculate_n is deprecated: use calculate_many", DeprecationWarning, stacklevel=2)
        return self.calculate_many(command, *tensors, timeout_ms=timeout_ms)

    @overload
    def stream(
        self, command: str, *tensors: Any, timeout_ms: Limit = None, framework: None = None, **named: Any
    ) -> TensorStream[TensorT]: ...
    @overload
    def stream(
        self, command: str, *tensors: Any, timeout_ms: Limit = None, framework: Literal["numpy"], **named: Any
    ) -> TensorStream[NDArray[Any]]: ...
    @overload
    def stream(
        self, command: str, *tensors: Any, timeout_ms: Limit = None, framework: Literal["torch"], **named: Any
    ) -> TensorStream[Tensor]: ...
    def stream(
        self, command: str, *tensors: Any, timeout_ms: Limit = None, framework: Framework | None = None, **named: Any
    ) -> TensorStream[Any]:
        """The tensors that the worker sends one by one in answer to one request, as they come.

            for frame in session.stream("frames", start):
                show(frame)

        Args:
            command: as for `calculate`.
            tensors: as for `calculate`.
            timeout_ms: for each of them.
            framework: "numpy" or "torch", of the tensors that come; None for that in which results come.
            named: arguments of an endpoint that streams, as for `call`, which `tensors` may be as well.
        """
        if named or not (all(map(is_tensor, tensors)) or command not in self._known()):
            packed = Packed(command, tensors, named, timeout_ms)
            kind = choose_framework(framework or self._kind(packed.tensors))
            return TensorStream(self, self._core.stream_endpoint(*packed.call), kind)
        kind = choose_framework(framework or self._kind(tensors))
        exported = [export_tensor(tensor) for tensor in tensors]
        return TensorStream(self, self._core.stream(text(command, "command"), exported, limit(timeout_ms)), kind)

    def calculate_async(
        self, command: str, *tensors: Any, timeout_ms: Limit = None, **named: Any
    ) -> CallFuture[TensorT]:
        """The same as `calculate`, beside the caller: a `concurrent.futures.Future`, which `cancel` gives up.

        Calls are made in the order of these, as many at a time as `SessionOptions.max_ongoing_requests` says. The limit
        counts from here. The tensors are shared, not copied, so leave their contents alone until the future is done.
        """
        try:
            tensors, exported, names = inputs(tensors, named)
            kind = choose_framework(self._kind(tensors))
            call = _core.Call(self._core, text(command, "command"), exported, names, limit(timeout_ms))
        except InputError as error:
            return CallFuture.failed(error)
        future: CallFuture[TensorT] = CallFuture(call, lambda: tensor_over(call.get(), kind))
        self._calls.add(future)
        return future

    async def acalculate(self, command: str, *tensors: Any, timeout_ms: Limit = None, **named: Any) -> TensorT:
        """`calculate` for asyncio: the loop goes on meanwhile. To cancel the task is to cancel the call.

        As many are at work at a time as `SessionOptions.max_ongoing_requests` says, streams among them; the others wait
        for their turn.
        """
        from .asyncio_calls import result_of

        return await result_of(self.calculate_async(command, *tensors, timeout_ms=timeout_ms, **named))

    def astream(
        self, command: str, *tensors: Any, timeout_ms: Limit = None, **named: Any
    ) -> AsyncGenerator[TensorT, None]:
        """`stream` for asyncio, in the kind in which results come.

            async for frame in session.astream("frames", start):
                show(frame)

        It begins with the first of them, on a thread of its own. It is cancelled with the task that waits for the next,
        by `aclose`, and where nobody refers to it any more. A TimeoutError ends it.
        """
        from .asyncio_calls import parts

        return parts(self, lambda: self.stream(command, *tensors, timeout_ms=timeout_ms, **named))

    async def __aenter__(self) -> Self:
        from .asyncio_calls import enter

        await enter(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        from .asyncio_calls import leave

        await leave(self, kind)

    def please_exit(self, timeout_ms: int | timedelta = 5_000, ensure: bool = True) -> None:
        """Asks the worker to exit and waits; when it has not by then, it is terminated.

        Raises:
            TimeoutError: it has not, and `ensure` is false.
        """
        expected = "a whole number of milliseconds, or a timedelta"
        self._core.please_exit(milliseconds(timeout_ms, "timeout_ms", expected), truth(ensure, "ensure"))

    def terminate(self) -> None:
        """Ends the worker now: SIGTERM, and SIGKILL when that is not enough."""
        self._core.terminate()

    def join(self) -> None:
        """Waits, without a limit, until the worker process has ended by itself."""
        self._core.join()

    def restart(self, timeout_ms: Limit = None) -> None:
        """Ends the worker, if there is one, and starts another, whatever state the session is in; waits until it is up.

        Tensors stay under their tags, and those that are held stay valid. An answer that has come can still be read; a
        request in flight ends for the thread that sent it: with a RestartError, or E4002 where the server could still
        say so. Nothing else that the old worker may say reaches anybody.

        Raises:
            RestartError: the new worker dies before it is ready.
            TimeoutError: it takes longer.
        """
        timeout_ms = limit(timeout_ms)
        claiming(self, lambda: self._core.restart(timeout_ms))

    def clear_quarantine(self) -> None:
        """Lets requests through again that `RestartPolicy.quarantine_after` keeps from the worker."""
        self._core.clear_quarantine()

    def session_dir(self) -> str:
        """Where the files of this session are; before `start` where they will be, as things stand."""
        return self._core.session_dir()

    def session_id(self) -> str:
        """Its name; where none was given, before `start` the one that it asks for, "default"."""
        return self._core.session_id()

    def set_quiet_mode(self, quiet: bool) -> None:
        """No log lines on standard error; exceptions are raised all the same."""
        self._core.set_quiet_mode(truth(quiet, "quiet"))

    def log_tail(self, max_bytes: int = 4096) -> str:
        """The end of what the worker that there is now has printed, or the last one: whole lines, `max_bytes` at most.

        Empty when there is nothing, or the directory has been removed.
        """
        return self._core.log_tail(whole_number(max_bytes, "max_bytes", "a whole number of bytes"))

    def stats(self) -> SessionStats:
        """What the session has done so far and how; a snapshot, for which the worker is not asked."""
        found = self._core.stats()
        return SessionStats(**{**found, "batches": batch_stats(found["batches"])})

    def probe(self) -> WorkerHealth:
        """Asks a worker that is at work for a sign of life, and waits up to 200 ms for it."""
        return WorkerHealth(**self._core.probe())

    def health(self, timeout_ms: Limit = None) -> str:
        """Asks the server how it is, by its hook `health()`, with a request of its own.

        Returns:
            "" when it is well, or has no such hook; else what is wrong.
        """
        return self._core.health(limit(timeout_ms))

    def _kind(self, inputs: Sequence[Any] = ()) -> Framework:
        """The framework that results come in, for these inputs, which are being sent."""
        self._last_sent = framework_of(inputs) or self._last_sent
        return self._framework or self._last_sent or ("torch" if "torch" in sys.modules else "numpy")

    def _result(self, tensor: _core.Tensor, inputs: Sequence[Any] = ()) -> TensorT:
        result: TensorT = tensor_over(tensor, choose_framework(self._kind(inputs)))
        return result


def worker_arguments(options: SessionOptions) -> dict[str, Any]:
    """The options as the compiled module takes them; the worker's interpreter is this one where nothing names one."""
    values = core_arguments(options)
    if not values["python"] and not any(map(os.environ.get, _INTERPRETER_VARIABLES)):
        values["python"] = sys.executable
    return values


def _kind_of_dtype(dtype: object) -> Framework | None:
    """The framework of a dtype; None for a name, or where there is none."""
    if dtype is None or isinstance(dtype, str):
        return None
    torch = sys.modules.get("torch")
    return "torch" if torch is not None and isinstance(dtype, torch.dtype) else "numpy"

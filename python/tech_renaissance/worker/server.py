"""The base class of servers: what runs in the worker process."""

from __future__ import annotations

import gc
import operator
import os

from ..channel.session_dir import hide_session_id
from ..data.tensors import FRAMEWORKS, choose_framework, overload
from ..errors import INVALID_REQUEST, InputError
from ..platform.output import log
from ..platform.system import IS_WINDOWS
from ..protocol import messages
from ..protocol.messages import Failure
from .answers import text_of
from .context import find_call, too_late
from .failure import at, place_here

_LOOK_SECONDS = 0.05

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Generic, Literal

    from typing_extensions import TypeVar

    from ..data.tensors import Framework
    from .call import Call
    from .runtime import Runtime

    TensorT = TypeVar("TensorT", default=Any)

    class _OfTensors(Generic[TensorT]): ...
else:  # without `typing`, which a worker would have to import
    TensorT = None

    class _OfTensors:
        def __class_getitem__(cls, kind):
            """The class itself; for arrays or tensors one that has them from the start."""
            framework = getattr(kind, "__module__", "").partition(".")[0]
            if framework not in FRAMEWORKS:
                return cls
            return type(cls.__name__, (cls,), {"framework": framework, "__module__": cls.__module__})


class _NamedInputs:
    """`TechRenaissanceServer.tensors`; a server that has an attribute of this name has that."""

    def __get__(self, server: TechRenaissanceServer[Any] | None, kind: type) -> Any:
        from .named_tensors import NamedTensors

        if server is None:
            return self
        call = find_call()
        if call is None:
            raise RuntimeError("self.tensors outside a request: expected it in main_logic, or in what that has started")
        return NamedTensors(call, choose_framework(server.framework))


class TechRenaissanceServer(_OfTensors[TensorT]):
    """Answers the requests of one session; override `main_logic` and call `run()`.

        class Server(TechRenaissanceServer):
            def main_logic(self, command: str, parameters: str) -> bool:
                if command != "matmul":
                    return False
                a, b = self.get_tensors(parameters, 2)
                self.send_tensors(a @ b)
                return True

        Server().run()

    An exception in `main_logic` is answered with its traceback, and the server goes on. Standard output and error are
    free for use; what is printed lands in the session's worker.log.

    A plain `main_logic` serves one request at a time, on the main thread, in the order in which they were sent. With
    `threads` it serves so many at once, each on a thread of its own; an `async def main_logic` serves any number, on
    one event loop.

    `class Server(TechRenaissanceServer[numpy.ndarray])`, or `[torch.Tensor]`, is one with that framework, whose tensors
    type checkers know.

    These methods belong to the request that they are called in, whatever other requests there are: in `main_logic`, in
    asyncio tasks, and in threads that were started there (`threading.Thread`, `ThreadPoolExecutor.submit`). When the
    request is over, they refuse. Tensors may be used and dropped on any thread.

    Attributes:
        commands: names of the commands on offer; optional, for the host and for messages about unknown commands.
        framework: "torch" or "numpy", of the tensors that `get_tensors` gives; None for PyTorch when it is installed,
            else NumPy. A subclass may set it.
        threads: how many requests a plain `main_logic` serves at once; 0 for one, on the main thread.
        debug: whether `debug_message` prints.
        session_id: id of the session, while it runs.
        session_dir: path of its directory, while it runs.
        tensors: those of the request by the names under which its caller sent them, `self.tensors["obs"]`; read as a
            dict is. They are what `get_tensors` would give, each time they are asked for.
    """

    # On the class, so that a subclass whose __init__ does not call this one's works as well.
    commands: Sequence[str] = ()
    framework: Framework | None = None
    threads = 0
    debug = False
    session_id = ""
    session_dir = ""
    tensors: Mapping[str, Any] = _NamedInputs()  # type: ignore[assignment]
    # With two underscores, so that a subclass may have these names itself.
    __runtime: Runtime | None = None

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        _freeze()

    def __init__(self, debug: bool = False, framework: Framework | None = None) -> None:
        """Nothing happens before `run()`.

        Args:
            debug: whether `debug_message` prints.
            framework: "torch" or "numpy"; see the attribute.
        """
        if debug is None or not hasattr(type(debug), "__bool__"):
            raise InputError(f"debug is {debug!r:.200}: expected True or False")
        self.debug = debug
        if framework is not None:
            if framework not in FRAMEWORKS:
                raise InputError(f"framework is {framework!r:.200}: expected 'torch' or 'numpy'")
            self.framework = framework

    def main_logic(self, command: str, parameters: str) -> Any:
        """Serves one request. To be overridden, as a plain function or with `async def`.

        Args:
            command: its name.
            parameters: the rest of the request, usually tags of tensors for `get_tensors`.

        Returns:
            True when the command was served: without a `write_response`, the answer "ok" goes out by itself, with the
            tensors sent. False when there is no such command.
        """
        raise NotImplementedError(f"{type(self).__name__} does not override main_logic(command, parameters)")

    def on_start(self) -> Any:
        """Called once before the worker takes requests, also in a worker that takes the place of a dead one.

        It may be an `async def`, which runs on the event loop of an async `main_logic`.
        """

    def on_shutdown(self) -> None:
        """Called once when the worker leaves, behind its last request, whatever the reason; not where it is killed.

        What it raises is logged. The host waits for it as it waits for the worker, some seconds at most.
        """

    def health(self) -> Any:
        """How the server is, for hosts that ask by `session.health()`, between its calls. It may be an `async def`.

        Returns:
            None or True when it is well; else a text that says what is wrong, which what it raises does as well.
        """

    def run(self, session_id: str | None = None) -> None:
        """Serves until the host asks to exit, SIGINT or SIGTERM comes, or the host is gone.

        Args:
            session_id: of the session; usually left out, as the host says it.

        Raises:
            NotFoundError: there is no such session; this process is no worker.
            InputError: the server has no main_logic and no endpoint; or one of these cannot be one.
        """
        from .runtime import Runtime, is_multiprocessing_child

        if not isinstance(session_id, (str, type(None))):
            raise InputError(f"session_id is {session_id!r:.200}: expected a string")
        if is_multiprocessing_child():
            return  # this process runs the script only to find a function in it; the worker is its parent
        runtime = Runtime(self, session_id)
        asked = False
        try:
            self.__serve(runtime)
            asked = True
        finally:
            if not IS_WINDOWS:
                from .ending import prepare

                prepare(asked=asked)

    def __serve(self, runtime: Runtime) -> None:
        self.__runtime = runtime
        self.session_id = runtime.session_id
        self.session_dir = runtime.directory
        try:
            runtime.serve()
        finally:
            self.__runtime = None

    @overload
    def get_tensors(self, parameters: str, count: Literal[1] = 1) -> TensorT | None: ...  # type: ignore[overload-overlap]
    @overload
    def get_tensors(self, parameters: str, count: Literal[-1] | None) -> list[TensorT]: ...
    @overload
    def get_tensors(self, parameters: str, count: int) -> list[TensorT] | None: ...  # of any number but 1 and -1
    def get_tensors(self, parameters: str, count: int | None = 1) -> Any:
        """The tensors whose tags stand in `parameters`, separated by spaces or commas.

        Keeping one is safe: the host never changes what is held here. Writing to one does not touch the host's tensor
        either, unless the host shares its memory on purpose, with `PythonSession.empty`; but it is what the tag holds
        from then on. To be called in a request, before its answer: afterwards the host may be writing.

        Args:
            parameters: tags, and nothing else.
            count: how many there have to be; None or -1 for any number.

        Returns:
            The tensor itself when `count` is 1, else a list. None when the number is wrong: the request has then been
            answered as invalid, and `main_logic` has only to return.

        Raises:
            InputError: a tag is malformed, or its file is; the library for tensors is not installed.
            NotFoundError: there is no such tensor.
            RuntimeError: this is not the time for it.
        """
        call = find_call()
        if call is None or call.answered or call.over:
            raise too_late(parameters)
        try:
            tags = messages.split_tags(parameters)
        except (AttributeError, TypeError):
            raise InputError(f"parameters is {parameters!r:.200}: expected a string, tags and nothing else") from None
        if count is not None and (type(count) is not int or count < 0):
            count = _whole_number(count, "count", -1, "a whole number, or None or -1 for any number")
        if count is not None and count >= 0 and len(tags) != count:
            self.__refuse_count(call, parameters, count, len(tags))
            return None
        tensors = call.load(tags, choose_framework(self.framework)) if tags else []
        return tensors[0] if count == 1 else tensors

    def empty(self, shape: Sequence[int], dtype: object = None) -> TensorT:
        """A tensor, not initialised, whose memory the host shares: sending it copies nothing.

        It belongs to the answer that it is sent with: make another one for the next.

        Args:
            shape: its dims.
            dtype: torch or NumPy dtype, as this server's tensors are, or its name; None for float32.

        Raises:
            InputError: there is no such dtype, or the shape is none.
            RetryError: there is no room (E3002).
        """
        framework = choose_framework(self.framework)
        call = find_call()
        maker = self.__running().tensors if call is None else call
        tensor: TensorT = maker.empty(shape, dtype, framework)
        return tensor

    def send_tensors(self, *tensors: object, **named: object) -> None:
        """Sends tensors with the answer to come, in this order; further calls in the same request add to them.

        One that lies in memory that the host shares, an input or one of `empty`, is sent as it is when the answer goes
        out: leave it alone until then.

        Args:
            tensors: torch tensors on any device, contiguous or not, NumPy arrays, or numbers.
            named: the same, with names by which the host may take them (`calculate_named`).

        Raises:
            InputError: one of them is no tensor, or of a dtype or layout that cannot be sent; or a name is taken, or
                not spelled as a tag is.
        """
        call = find_call()
        if call is None or not call.stage(tensors, named):
            log("send_tensors outside a request, or after its answer: dropped")

    def stream_tensors(self, *tensors: object) -> None:
        """Sends tensors at once, as a part of the answer; the host reads them while this goes on.

        The last part is the answer itself, as ever. Waits while the host has not taken the part before, and an async
        server with it: there, `async_stream_tensors` does the same for its own call alone.

        Args:
            tensors: as for `send_tensors`.

        Raises:
            Cancelled: the host has given the request up. It is no Exception, so that `except Exception` lets it pass;
                clean up in `finally`.
            InputError: as in `send_tensors`; or the host is an older one.
        """
        call = find_call()
        if call is None or not call.send_part(tensors):
            log("stream_tensors outside a request, or after its answer: dropped")

    async def async_stream_tensors(self, *tensors: object) -> None:
        """The same, to be awaited: other calls go on while this one waits for its host."""
        call = find_call()
        if call is not None:
            await room_for_part(call)
        self.stream_tensors(*tensors)

    def write_response(self, command: str, result: object = messages.OK) -> None:
        """Answers the request, with the tensors sent so far. A request has one answer: another one is dropped.

        Args:
            command: name of the command, as the answer repeats it.
            result: text of the answer. A dict, list, tuple or dataclass goes as JSON, any other value as `str` has it.

        Raises:
            InputError: the command is no text; or the result is bytes, a tensor or an array, or holds what has no form
                in JSON.
        """
        call = find_call()
        if call is None:
            log(f"write_response({command!r:.100}) outside a request: dropped")
            return
        if not isinstance(command, str):
            raise InputError(f"command is {command!r:.200}: expected a string, the name of the command")
        call.answer(result if type(result) is str else text_of(result), command)

    def write_status(self, text: str) -> None:
        """Puts a line into status.txt, for people who look: progress, or `error: …`. Line breaks end it.

        It is there when this returns, also should native code end the worker a moment later; the file takes some 30 µs.
        """
        if not isinstance(text, str):
            raise InputError(f"text is {text!r:.200}: expected a string")
        call = find_call() or (self.__runtime.call_at_work() if self.__runtime else None)
        if call is not None:
            call.status(text)

    def cancelled(self) -> bool:
        """Nobody wants the answer to this request any more; costs next to nothing, so ask in every loop.

        The host has given it up (its limit has passed, or somebody cancelled it), the worker was told to stop, or the
        request has been answered and `main_logic` has returned. True outside a request.
        """
        call = find_call()
        return call is None or call.cancelled()

    def wait_until_cancelled(self, timeout_ms: int | None = None) -> bool:
        """Blocks until `cancelled()`, for a thread that has nothing else to do than to notice it.

        Args:
            timeout_ms: for how long at most; None for as long as it takes.

        Returns:
            Whether it is cancelled.
        """
        if timeout_ms is not None:
            timeout_ms = _whole_number(timeout_ms, "timeout_ms", 0, "a whole number of milliseconds, or None")
        call = find_call()
        return call is None or call.wait_until_cancelled(timeout_ms)

    async def until_cancelled(self) -> None:
        """The same, to be awaited. An async `main_logic` is cancelled by itself, as asyncio does it."""
        call = find_call()
        while call is not None and not call.cancelled():
            await _hear(call)

    def debug_message(self, *message: object) -> None:
        """Prints when this server was made with debug=True."""
        if self.debug:
            print("[debug]", *message, flush=True)  # noqa: T201 - what it is for

    def __refuse_count(self, call: Call, parameters: str, count: int, found: int) -> None:
        message = f"expected {count} tensor{'' if count == 1 else 's'}, found {found} in {parameters!r:.200}"
        message += at(place_here())
        call.fail(Failure(INVALID_REQUEST, message, "InputError"), result="invalid")

    def __running(self) -> Runtime:
        if self.__runtime is None:
            raise RuntimeError(f"{type(self).__name__} is not running: tensors can be had inside run()")
        return self.__runtime


def _whole_number(value: Any, name: str, least: int, expected: str) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or number < least:
        raise InputError(f"{name} is {value!r:.200}: expected {expected}")
    return number


async def room_for_part(call: Call) -> None:
    """Until the host has taken the part before, or wants no more; other calls go on meanwhile."""
    while call.waits_for_room() and not call.cancelled():
        await _hear(call)


async def _hear(call: Call) -> None:
    """Waits until there may be something new for a call."""
    if call.hear is not None:
        await call.hear()
        return
    import asyncio

    await asyncio.sleep(_LOOK_SECONDS)  # a loop of the user's own, which no bell can ring for


_frozen = False
hide_session_id()  # before a script looks at its arguments


def _freeze() -> None:
    """In a worker, as its first server is defined: what has been imported by then stays until the end.

    To look through all of PyTorch for garbage, again and again, would take half a second there. What the server makes
    comes later.
    """
    global _frozen
    if not _frozen and "TR_SESSION_DIR" in os.environ and hasattr(gc, "freeze"):
        _frozen = True
        gc.collect(0)
        gc.freeze()

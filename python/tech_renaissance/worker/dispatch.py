"""Running calls: one at a time on the main thread. `threads.py` and `event_loop.py` run several."""

from __future__ import annotations

import _thread

from ..errors import Cancelled, InputError
from ..protocol import messages
from . import answers
from .call import Call
from .context import enter, main
from .failure import frames_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from ..channel.channel import Channel
    from ..platform.stop_signals import StopSignals
    from .channels import Channels
    from .failure import Frame
    from .runtime import Runtime
    from .server import TechRenaissanceServer

_CO_COROUTINE = 0x80


class Dispatcher:
    """Has the server run the calls that come, each as soon as the one before is over.

    Attributes:
        exit: what user code has called sys.exit with.
    """

    def __init__(self, server: TechRenaissanceServer, runtime: Runtime, channels: Channels, stop: StopSignals) -> None:
        self._server = server
        self._runtime = runtime
        self._channels = channels
        self._stop = stop
        self._endpoints = runtime.endpoints
        self.exit: SystemExit | None = None

    def serve(self) -> None:
        """Until the worker is to leave."""
        main.thread = _thread.get_ident()
        # No more than this in the loop: CPython 3.11 makes functions quick that are called often.
        while (found := self._channels.receive()) is not None and self._serve_one(*found):
            pass
        main.call = None

    def frames_of(self, call: Call, threads: dict[int, FrameType], serving: int) -> list[Frame]:
        """Those of user code that runs for a call, from the outermost on.

        Args:
            call: which; it is at work.
            threads: the innermost frame of each.
            serving: the one that serves.
        """
        return frames_from(threads.get(serving))

    def _serve_one(self, channel: Channel, request: messages.Request) -> bool:
        """Whether to go on serving."""
        stop = self._stop
        call = Call(request, channel, stop)
        if request.problem is not None or request.command == messages.EXIT_COMMAND:
            if answers.is_to_leave(call):
                call.leave()
                return False
            return True
        further = bool(self._channels.further)
        enter(call, shared=further)
        try:
            if further:
                call.trust(channel.carrier)
            if further and call.look():  # it may have waited for long
                call.fail_as_cancelled()
            elif self._call_main_logic(call):
                stop.armed = False
                call.leave()
                return False
        except Cancelled:
            stop.armed = False  # or a signal would raise another one in what follows
            call.fail_as_cancelled()
        stop.armed = False
        call.over = True
        if channel.tensors.loans:
            with channel.lock:
                channel.tensors.own_loans()
        if call.waiting:
            channel.bell.ring()
        return not stop.requested and self.exit is None

    def _call_main_logic(self, call: Call) -> bool:
        """Whether that was the last."""
        request, stop = call.request, self._stop
        try:
            stop.arm()
            try:
                outcome = (self._endpoints or self._server).main_logic(request.command, request.parameters)
            finally:
                if self._runtime.forked:
                    self._runtime.end_fork()
            stop.armed = False
        except Cancelled:
            raise
        except BaseException as error:
            stop.armed = False
            if isinstance(error, SystemExit):
                self.exit = error
            answers.raised(call, error)
        else:
            if not call.answered:
                if outcome is False and answers.dismisses(call, outcome):
                    return True
                answers.returned(self._server, call, outcome)
        return False


def choose(server: TechRenaissanceServer, runtime: Runtime, channels: Channels, stop: StopSignals) -> Dispatcher:
    """The one that the server asks for.

    Raises:
        InputError: it asks for what there is not.
    """
    threads = server.threads
    endpoints = runtime.endpoints
    is_async = is_coroutine_function(server.main_logic) or (endpoints is not None and endpoints.is_async)
    if type(threads) is not int or threads < 0 or (threads and is_async):
        raise InputError(
            f"{type(server).__name__}.threads is {threads!r}: expected a number of threads, and none for an async "
            "main_logic or endpoint, which run on one event loop"
        )
    if endpoints is not None and endpoints.batches:
        if threads or is_async:
            raise InputError(
                f"{type(server).__name__} has an endpoint with a max_batch_size, and "
                f"{'an async one' if is_async else 'threads'}: expected one of both, as batches run one at a time"
            )
        from .batching import Batching

        return Batching(server, runtime, channels, stop)
    if is_async:
        from .event_loop import EventLoop

        return EventLoop(server, runtime, channels, stop)
    if threads:
        from .threads import Threads

        return Threads(server, runtime, channels, stop)
    return Dispatcher(server, runtime, channels, stop)


def is_coroutine_function(function: object) -> bool:
    """It was defined with `async def`."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return bool(getattr(code, "co_flags", 0) & _CO_COROUTINE)

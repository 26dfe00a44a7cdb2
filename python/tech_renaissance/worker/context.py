"""Which call the code that runs is part of, also in threads that were started by it."""

from __future__ import annotations

import _thread
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable
    from typing import Any

    from .call import Call
else:
    import _contextvars as contextvars  # which is all that is in it

current: contextvars.ContextVar[Call | None] = contextvars.ContextVar("tech_renaissance_call", default=None)


class _Main:
    """The call on the thread that serves one at a time, where all that runs on that thread belongs to it.

    So it is as long as nothing on it can outlive a call. To set a context variable, and to take a lock, costs as much
    as a tenth of a call.
    """

    __slots__ = ("call", "loops", "modules", "noticed", "thread")

    def __init__(self) -> None:
        self.call: Call | None = None
        self.thread = 0
        self.modules = 0  # how many there were when none of them could make anything outlive a call; 0 when one can
        self.loops = False  # an event loop has run
        self.noticed: tuple[object, ...] = ()  # the module in which that would be noticed


main = _Main()
# Besides the one that serves: the guard's and that of the status lines.
_OWN_THREADS = 2


def find_call() -> Call | None:
    """The call that the caller is part of."""
    call = main.call
    if call is not None and _thread.get_ident() == main.thread:
        return call
    return current.get()


def enter(call: Call, *, shared: bool) -> None:
    """What runs from now on, on this thread, is part of this call; `shared`: so may be what runs beside it."""
    if not shared and (len(sys.modules) == main.modules or _none_outlives()):
        main.call = call
        if "asyncio" not in sys.modules:
            call.alone = True
        else:
            # For coroutines that this thread hands to a loop, of which there may be one on a thread of the user's.
            call.alone = _thread._count() <= _OWN_THREADS
            current.set(call)
    else:
        main.call = None
        current.set(call)


def _none_outlives() -> bool:
    """No code on the thread can have begun in another call: no task of an event loop, and no greenlet."""
    found = main.loops or "greenlet" in sys.modules or "uvloop" in sys.modules or not _notices_loops()
    main.modules = 0 if found else len(sys.modules)
    return not found


def _notices_loops() -> bool:
    """From now on it is known when an event loop runs for the first time; many import asyncio and run none."""
    events: Any = sys.modules.get("asyncio.events")
    if events is None or events in main.noticed:
        return True
    set_running = getattr(events, "_set_running_loop", None)  # which loops of other packages call as well
    if set_running is None:
        return False
    main.noticed = (events,)

    def noticing(loop: object) -> None:
        if loop is not None:
            main.loops = True
            main.modules = 0
            # The call that runs now is its thread's until it ends. From the next on each goes by its context, in which
            # this call's tasks find no other.
        set_running(loop)

    package: Any = sys.modules["asyncio"]
    events._set_running_loop = package._set_running_loop = noticing
    return True


def _context_of(call: Call) -> contextvars.Context:
    """For another thread, in which this is the call."""
    call.alone = False
    context = contextvars.copy_context()
    context.run(current.set, call)
    return context


_POOLS = "concurrent.futures.thread"
_done: set[str] = set()


def follow_threads() -> None:
    """From now on a thread that a call starts, and what it hands to a ThreadPoolExecutor, is part of that call.

    Python does so by itself for tasks of asyncio alone. Where nobody has imported `threading` yet, it finds the means
    in `_thread` when somebody does; nothing is imported here.
    """
    if "threads" not in _done:
        _done.add("threads")
        threading = sys.modules.get("threading")
        if threading is not None:
            threading.Thread.start = _following_start(threading.Thread.start)
        else:
            for name in ("start_new_thread", "start_joinable_thread"):
                if hasattr(_thread, name):
                    setattr(_thread, name, _following(getattr(_thread, name)))
    _follow_pools()


def _follow_pools() -> None:
    if _POOLS in _done or not hasattr(sys.modules.get(_POOLS), "ThreadPoolExecutor"):
        return
    _done.add(_POOLS)
    pool: Any = sys.modules[_POOLS].ThreadPoolExecutor
    submit = pool.submit

    def submit_in_context(self: Any, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        call = find_call()
        if call is None:
            return submit(self, fn, *args, **kwargs)
        context = _context_of(call)
        # In another one, as a thread that the pool starts now outlives the call.
        return contextvars.Context().run(submit, self, context.run, fn, *args, **kwargs)

    pool.submit = submit_in_context


def _following_start(start: Callable[[Any], None]) -> Callable[[Any], None]:
    def start_in_context(self: Any) -> None:
        _follow_pools()
        call = find_call()
        if call is not None:
            context, run = _context_of(call), self.run

            def run_in_context() -> None:
                del self.run
                context.run(run)

            self.run = run_in_context
        start(self)

    return start_in_context


def _following(start: Callable[..., Any]) -> Callable[..., Any]:
    def start_in_context(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        _follow_pools()
        call = find_call()
        if call is not None:
            context = _context_of(call)
            inner = function

            def function(*args: Any, **kwargs: Any) -> None:
                context.run(inner, *args, **kwargs)

        return start(function, *args, **kwargs)

    return start_in_context


def too_late(parameters: str) -> RuntimeError:
    """The error of get_tensors where it makes no sense."""
    return RuntimeError(
        f"get_tensors({parameters!r:.100}) outside a request, or after its answer: the host may be writing them; take "
        "tensors before write_response"
    )

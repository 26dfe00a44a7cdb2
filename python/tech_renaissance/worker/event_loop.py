"""Running any number of calls at once on an event loop: what a server with an `async def main_logic` asks for."""

from __future__ import annotations

import _thread
import asyncio
import functools
import types

from ..channel.doorbell import RECHECK_MS
from ..errors import Cancelled
from . import answers
from .call import Call
from .context import current
from .dispatch import Dispatcher
from .failure import frames_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import FrameType
    from typing import Any

    from ..channel.bell import Bell
    from ..platform.stop_signals import StopSignals
    from .failure import Frame


class EventLoop(Dispatcher):
    """Each call is a task of a loop on the main thread, which also looks for news whenever the bell rings."""

    _loop: asyncio.AbstractEventLoop
    _ended: asyncio.Future[None]  # when no call is at work any more, and none will be
    _news: asyncio.Future[None]  # until the next look
    _timer: asyncio.TimerHandle | None = None
    _exit_call: Call | None = None
    _problem: Exception | None = None
    _leaving = False

    def serve(self) -> None:
        """See Dispatcher."""
        self._tasks: dict[Call, asyncio.Task[None]] = {}
        self._told: set[Call] = set()
        self._waiting: set[Call] = set()  # whose tasks have yet to begin: one that is cancelled before never does
        loop = self._loop = self._runtime.event_loop()
        self._ended, self._news = loop.create_future(), loop.create_future()
        bell = self._channels.bell
        bell.listen()
        if self._stop.descriptor >= 0:
            loop.add_reader(self._stop.descriptor, self._tick)
        if bell.descriptor >= 0:
            loop.add_reader(bell.descriptor, self._look)
        sleeper = _Sleeper(bell, lambda: loop.call_soon_threadsafe(self._look)) if bell.wake_up == "futex" else None
        try:
            loop.call_soon(self._tick)
            try:
                loop.run_until_complete(self._ended)
            except SystemExit as error:  # from a task of the user's own
                self.exit = error
            loop.run_until_complete(self._end_all())
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            if sleeper is not None:
                sleeper.stop()
            loop.close()
        if self._problem is not None:
            raise self._problem
        if self._exit_call is not None:
            self._exit_call.over = False
            self._exit_call.leave()

    # --------------------------------------------------------------------------------------------------------- news

    def _tick(self) -> None:
        """Time has passed, or a signal has come."""
        self._stop.clear()
        if self._stop.requested or not self._channels.recheck():
            self._leave()
        else:
            self._look()

    def _look(self) -> None:
        """Looks for news in all channels."""
        channels, bell = self._channels, self._channels.bell
        bell.look()
        if self._ended.done():
            return
        news, self._news = self._news, self._loop.create_future()
        news.set_result(None)
        try:
            channels.look()
            for call, task in list(self._tasks.items()):
                if call not in self._told and call.look() and call not in self._waiting:
                    self._told.add(call)
                    task.cancel()
            while not self._leaving and (found := channels.take()) is not None:
                self._begin(Call(found[1], found[0], self._stop))
            if self._stop.requested:
                self._leave()
        except Exception as error:
            self._give_up(error)
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(bell.timeout_ms(at_work=bool(self._tasks)) / 1000, self._tick)

    async def hear(self) -> None:
        """Waits for the next look."""
        await asyncio.shield(self._news)

    # -------------------------------------------------------------------------------------------------------- calls

    def _begin(self, call: Call) -> None:
        if not call.is_for_main_logic():
            if answers.is_to_leave(call):
                self._exit_call = call
                self._wait_for_the_last()
            return
        call.hear = self.hear
        current.set(call)
        self._waiting.add(call)
        try:
            self._tasks[call] = self._loop.create_task(self._run(call))
        finally:
            current.set(None)

    async def _run(self, call: Call) -> None:
        self._waiting.discard(call)
        finish = await self._outcome(call)
        self._told.add(
            call
        )  # there is nothing left to cancel: the wait for room is not to become one of the whole loop
        try:
            while call.waits_for_room() and not (self._stop.requested or call.channel.is_lost()):
                await self.hear()
        except asyncio.CancelledError:
            pass  # the answer goes out all the same
        try:
            if not self._channels.first.is_lost():
                finish()
        except Exception as error:
            self._give_up(error)
        call.close()
        del self._tasks[call]
        self._told.discard(call)
        if self.exit is not None or self._leaving:
            self._wait_for_the_last()

    async def _outcome(self, call: Call) -> Callable[[], None]:
        """Runs main_logic; what remains to be done."""
        server, request = self._server, call.request
        try:
            if call.cancelled():
                return call.fail_as_cancelled
            try:
                endpoints = self._endpoints
                logic = server.main_logic if endpoints is None else endpoints.async_main_logic
                call.logic = logic(request.command, request.parameters)
                outcome = await _armed(call.logic, self._stop)
            finally:
                if self._runtime.forked:
                    self._runtime.end_fork()
            if answers.dismisses(call, outcome):
                self._exit_call = call
                return self._wait_for_the_last
            return functools.partial(answers.returned, server, call, outcome)
        except Cancelled:
            return call.fail_as_cancelled
        except BaseException as error:
            if isinstance(error, SystemExit):
                self.exit = error
            if isinstance(error, asyncio.CancelledError) and call.cancelled():
                return call.fail_as_cancelled
            return functools.partial(answers.raised, call, error)

    def frames_of(self, call: Call, threads: dict[int, FrameType], serving: int) -> list[Frame]:
        """See Dispatcher."""
        frames: list[Frame] = []
        step = call.logic
        while step is not None:
            if getattr(step, "cr_running", False):
                return frames_from(threads.get(serving))
            frame = getattr(step, "cr_frame", None) or getattr(step, "gi_frame", None)
            if frame is not None:
                frames.append((frame.f_code.co_filename, frame.f_lineno or 0, frame.f_code.co_name))
            step = getattr(step, "cr_await", None) or getattr(step, "gi_yieldfrom", None)
        return frames

    # ------------------------------------------------------------------------------------------------------- the end

    def _wait_for_the_last(self) -> None:
        """No other call begins."""
        self._leaving = True
        if not self._tasks:
            self._leave()

    def _give_up(self, error: Exception) -> None:
        """This worker can serve no longer."""
        self._problem = error
        self._leave()

    def _leave(self) -> None:
        self._leaving = True
        if not self._ended.done():
            self._ended.set_result(None)

    async def _end_all(self) -> None:
        """Cancels what still runs, of calls and of what they have started, and waits for its end."""
        self._leave()
        if self._timer is not None:
            self._timer.cancel()
        for call in self._tasks:
            call.cancel()
        waiting = {self._tasks[call] for call in self._waiting}
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks - waiting:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@types.coroutine
def _armed(logic: Any, stop: StopSignals) -> Generator[Any, Any, Any]:
    """Awaits it; while its own code runs, a signal raises Cancelled in it, as it does in a plain main_logic.

    One that comes while nothing runs cancels the task, as asyncio does.
    """
    steps = logic.__await__()
    step, value = steps.send, None
    while True:
        try:
            stop.armed = not stop.requested
            try:
                waits_for = step(value)
            finally:
                stop.armed = False
        except StopIteration as end:
            return end.value
        try:
            step, value = steps.send, (yield waits_for)
        except BaseException as error:
            step, value = steps.throw, error


class _Sleeper:
    """A thread that sleeps on the futex of all channels, which no event loop can wait for."""

    def __init__(self, bell: Bell, tell: Callable[[], object]) -> None:
        self._bell = bell
        self._tell = tell
        self._stopping = False
        self._done = _thread.allocate_lock()
        self._done.acquire()
        _thread.start_new_thread(self._run, ())

    def _run(self) -> None:
        told = -1
        try:
            while not self._stopping:
                seen = self._bell.look()
                if seen != told:
                    self._tell()
                    told = seen
                self._bell.wait(seen, RECHECK_MS)
        finally:
            self._done.release()

    def stop(self) -> None:
        """Ends it."""
        self._stopping = True
        self._bell.ring()
        self._done.acquire()

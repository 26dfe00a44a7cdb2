"""Running several calls at once, each on a thread of its own: what a server with `threads = n` asks for."""

from __future__ import annotations

import _thread
import time

from . import answers
from .call import Call
from .context import current, enter
from .dispatch import Dispatcher
from .failure import frames_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    from .failure import Frame

_GRACE_SECONDS = 0.5


class Threads(Dispatcher):
    """The main thread takes requests in the order of their arrival and hands each to a thread that is free.

    It is the one that hears the bell as well, so that a call is cancelled whatever its thread is doing.
    """

    _mutex: Any
    _busy: set[Call]
    _leaving = False
    _problem: Exception | None = None
    _exit_call: Call | None = None  # of those that ask for the worker's end, the last
    _short = False  # a thread that comes free has to be told of at once

    def serve(self) -> None:
        """See Dispatcher."""
        self._mutex = _thread.allocate_lock()
        self._busy = set()
        self._idle: list[_Thread] = []
        channels, bell, stop = self._channels, self._channels.bell, self._stop
        bell.listen()
        waited = False
        while not stop.requested:
            seen = bell.look()
            channels.look()
            if stop.requested:
                break
            for call in self._at_work():
                call.look()
            while not self._leaving and self._has_room() and (found := channels.take()) is not None:
                waited = False
                call = Call(found[1], found[0], stop)
                if call.is_for_main_logic():
                    self._begin(call)
                elif answers.is_to_leave(call):
                    self._leaving, self._exit_call = True, call
            if self._leaving and self._has_ended():
                break
            if waited and not channels.recheck():
                break
            bell.wait(seen, bell.timeout_ms(at_work=bool(self._busy)))
            waited = True
        if stop.requested or not self._has_ended():
            self._cut_short()
        if self._problem is not None:
            raise self._problem
        if self._exit_call is not None:
            self._exit_call.over = False
            self._exit_call.leave()

    def _at_work(self) -> list[Call]:
        with self._mutex:
            return list(self._busy)

    def _has_room(self) -> bool:
        with self._mutex:
            self._short = len(self._busy) >= self._server.threads
            return not self._short

    def _has_ended(self) -> bool:
        with self._mutex:
            self._short = True
            return not self._busy

    def _begin(self, call: Call) -> None:
        with self._mutex:
            self._busy.add(call)
            thread = self._idle.pop() if self._idle else None
        (thread or _Thread(self)).hand(call)

    def frames_of(self, call: Call, threads: dict[int, FrameType], serving: int) -> list[Frame]:
        """See Dispatcher."""
        return frames_from(threads.get(call.thread))

    def run(self, call: Call) -> None:
        """On a thread of its own: one call."""
        call.thread = _thread.get_ident()
        enter(call, shared=True)
        server, request = self._server, call.request
        try:
            if call.cancelled():
                call.fail_as_cancelled()
                return
            try:
                outcome = (self._endpoints or server).main_logic(request.command, request.parameters)
            finally:
                if self._runtime.forked:
                    self._runtime.end_fork()
            if answers.dismisses(call, outcome):
                self._exit_call, self._leaving = call, True
                return
            answers.returned(server, call, outcome)
        except BaseException as error:
            if isinstance(error, SystemExit):
                self.exit = error
                self._leaving = True
            answers.raised(call, error)
        finally:
            call.close()
            current.set(None)

    def free(self, thread: _Thread, call: Call, problem: Exception | None) -> None:
        """A thread has done with a call; with a problem, this worker can serve no longer."""
        with self._mutex:
            if problem is not None:
                self._problem = problem
                self._leaving = True
            self._busy.discard(call)
            self._idle.append(thread)
            short = self._short or self._leaving
        if short:
            self._channels.bell.ring()

    def _cut_short(self) -> None:
        """The worker is to leave at once: a moment is left for calls that look whether they are cancelled."""
        for call in self._at_work():
            call.cancel()
        bell = self._channels.bell
        bell.ring()
        deadline = time.monotonic() + _GRACE_SECONDS
        while True:
            seen = bell.look()
            left = deadline - time.monotonic()
            if self._has_ended() or left <= 0:
                break
            bell.wait(seen, int(left * 1000) + 1)
        for call in self._at_work():
            if not call.channel.is_lost():
                call.fail_as_cancelled()
            call.close()


class _Thread:
    """One that runs calls, one after the other.

    Not through the module threading, which takes the thread that first imports it for the main one, and which would
    wait for it at the end.
    """

    def __init__(self, owner: Threads) -> None:
        self._owner = owner
        self._call: Call | None = None
        self._ready = _thread.allocate_lock()
        self._ready.acquire()
        _thread.start_new_thread(self._run, ())

    def hand(self, call: Call) -> None:
        """Has it run a call."""
        self._call = call
        self._ready.release()

    def _run(self) -> None:
        while True:
            self._ready.acquire()
            call, self._call = self._call, None
            if call is not None:
                problem: Exception | None = None
                try:
                    self._owner.run(call)
                except Exception as error:
                    problem = error
                self._owner.free(self, call, problem)
            del call

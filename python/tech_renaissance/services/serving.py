"""Running services: from the start of their workers to the end of the last."""

from __future__ import annotations

import os
import queue
import signal
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..errors import InputError, NotFoundError, TRException
from .control import Control
from .gpus import Gpus
from .measures import PERIOD_SECONDS, WINDOW_SECONDS
from .screen import Screen, table, words
from .served_service import ServedService, at_once
from .settings import nearest
from .sources import Sources, mistake_in
from .worker_logs import WorkerLogs

if TYPE_CHECKING:
    from collections.abc import Callable

    from .place import Place
    from .plan import Plan
    from .served_worker import ServedWorker

_REFRESH_SECONDS = 0.5
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
FAILED = 1
#: As a shell has it for a program that Ctrl-C has ended.
CUT_SHORT = 130


class Serving:
    """Services, those that others depend on first.

    Args:
        plans: of them, in the order in which they are started.
        place: of all of them; claimed.
        workspace: of their sessions.
        screen: where all is told.
        check: they are ended as soon as all are ready.
        watch: they get new workers when a source changes. What fails waits for that; else it ends everything.

    Raises:
        InputError: sources cannot be watched.
    """

    def __init__(
        self, plans: list[Plan], place: Place, workspace: str, screen: Screen, *, check: bool, watch: bool
    ) -> None:
        gpus = Gpus()
        self.services = [ServedService(plan, workspace, place, gpus, self._tell) for plan in plans]
        self.screen = screen
        self._place = place
        self._check = check
        folders = [os.path.dirname(plan.source) for plan in plans if plan.source]
        self._sources = Sources(folders, self._sources_changed) if watch else None
        self._ready = False
        self._stopping = False
        self._status = 0
        self._reported: tuple[float, dict[str, int]] = (time.monotonic(), {})  # when, and how many calls there were
        self._threads: list[threading.Thread] = []
        self._events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._logs = WorkerLogs(self.workers, screen.complain)

    def workers(self) -> list[ServedWorker]:
        """All that there are now."""
        return [worker for service in self.services for worker in list(service.workers)]

    def run(self) -> int:
        """Returns the exit status, when all have left."""
        before = self._hear_signals()
        control = Control(self._place, self.obey)
        self._logs.start()
        try:
            self._on_thread(self._start)
            return self._run()
        finally:
            for thread in self._threads:  # which are about to end, and must not be in the middle of something then
                thread.join()
            if self._sources is not None and self._ready:
                self._sources.stop()
            control.close()
            self._logs.stop()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_thread(self, what: Callable[[], None]) -> None:
        self._threads.append(threading.Thread(target=what, name=what.__name__, daemon=True))
        self._threads[-1].start()

    # -------------------------------------------------------------------------------------------------------- events

    def _run(self) -> int:
        while True:
            event, what = self._next()
            self._show()
            if event == "ready":
                self._say_ready()
                if self._check:
                    self._stop("checked")
            elif event == "failed" and not self._stopping:
                self.screen.complain(f"{self._place.name} has failed: {what}")
                self._status = FAILED
                self._stop("failed")
            elif event == "stop" and self._stopping and what:
                return self._cut_short()
            elif event == "stop":
                self._stop(what or "asked to stop")
            elif event == "stopped":
                return self._end()

    def _next(self) -> tuple[str, Any]:
        try:
            return self._events.get(timeout=_REFRESH_SECONDS if self.screen.has_table else PERIOD_SECONDS)
        except queue.Empty:
            return "look", None

    def _show(self) -> None:
        """In a terminal a table, elsewhere a line now and then for each worker that has had calls."""
        for worker in self.workers():
            worker.measures.look()
        if self.screen.has_table:
            self.screen.show(table(service.describe() for service in self.services))
        elif time.monotonic() - self._reported[0] > WINDOW_SECONDS:
            self._report()

    def _report(self) -> None:
        before = self._reported[1]
        described = [worker for service in self.services for worker in service.describe()["workers"]]
        for worker in described:
            if worker["calls"] != before.get(worker["session"], 0):
                self.screen.say(words(worker))
        self._reported = (time.monotonic(), {worker["session"]: worker["calls"] for worker in described})

    def _tell(self, worker: ServedWorker, state: str, problem: str) -> None:
        """On the thread of a worker."""
        if problem:
            self._logs.look()  # first, what it said itself
            self.screen.complain(f"{worker.session_id}: {problem}")
        elif state == "ready":
            self.screen.say(f"{worker.session_id}: ready, process {worker.pid()}")
        if state == "failed" and worker.in_loop and self._sources is None:
            self._events.put(("failed", f"{worker.session_id} {worker.error}"))
        else:
            self._events.put(("look", None))

    def _hear_signals(self) -> dict[int, Any]:
        before: dict[int, Any] = {}
        for name in _SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(
                    number, lambda got, _: self._events.put(("stop", signal.Signals(got).name))
                )
        return before

    # ------------------------------------------------------------------------------------------------ start and stop

    def _start(self) -> None:
        """On a thread of its own."""
        try:
            for service in self.services:
                service.start()
        except TRException as error:
            self._events.put(("failed", str(error)))
        else:
            self._events.put(("ready", None))

    def _say_ready(self) -> None:
        self._ready = True
        for service in self.services:
            names = ", ".join(worker.session_id for worker in service.workers)
            self.screen.say(f"{service.plan.name} is served as {names}")
        self.screen.say(f"{self._place.name} is ready")
        _tell_systemd("READY=1")
        if self._sources is not None:
            self._sources.start()
            self.screen.say("sources are watched")

    def _stop(self, why: str) -> None:
        if self._stopping:
            return
        self._stopping = True
        _tell_systemd("STOPPING=1")
        if not self.screen.has_table:
            self._report()
        self.screen.say(f"{self._place.name} ends: {why}")
        self._on_thread(self._leave)

    def _leave(self) -> None:
        """On a thread of its own: those that call others first."""
        for service in reversed(self.services):
            service.leave(service.plan.settings.graceful_shutdown_timeout_s)
        self._events.put(("stopped", None))

    def _end(self) -> int:
        self._logs.look()
        self._show()
        self.screen.leave_table()
        for worker in self.workers():
            worker.close()
        self.screen.say(f"{self._place.name} has ended")
        return self._status

    def _cut_short(self) -> int:
        self.screen.complain(f"{self._place.name} is ended at once")
        for worker in self.workers():
            with suppress(ProcessLookupError):
                if pid := worker.pid():
                    os.kill(pid, signal.SIGKILL)
        at_once(self.workers(), lambda worker: worker.leave(0))
        return CUT_SHORT

    # -------------------------------------------------------------------------------------------------------- orders

    def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        """An order of another process. Raises TRException."""
        what = order.get("do")
        if what == "stop":
            self._events.put(("stop", ""))
        elif what == "reload":
            self.reload(order.get("services") or [])
        elif what == "scale":
            for name, number in dict(order.get("services") or {}).items():
                service = self._service(name)
                if type(number) is not int or not 1 <= number <= 1024:
                    raise InputError(f"{name} cannot have {number!r:.200} workers: expected 1 to 1024")
                service.scale(number, service.plan.settings.graceful_shutdown_timeout_s)
        elif what != "status":
            raise InputError(f"the order {what!r:.200}: expected status, scale, reload or stop")
        state = "ending" if self._stopping else "ready" if self._ready else "starting"
        described = [service.describe() for service in self.services]
        return {"name": self._place.name, "pid": os.getpid(), "state": state, "services": described}

    def reload(self, names: list[str]) -> None:
        """New workers of these services, or of all, one after the other. Raises TRException."""
        for service in [self._service(name) for name in names] or self.services:
            service.reload(service.plan.settings.graceful_shutdown_timeout_s)

    def _sources_changed(self, paths: set[str]) -> None:
        """On a thread of its own."""
        mistakes = list(filter(None, map(mistake_in, sorted(paths))))
        names = ", ".join(sorted(map(os.path.basename, paths)))
        if mistakes:
            self.screen.complain(f"{names} changed, and workers are left as they are: {'; '.join(mistakes)}")
            return
        self.screen.say(f"{names} changed")
        try:
            self.reload([])
        except TRException as error:
            if not self._stopping:
                self.screen.complain(f"{self._place.name} waits for another change: {error}")
        else:
            self.screen.say(f"{self._place.name} is reloaded")

    def _service(self, name: str) -> ServedService:
        found = {service.plan.name: service for service in self.services}
        if not self._ready or self._stopping:
            raise InputError(
                f"{self._place.name} is {'ending' if self._stopping else 'still starting'}: it is left as it is"
            )
        if name not in found:
            raise NotFoundError(f"there is no service {name!r}: {nearest(name, found)}")
        return found[name]


def _tell_systemd(state: str) -> None:
    """Where it has started this, and asked to be told."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.sendto(state.encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)

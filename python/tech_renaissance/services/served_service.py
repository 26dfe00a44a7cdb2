"""A service that is served: its workers, more or fewer of them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ..errors import InputError, RestartError
from ..worker.tally import ENDING, Counts
from .served_worker import ServedWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .gpus import Gpus
    from .place import Place
    from .plan import Plan


class ServedService:
    """Several workers of one class. For any thread; changes of the number and reloads come one after the other.

    Attributes:
        plan: of it.
        workers: by number.
    """

    def __init__(
        self, plan: Plan, workspace: str, place: Place, gpus: Gpus, tell: Callable[[ServedWorker, str, str], None]
    ) -> None:
        self.plan = plan
        self.workers: list[ServedWorker] = []
        self._workspace = workspace
        self._place = place
        self._gpus = gpus
        self._taken: dict[str, tuple[float, list[str]]] = {}  # of these, by worker
        self._tell = tell
        self._changing = threading.Lock()
        self._coming = threading.Lock()
        self._gone = False

    def start(self) -> None:
        """Starts all, and returns when each is ready.

        Raises:
            RestartError: why one is not.
        """
        self.scale(self.plan.settings.workers, 0)

    def scale(self, number: int, grace_s: float) -> None:
        """To so many: returns when those that are new are ready, and those that are too many have left.

        Raises:
            RestartError: why one is not ready.
            InputError: there are not enough GPUs; all is left as it is.
        """
        with self._changing:
            fresh, going = self._changed_to(number)
            at_once(going, lambda worker: worker.leave(grace_s))
            for worker in going:
                self._close(worker)
            try:
                _require(fresh, [worker.wait_until_settled() for worker in fresh])
            except RestartError:
                with self._coming:
                    self.workers = [worker for worker in self.workers if worker not in fresh]
                at_once(fresh, lambda worker: worker.leave(0))
                for worker in fresh:
                    self._close(worker)
                raise

    def _changed_to(self, number: int) -> tuple[list[ServedWorker], list[ServedWorker]]:
        """Those that are new, which are being started, and those that are too many."""
        with self._coming:
            if self._gone:
                raise RestartError(f"{self.plan.session} has ended")
            fresh: list[ServedWorker] = []
            try:
                for i in range(len(self.workers), number):
                    fresh.append(self._made(i, number))
            except InputError:
                for worker in fresh:
                    self._close(worker)
                raise
            going = self.workers[number:]
            self.workers = self.workers[:number] + fresh
            for worker in fresh:
                worker.start()
            return fresh, going

    def leave(self, grace_s: float) -> None:
        """Ends all, side by side, each when its calls at work have ended."""
        with self._coming:
            self._gone = True
            workers = list(self.workers)
        at_once(workers, lambda worker: worker.leave(grace_s))

    def reload(self, grace_s: float) -> None:
        """Gives each worker a new process, one after the other, each when its calls have ended.

        Raises:
            RestartError: why one could not be started; those behind it are left as they are.
        """
        with self._changing:
            for worker in list(self.workers):
                _require([worker], [worker.reload(grace_s)])

    def describe(self) -> dict[str, Any]:
        """How it is, for people and for `status`."""
        return {
            "service": self.plan.name,
            "class": self.plan.target,
            "workers": [_described(worker) for worker in list(self.workers)],
        }

    def _close(self, worker: ServedWorker) -> None:
        worker.close()
        self._gpus.give_back(*self._taken.pop(worker.session_id, (0, [])))

    def _made(self, number: int, among: int) -> ServedWorker:
        each, session = self.plan.gpus_of(number), f"{self.plan.session}-{number}"
        if each:
            self._taken[session] = each, self._gpus.take(each, session)
        gpus = self._taken.get(session, (0, []))[1]
        options = self.plan.options(number, among, self._workspace, self._place.directory, gpus)
        counts = Counts(f"{self._place.directory}/{options.session_id}{ENDING}", make=True)
        return ServedWorker(self.plan, options, counts, self._tell)


def _described(worker: ServedWorker) -> dict[str, Any]:
    at_work, calls, failures = worker.counts.read()
    pid = worker.pid()
    state = worker.shown_state()
    return {
        "session": worker.session_id,
        "state": "busy" if state == "ready" and at_work else state,
        "pid": pid,
        "at_work": at_work if pid else 0,
        "queue": worker.waiting() if pid else 0,
        "calls": calls,
        "failures": failures,
        **worker.measures.describe(),
        "restarts": worker.restarts,
        "memory_bytes": _memory(pid),
        "threads": worker.threads,
        "gpus": worker.gpus,
        "error": worker.error,
    }


def _memory(pid: int) -> int:
    """Bytes that a process has in memory; 0 where nobody knows."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            found = [line.split()[1] for line in file if line.startswith("VmRSS:")]
    except OSError:
        return 0
    return int(found[0]) * 1024 if found else 0


def _require(workers: list[ServedWorker], ready: list[bool]) -> None:
    for worker, good in zip(workers, ready):
        if not good:
            raise RestartError(f"{worker.session_id} {worker.error or worker.state}")


def at_once(items: Iterable[Any], what: Callable[[Any], object]) -> None:
    """Does it to each on a thread of its own, and waits for all."""
    threads = [threading.Thread(target=what, args=(item,), daemon=True) for item in items]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

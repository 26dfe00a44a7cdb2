"""One worker of a service: started, waited for, and started again after its death."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from ..channel.mailbox import request_waits
from ..errors import RemoteError, ServerError, TRException
from ..errors import TimeoutError as LimitPassed
from ..host.session import PythonSession
from ..protocol.messages import OK
from ..worker.endpoints import HEALTH
from ..worker.tally import VARIABLE, Counts
from .gpus import VARIABLE as GPUS
from .measures import Measures
from .plan import THREADS

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..host.calls import SentRequest
    from ..host.session_options import SessionOptions
    from .plan import Plan

_CHECK = "__check__"
_HEALTH_MS = 200  # for its answer; of a worker that is at work what it said last counts
_MOST_SHOWN = 80  # letters of it
_LOG_FOLLOWS = "; the end of its log:"
_LOOK_SECONDS = 0.2
_STEADY_SECONDS = 10.0  # a worker that has lived so long, or answered a call, did not die of its start


class ServedWorker:
    """A place in which there is one worker at a time. A thread of its own sees to that.

    Attributes:
        session_id: under which other programs find it.
        state: "starting", "ready", "waiting" (before another start), "leaving", "failed" or "stopped".
        error: why the last one could not be started, or died.
        restarts: in place of one that had died.
        in_loop: it has failed as one worker after the other died.
        counts: of its calls, over all workers in this place.
        measures: made of these.
        threads: OMP_NUM_THREADS in it, as a text; empty where it has none.
        gpus: CUDA_VISIBLE_DEVICES in it.

    Args:
        options: of its session.
        counts: see there.
        tell: gets its new state, and what is wrong, if something is; on the thread of this worker.
    """

    def __init__(
        self, plan: Plan, options: SessionOptions, counts: Counts, tell: Callable[[ServedWorker, str, str], None]
    ) -> None:
        options.environment[VARIABLE] = counts.path
        told = {**os.environ, **options.environment}
        self.threads, self.gpus = told.get(THREADS, ""), told.get(GPUS, "")
        self.session_id = options.session_id
        self.state = "starting"
        self.error = ""
        self.restarts = 0
        self.in_loop = False
        self.counts = counts
        self.measures = Measures(counts)
        self._plan = plan
        self._tell = tell
        self._session: PythonSession[Any] = PythonSession(options)
        self._session._core.hand_over("")  # what is done about a death is told behind it
        self.log_path = os.path.join(self._session.session_dir(), "worker.log")
        self._changed = threading.Condition()
        self._asking = threading.Lock()  # over the next two
        self._asked: SentRequest[Any] | None = None
        self._unwell = ""
        self._leaving = False
        self._meant = False  # the end of the worker that there is now
        self._reloads = False
        self._begun = False
        self._thread = threading.Thread(target=self._run, name=self.session_id, daemon=True)

    # ------------------------------------------------------------------------------------------------- from outside

    def start(self) -> None:
        """Returns at once."""
        self._thread.start()

    def wait_until_settled(self) -> bool:
        """Until it is ready, or will not be; whether it is."""
        with self._changed:
            self._changed.wait_for(lambda: self.state in ("ready", "failed", "stopped"))
            return self.state == "ready"

    def reload(self, grace_s: float) -> bool:
        """Another worker in place of this one, when its calls at work have ended; whether that is ready."""
        self.wait_until_settled()
        with self._changed:
            if self.state in ("leaving", "stopped"):
                return False
            has_one = self.state == "ready"
            self._meant = self._reloads = True
            self._changed.notify_all()
            self.state = "starting"
        if has_one:
            self._let_go(grace_s)
        return self.wait_until_settled()

    def leave(self, grace_s: float) -> None:
        """Ends it, when its calls at work have ended."""
        with self._changed:
            if self.state == "stopped":
                return
            has_one = self.state == "ready"
            self._leaving = self._meant = True
            self.state = "leaving"
            self._changed.notify_all()
        if has_one:
            self._let_go(grace_s)
            self._thread.join()
        while self._thread.is_alive():  # it may be about to start one
            self._session.terminate()
            self._thread.join(_LOOK_SECONDS)

    def pid(self) -> int:
        """Of its process; 0 where there is none."""
        stats = self._session.stats()
        return stats.worker_pid if stats.worker_state not in ("none", "dead") else 0

    def shown_state(self) -> str:
        """Its state, or "unwell: " and what the hook `health` says is wrong."""
        if self.state != "ready" or not self._plan.has_health:
            return self.state
        with self._asking:
            try:
                if self._asked is None:
                    self._asked = self._session.send_request(HEALTH)
                told = self._asked.wait_for_response(_HEALTH_MS)
                self._unwell = "" if told == OK else f"unwell: {told.splitlines()[0][:_MOST_SHOWN]}"
                self._asked = None
            except LimitPassed:
                pass  # it is at work, and is not asked again before it has answered
            except TRException:
                self._asked, self._unwell = None, ""
            return self._unwell or self.state

    def waiting(self) -> int:
        """How many calls it has yet to take."""
        folder = os.path.dirname(self.log_path)
        channels = [folder]
        with contextlib.suppress(OSError):
            channels += [entry.path for entry in os.scandir(f"{folder}/channels")]
        return sum(request_waits(f"{channel}/mailbox") for channel in channels)

    def close(self) -> None:
        """Removes what is left of it; it has left."""
        self._session.close()
        self.counts.remove()

    # ---------------------------------------------------------------------------------------------- on its own thread

    def _run(self) -> None:
        failures = 0
        while not self._leaving:
            self._meant = False
            error = self._try_to_start()
            if error is None:
                since, answered = time.monotonic(), self.counts.read()[1]
                self._become("ready", "")
                if self._leaving:
                    self._session.terminate()  # whoever said so has found no process
                self._session.join()
                error = self._death()
                if time.monotonic() - since > _STEADY_SECONDS or self.counts.read()[1] != answered:
                    failures = 0
            if self._leaving:
                break
            if self._meant:
                failures = 0
                continue
            failures += 1
            if self._reloads or not self._begun or failures > self._plan.settings.restart_attempts:
                self._give_up(error, failures)
                failures = 0
            else:
                self._pause(error, failures)
            self.restarts += not self._meant
        self._become("stopped", "")

    def _try_to_start(self) -> str | None:
        """Why there is none; None where it is ready, and has answered."""
        limit = int(self._plan.settings.start_timeout_s * 1000)
        try:
            self._session.start()
            if not self._session.wait_until_ready(limit):
                self._session.terminate()
                return f"was not ready within {limit / 1000:g} s (start_timeout_s)"
            return self._rehearse(limit) if self._plan.has_endpoints else None
        except TRException as error:
            return str(error)

    def _rehearse(self, limit: int) -> str | None:
        """Has it run its examples, and so answer a request."""
        try:
            outcomes = json.loads(self._session.fetch_response(_CHECK, limit))
        except (RemoteError, ServerError, ValueError) as error:
            return f"does not answer: {error}"
        wrong = [f"the example of {name}: {outcome}" for name, outcome in outcomes.items() if outcome != "ok"]
        if wrong:
            self._session.terminate()
        return "; ".join(wrong) or None

    def _death(self) -> str:
        try:
            self._session.wait_until_ready(1)
        except TRException as error:
            return str(error)
        return "has ended"

    def _give_up(self, error: str, failures: int) -> None:
        self.in_loop = self._begun and not self._reloads
        again = f" {failures} times in a row" if self.in_loop else ""
        self._become("failed", f"failed{again}: {error}", bad=True)
        with self._changed:  # until somebody wants it to be tried again
            self._changed.wait_for(lambda: self._leaving or self._meant)

    def _pause(self, error: str, failures: int) -> None:
        settings = self._plan.settings
        pause = 0.0
        if failures > 1:
            pause = min(settings.restart_backoff_s * 2 ** (failures - 2), settings.restart_max_backoff_s)
        later = f" in {pause:g} s" if pause else ""
        self._become("waiting", f"{error}; another is started{later}", bad=True)
        with self._changed:
            self._changed.wait_for(lambda: self._leaving or self._meant, pause)
            if not self._leaving:
                self.state = "starting"

    def _become(self, state: str, text: str, *, bad: bool = False) -> None:
        if self._leaving and state != "stopped":
            return
        text = text.split("\n")[0].replace(_LOG_FOLLOWS, "")  # its log has been told already
        self.error = text if bad else ""
        if state == "ready":
            self._begun, self._reloads, self.in_loop = True, False, False
        self._tell(self, state, text)  # first, so that it is told before what others make of it
        with self._changed:
            self.state = "leaving" if self._leaving and state != "stopped" else state
            self._changed.notify_all()

    def _let_go(self, grace_s: float) -> None:
        self._session.please_exit(max(1, int(grace_s * 1000)))

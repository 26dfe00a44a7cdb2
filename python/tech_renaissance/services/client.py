"""A client of a service that is served: each call goes to the worker that has the fewest at work."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from typing import TYPE_CHECKING, Any

from ..errors import NotFoundError, RestartError, RetryError, TRException
from ..host.session import PythonSession
from ..host.session_options import SessionOptions
from ..worker.tally import ENDING, Counts
from .place import Place, place_of, served

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ..data.tensors import Framework
    from ..host.arguments import Limit
    from ..host.endpoint_calls import Endpoint
    from ..host.tensor_stream import TensorStream

_AT_ONCE = 64  # calls of this program in one worker
_PATIENCE_SECONDS = 10.0  # for a worker to be there
# Seconds between two looks at a folder that has no worker yet: what is waited for is a process that starts.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.2


class _Line:
    """A connection to one worker."""

    def __init__(self, session_id: str, directory: str, framework: Framework | None) -> None:
        workspace = os.path.dirname(os.path.dirname(directory))
        options = SessionOptions(workspace=workspace, quiet=True, max_ongoing_requests=_AT_ONCE)
        self.session_id = session_id
        self.session = PythonSession.connect(session_id, options, framework=framework)
        self.session._core.hand_over(
            "it is served, and gets another worker: further calls go to that one, or to others"
        )
        self.counts = Counts(f"{directory}/{session_id}{ENDING}")
        self.in_flight = 0

    def load(self) -> int:
        return max(self.in_flight, self.counts.read()[0])

    def close(self) -> None:
        self.session.close()
        self.counts.close()


class ServiceClient:
    """Calls a service that `python -m tech_renaissance serve` runs; from `attach`, or behind `depends`.

    Its endpoints are methods: `client.blur(image, radius=5)`. They may be called from any thread. A call whose worker
    dies before it has taken it is made on another one; where there is none just then, it is waited for, 10 s at most.

    Args:
        directory: where the service can be found.
        session: its sessions are this, "-", and a number.
        framework: of results; None for that of the tensors given.
    """

    def __init__(self, directory: str, session: str, framework: Framework | None = None) -> None:
        self._directory = directory
        self._sessions = re.compile(re.escape(session) + r"-\d+")
        self._name = session
        self._framework = framework or None
        self._lines: dict[str, _Line] = {}
        self._seen = -1  # as which the directory was last looked at
        self._turn = 0
        self._lock = threading.Lock()

    def call(self, endpoint: str, /, *arguments: Any, timeout_ms: Limit = None, **named: Any) -> Any:
        """As `PythonSession.call`."""
        return self._made(lambda session: session.call(endpoint, *arguments, timeout_ms=timeout_ms, **named))

    def calculate(self, command: str, *tensors: Any, timeout_ms: Limit = None, **named: Any) -> Any:
        """As `PythonSession.calculate`."""
        return self._made(lambda session: session.calculate(command, *tensors, timeout_ms=timeout_ms, **named))

    def fetch_response(self, message: str, timeout_ms: Limit = None) -> str:
        """As `PythonSession.fetch_response`."""
        return str(self._made(lambda session: session.fetch_response(message, timeout_ms)))

    def stream(self, command: str, *tensors: Any, timeout_ms: Limit = None) -> TensorStream[Any]:
        """As `PythonSession.stream`."""
        found: TensorStream[Any] = self._made(lambda session: session.stream(command, *tensors, timeout_ms=timeout_ms))
        return found

    def endpoints(self) -> list[Endpoint]:
        """What it offers, as `PythonSession.endpoints`."""
        found: list[Endpoint] = self._made(lambda session: session.endpoints())
        return found

    def __getattr__(self, endpoint: str) -> Callable[..., Any]:
        if endpoint.startswith("_"):
            raise AttributeError(endpoint)

        def call(*arguments: Any, timeout_ms: Limit = None, **named: Any) -> Any:
            return self.call(endpoint, *arguments, timeout_ms=timeout_ms, **named)

        call.__name__ = endpoint
        return call

    def __enter__(self) -> ServiceClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of all workers; they stay."""
        with self._lock:
            lines, self._lines = self._lines, {}
        for line in lines.values():
            line.close()

    # --------------------------------------------------------------------------------------------------------- calls

    def _made(self, call: Callable[[Any], Any]) -> Any:
        """What a call gives, made on the worker that is least busy."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            line = self._taken(deadline)
            try:
                return call(line.session)
            except RestartError as error:
                self._drop(line)
                if not error.may_retry or time.monotonic() > deadline:
                    raise
            finally:
                with self._lock:
                    line.in_flight -= 1

    def _taken(self, deadline: float) -> _Line:
        """The worker that is least busy; waits for one where there is none."""
        pause = _FIRST_PAUSE
        while True:
            with self._lock:
                problem = self._look()
                if self._lines:
                    lines = list(self._lines.values())
                    self._turn += 1
                    first = self._turn % len(lines)
                    line = min(lines[first:] + lines[:first], key=_Line.load)
                    line.in_flight += 1
                    return line
            if time.monotonic() > deadline:
                raise RetryError(
                    f"no worker of {self._name!r} can be called: {problem or 'there is none'}"
                ) from problem
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _look(self) -> TRException | None:
        """Connects to workers that are new, when some have come or gone; why it cannot, to one of them."""
        try:
            seen = os.stat(self._directory).st_mtime_ns
        except OSError:
            return NotFoundError(f"nobody serves it any more ({self._directory} is gone)")
        if seen == self._seen:
            return None
        folder, name = os.path.split(self._directory)
        if not self._lines and not Place(os.path.dirname(folder), name).is_served():
            return NotFoundError("nobody serves it any more: the process that did has died")
        problem: TRException | None = None
        names = {name[: -len(ENDING)] for name in os.listdir(self._directory) if name.endswith(ENDING)}
        for name in sorted(filter(self._sessions.fullmatch, names)):
            if name in self._lines:
                continue
            try:
                self._lines[name] = _Line(name, self._directory, self._framework)
            except TRException as error:
                problem = error
            except OSError:
                continue  # it has just left
        for name in self._lines.keys() - names:
            self._lines.pop(name)
        self._seen = -1 if problem else seen
        return problem

    def _drop(self, line: _Line) -> None:
        """Its worker is gone, or its call alone; another one may be under its name soon."""
        with self._lock:
            if self._lines.get(line.session_id) is line:
                self._lines.pop(line.session_id)
            self._seen = -1
        with contextlib.suppress(TRException):
            if not line.session.is_alive():  # else it has calls of other threads
                line.session.terminate()


def attach(name: str, *, workspace: str = "", framework: Framework | None = None) -> ServiceClient:
    """A client of what this user serves under a name.

        with attach("filters") as filters:
            y = filters.blur(x, radius=5)

    Args:
        name: as `python -m tech_renaissance ls` tells it; or "front.filters", for a service that Front depends on.
        workspace: as of `SessionOptions`.
        framework: as of `PythonSession`.

    Raises:
        NotFoundError: nobody serves it; the message says what is served.
    """
    owner = name.rpartition(".")[0]
    graphs = {place.name for place in served(workspace)}
    place = place_of(owner if name not in graphs and owner in graphs else name, workspace)
    return ServiceClient(place.directory, name, framework)

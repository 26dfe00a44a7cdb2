"""What a `PythonSession` is started with, and what it tells about itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .arguments import milliseconds, path, truth, whole_number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta
    from typing import Literal

    WakeUp = Literal["automatic", "futex", "inotify", "watchdog", "polling"]
    LogLevel = Literal["debug", "info", "warning", "error"]
    Carrier = Literal["", "mailbox", "files"]
    WorkerState = Literal["none", "starting", "ready", "busy", "stopped", "dead"]


@dataclass(frozen=True)
class RestartPolicy:
    """What a session does by itself about a worker that has died. By default nothing: the caller calls `restart`.

    With `attempts`, a call that finds the worker dead starts another one first. A call whose worker dies under it is
    repeated, tensors and all, when its request was not run, or its command is idempotent; otherwise it ends with a
    RestartError at once, and the next call starts the worker. That holds for calls that are a whole turn (fetch_*,
    calculate*); a stream, and a request of `send_request`, are not repeated, but find a worker. The call's time limit
    holds for all of it. After `terminate` or `please_exit` nothing is started: that worker was ended on purpose.

    A session directory that has been removed is like a death: such a call ends the worker that may be left, and starts
    another in a new directory. What was sent by hand (`send_tensor`) is gone with the old one.

    Attributes:
        attempts: how many workers one call may start; 0 turns all of this off.
        backoff_ms: the first start is at once; when no request has been answered since the last one, the next comes so
            much later than that, and twice as much each time.
        max_backoff_ms: where that ends.
        idempotent: commands that may be run twice; "*" stands for all. One whose server writes to its inputs is not
            among them, where these are shared memory (`empty`), or were sent by hand.
        quarantine_after: a request that was at work in this many deaths, and was never answered in between, is refused
            with an InputError (E1003) from then on, until `clear_quarantine`. It is told by its text, and the dtypes
            and shapes of the tensors of `calculate`. 0: never.
    """

    attempts: int = 0
    backoff_ms: int = 100
    max_backoff_ms: int = 5_000
    idempotent: Sequence[str] = ()
    quarantine_after: int = 3


@dataclass
class SessionOptions:
    """What a session is started with; every field has a default that works.

    Attributes:
        script: a Python file, or "default" for the server that comes with the package.
        module: a Python module to run as `python -m`; when set, `script` is not looked at.
        arguments: to the script or module, as it finds them in `sys.argv[1:]`: `["--weights", "model.pt"]`.
        session_id: a tag; while another live session of the workspace has it, `start` is a RetryError (E4001). Empty:
            "default" where that is free when the session starts, else a unique one; the log tells.
        workspace: where session directories live. Empty: $TR_WORKSPACE, else a per-user folder on tmpfs, else in the
            temporary directory.
        python: the worker's interpreter. Empty: $TR_PYTHON, $VIRTUAL_ENV, $CONDA_PREFIX, else the one that runs this.
        environment: added to the worker's environment.
        removed_environment: variables that the worker does not inherit, such as a PYTHONHOME that is meant for another
            interpreter.
        launcher: a program and its arguments that run the interpreter: `["numactl", "-N0"]`; with it the worker is not
            forked from a template, nor with the two that follow.
        python_arguments: arguments to the interpreter, before the script: `["-X", "dev"]`.
        debug_port: on this machine, where a debugger can attach to the running worker (debugpy, which has to be
            installed there); 0: none. Anybody on the machine who can connect to it is let in.
        working_directory: of the worker; empty: that of this process.
        start_timeout_ms: how long a worker may take until it is ready; 0: for ever.
        default_timeout_ms: the limit of every call that is given none; 0: for ever.
        wake_up: "automatic", "futex", "inotify", "watchdog" or "polling".
        busy_wait_us: for how long, at most, a wait of either side looks for news, with the core yielded to others
            between the looks, before it sleeps, microseconds; None: as long as it pays, or what $TR_BUSY_WAIT_US says.
        log: gets level ("debug", "info", "warning", "error") and text of each log line, on one thread at a time, mostly
            the one that causes it. It may ask the session (`stats`) and `terminate` its worker; calls that start one
            or wait for one, such as `restart` and requests, are an InputError in it. None: standard error, unless
            `quiet`.
        quiet: no log lines on standard error.
        keep_on_failure: each failure is kept in a directory of its own, the last 16 of a session, for
            `python -m tech_renaissance replay <directory>`; `stats().kept` says where.
        quick_start: fork the worker from a template that has imported `preload` already (Linux); the first such session
            of a program waits for the template. Where it cannot be done, `stats().start` tells why.
        preload: modules of the template.
        max_ongoing_requests: how many requests may be in flight at the same time: calls of different threads, and
            `calculate_async`. Each has a channel of its own in the one worker. Whether they run side by side is the
            server's to say: one with an `async def main_logic`, or with `threads`, runs them so.
        restart: starts workers in place of dead ones.
        observer: gets each event, a dict of the fields of tr::SessionEvent, on the thread that causes it: keep it
            short. It may not call what starts a worker or waits for one.
    """

    script: str | os.PathLike[str] = "default"
    module: str = ""
    arguments: Sequence[str] = ()
    session_id: str = ""
    workspace: str | os.PathLike[str] = ""
    python: str | os.PathLike[str] = ""
    environment: dict[str, str] = field(default_factory=dict)
    removed_environment: Sequence[str] = ()
    launcher: Sequence[str] = ()
    python_arguments: Sequence[str] = ()
    debug_port: int = 0
    working_directory: str | os.PathLike[str] = ""
    start_timeout_ms: int | timedelta = 60_000
    default_timeout_ms: int | timedelta = 60_000
    wake_up: WakeUp = "automatic"
    busy_wait_us: int | None = None
    log: Callable[[LogLevel, str], object] | None = None
    quiet: bool = False
    keep_on_failure: bool = False
    quick_start: bool = False
    preload: Sequence[str] = ("torch",)
    max_ongoing_requests: int = 1
    restart: RestartPolicy = RestartPolicy()
    observer: Callable[[dict[str, Any]], object] | None = None


_INT_FIELDS = {
    "attempts": 32,
    "busy_wait_us": 32,
    "debug_port": 32,
    "max_ongoing_requests": 32,
    "quarantine_after": 32,
}  # bits; those of milliseconds have 64


def core_arguments(options: SessionOptions) -> dict[str, Any]:
    """The options as the compiled module takes them.

    Raises:
        InputError: a field holds what it cannot; the message names it.
    """
    values = {item.name: _checked(options, item.name, str(item.type)) for item in fields(options)}
    policy = values["restart"]
    values["restart"] = tuple(_checked(policy, item.name, str(item.type)) for item in fields(policy))
    return values


def _checked(owner: object, name: str, kind: str) -> Any:
    value = getattr(owner, name)
    label = f"{type(owner).__name__}.{name}"
    if kind == "int | None" and value is None:
        return -1
    if kind == "int | timedelta":
        return milliseconds(value, label, f"a whole number of milliseconds from 0 to {2**63 - 1}, or a timedelta")
    if kind.startswith("int"):
        most = 2 ** (_INT_FIELDS.get(name, 64) - 1) - 1
        return whole_number(value, label, f"a whole number from 0 to {most}", most)
    if kind in _NAMING:
        return _NAMING[kind](value, label)
    try:
        return _CONVERSIONS[kind](value)
    except (TypeError, ValueError) as error:
        raise InputError(f"{label} is {value!r:.200}: expected {error}") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a string")
    return value


def _texts(value: Any) -> list[str]:
    if not isinstance(value, (str, bytes)) and hasattr(value, "__iter__"):
        texts = list(value)
        if all(isinstance(text, str) and "\0" not in text for text in texts):
            return texts
    raise TypeError('a sequence of strings, such as ["one", "another"]')


def environment_of(value: Any) -> dict[bytes, bytes]:
    """Variables as the compiled module takes them."""
    kinds = (str, bytes, os.PathLike)
    if not isinstance(value, Mapping) or not all(isinstance(x, kinds) for pair in value.items() for x in pair):
        raise TypeError("a dict of strings")
    return {os.fsencode(key): os.fsencode(text) for key, text in value.items()}


def _callback(value: Any) -> Any:
    if value is not None and not callable(value):
        raise TypeError("a function of level and text, or None")
    return value


def _observer(value: Any) -> Any:
    if value is not None and not callable(value):
        raise TypeError("a function of an event, or None")
    return value


def _policy(value: Any) -> RestartPolicy:
    if not isinstance(value, RestartPolicy):
        raise TypeError("a RestartPolicy")
    return value


_NAMING: dict[str, Callable[[Any, str], Any]] = {"bool": truth, "str | os.PathLike[str]": path}
_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "str": _text,
    "WakeUp": _text,
    "Sequence[str]": _texts,
    "dict[str, str]": environment_of,
    "Callable[[LogLevel, str], object] | None": _callback,
    "Callable[[dict[str, Any]], object] | None": _observer,
    "RestartPolicy": _policy,
}


@dataclass(frozen=True)
class BatchStats:
    """What became of the calls of one endpoint with a `max_batch_size`, as its worker has counted.

    Attributes:
        rows: how many batches there were of each number of rows.
        closed: how many were closed for each reason: "full", "nobody else" could call, "delay", "other arguments" or
            "another command" came next.
        calls: in all of them.
        failed: batches that were run again, call by call, as the method had raised.
    """

    rows: dict[int, int]
    closed: dict[str, int]
    calls: int
    failed: int

    def batches(self) -> int:
        """How many there were."""
        return sum(self.rows.values())

    def mean_rows(self) -> float:
        """Of a batch; 0 where there was none."""
        return sum(size * count for size, count in self.rows.items()) / max(1, self.batches())


def batch_stats(found: dict[str, Any]) -> dict[str, BatchStats]:
    """As the compiled module tells them, by endpoint."""
    return {name: BatchStats(**counts) for name, counts in found.items()}


@dataclass(frozen=True)
class SessionStats:
    """What a session has done so far and how; the fields are those of tr::SessionStats.

    Attributes:
        worker_mailbox: what the worker reaches shared memory through: "library" (this one) or, slower, "python".
        worker_state: "none", "starting", "ready", "busy", "stopped" (by a signal or a debugger), or "dead". Whether one
            that is at work is wedged, `probe` tells.
        busy_ms: since the request in flight was sent, the oldest of several; 0 when there is none.
        channels: how many requests have been in flight at the same time, at most.
        quarantined: requests that are refused because they have ended workers; `RestartPolicy.quarantine_after`.
        kept: where the last failure is kept; `SessionOptions.keep_on_failure`.
        progress: what the server said last with `write_status` in the request in flight.
        bytes_held: by tensors in the session's directory: memory where that is on tmpfs. What nobody holds any more is
            given back when no tensor has been sent for a second: the worker's by itself, this side's with the next
            answer.
        batches: of the worker that there is, by endpoint; none of endpoints without a `max_batch_size`. It may be a
            second behind.
    """

    carrier: Carrier
    host_wake_up: str
    worker_wake_up: str
    worker_mailbox: str
    fallback: str
    start: str
    file_system: str
    python: str
    worker_pid: int
    worker_state: WorkerState
    busy_ms: int
    progress: str
    epoch: int
    channels: int
    quarantined: list[str]
    kept: str
    requests: int
    responses: int
    failures: int
    bytes_sent: int
    bytes_received: int
    bytes_held: int
    last_round_trip_us: float
    batches: dict[str, BatchStats]


@dataclass(frozen=True)
class WorkerHealth:
    """How a worker is, as it says itself.

    Attributes:
        state: as `SessionStats.worker_state`; or "wedged": alive, but native code keeps its interpreter from running.
        busy_ms: as in `SessionStats`.
        progress: as in `SessionStats`.
    """

    state: WorkerState | Literal["wedged"]
    busy_ms: int
    progress: str


@dataclass(frozen=True)
class SessionInfo:
    """A session that some program of this user runs.

    Attributes:
        owner_pid: the program.
        worker_pid: 0 while it is not ready.
        server: class of the server.
        commands: that it has declared.
        takes_clients: `PythonSession.connect` works.
    """

    session_id: str
    directory: str
    owner_pid: int
    worker_pid: int
    server: str
    commands: list[str]
    takes_clients: bool

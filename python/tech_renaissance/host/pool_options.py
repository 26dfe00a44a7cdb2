"""What a `Pool` is started with, and what it tells about itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .arguments import whole_number
from .session_options import BatchStats, SessionOptions, environment_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Literal

    PoolWorkerState = Literal["starting", "ready", "busy", "leaving", "failed", "stopped"]

_MOST = 2**31 - 1
_CHOICES = {
    "when_full": ("wait", "refuse"),
    "balance": ("least_busy", "round_robin"),
    "on_death": ("fail", "repeat"),
}


@dataclass
class PoolOptions:
    """What a pool is started with; every field has a default that works.

    Attributes:
        session: of every worker. An id that is given gets "-0", "-1", ... behind it; `max_ongoing_requests` is how many
            calls a worker has at a time; `log` and `observer` hear of all workers, several at a time. `restart` is how
            a dead worker is replaced, in the background: `attempts` says how many starts in a row may fail before the
            worker leaves the pool (0: five); the back-off is as it is there; `idempotent` names commands that may be
            run twice. Its quarantine is not looked at.
        workers: how many.
        max_queue_size: calls that may wait for a worker.
        when_full: "wait": a call waits for a place in the queue; "refuse": OverloadedError.
        balance: "least_busy": the worker with the fewest calls at work; "round_robin": one after the other.
        on_death: what becomes of a call that was at work in a worker that died. "fail": RestartError, as nobody can
            tell what effect it had; "repeat": it is made again, on another worker. One that the worker had not taken
            is made on another one in any case, and one whose command is idempotent is always repeated.
        max_repeats: how often a call that was at work is repeated, at most.
        threads_per_worker: how many threads the libraries in a worker are to use (OMP_NUM_THREADS, MKL_NUM_THREADS and
            OPENBLAS_NUM_THREADS of its environment). None: the cores of this machine divided by `workers`, unless the
            environment of this program has one of the three. What `session` or `worker_environment` says stays.
        worker_environment: added to the environment of worker i: the entry i of these, from the first again where there
            are more workers: `[{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}]`.
    """

    session: SessionOptions = field(default_factory=SessionOptions)
    workers: int = 2
    max_queue_size: int = 64
    when_full: Literal["wait", "refuse"] = "wait"
    balance: Literal["least_busy", "round_robin"] = "least_busy"
    on_death: Literal["fail", "repeat"] = "fail"
    max_repeats: int = 2
    threads_per_worker: int | None = None
    worker_environment: Sequence[Mapping[str, str]] = ()


def core_arguments(options: PoolOptions) -> dict[str, Any]:
    """The options as the compiled module takes them, but for those of the session.

    Raises:
        InputError: a field holds what it cannot; the message names it.
    """
    values: dict[str, Any] = {}
    for name in ("workers", "max_queue_size", "max_repeats", "threads_per_worker"):
        value = getattr(options, name)
        if value is None and name == "threads_per_worker":
            value = 0
        values[name] = whole_number(value, f"PoolOptions.{name}", "a whole number of 0 or more", _MOST)
    for name, choices in _CHOICES.items():
        values[name] = getattr(options, name)
        if values[name] not in choices:
            raise InputError(f"PoolOptions.{name} is {values[name]!r:.200}: expected {' or '.join(map(repr, choices))}")
    try:
        values["worker_environment"] = [environment_of(one) for one in options.worker_environment]
    except TypeError:
        raise InputError(
            f"PoolOptions.worker_environment is {options.worker_environment!r:.200}: expected a list of dicts of "
            "strings"
        ) from None
    return values


@dataclass(frozen=True)
class PoolWorkerStats:
    """What a worker of a pool has done.

    Attributes:
        state: "starting" (or being replaced), "ready" (idle), "busy", "leaving" (takes no more calls), "failed" (has
            left the pool, see `error`), "stopped".
        in_flight: calls at work.
        calls: that have ended, streams among them.
        failures: of these, with an exception.
        restarts: in place of one that had died, or by `reload`.
        epoch: counts its starts.
        threads: OMP_NUM_THREADS in it; 0: not set, or no number.
        error: why it could not be started.
    """

    number: int
    session_id: str
    state: PoolWorkerState
    pid: int
    in_flight: int
    calls: int
    failures: int
    restarts: int
    epoch: int
    threads: int
    error: str


@dataclass(frozen=True)
class PoolStats:
    """What a pool has done so far and how; a snapshot.

    Attributes:
        in_flight: calls at work.
        queued: calls that wait for a worker.
        longest_queue: so far.
        waiting_for_place: calls that wait for a place in the queue.
        calls: with those of workers that have left, as failures and restarts.
        repeated: calls made again as a worker had died, counted each time.
        refused: calls that were not made: OverloadedError.
        mean_call_us: of the last calls, at work.
        batches: of the workers that there are, by endpoint; see `SessionStats`.
    """

    workers: list[PoolWorkerStats]
    in_flight: int
    queued: int
    longest_queue: int
    waiting_for_place: int
    calls: int
    failures: int
    restarts: int
    repeated: int
    refused: int
    mean_call_us: float
    batches: dict[str, BatchStats]

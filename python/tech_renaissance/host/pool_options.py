"""What a `Pool` is started with, and what it tells about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .arguments import whole_number
from .session_options import BatchStats, SessionOptions, environment_of

if TYPE_CHECKING:
    from collections.abc import Sequence
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
            run twice. A call that was at work in `quarantine_after` deaths, in whichever workers, is refused.
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
            are more workers: `[{"PORT": "8000"}, {"PORT": "8001"}]`.
        resources: what each worker is to have of this machine, `{"cpu": 2, "gpu": 1}`. Of cores that is
            `threads_per_worker`, but no more than there are for all. GPUs, of NVIDIA, are named in its
            CUDA_VISIBLE_DEVICES: one after the other of those in that of this program, or of all that there are; 0.5
            has two workers share one, and where there are not enough the pool is an InputError. What `session` or
            `worker_environment` sets, and of cores the environment of this program, stays.
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
    resources: Mapping[str, float] = field(default_factory=dict)


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
    values.update(_resources(options.resources))
    return values


def _resources(given: Any) -> dict[str, float]:
    where = f"PoolOptions.resources is {given!r:.200}"
    if not isinstance(given, Mapping) or not set(given) <= {"cpu", "gpu"}:
        raise InputError(f"{where}: expected a dict with cpu, gpu or both")
    cpu = whole_number(given.get("cpu", 0), f"{where}: cpu", "a whole number of 0 or more", _MOST)
    gpu = given.get("gpu", 0)
    if isinstance(gpu, bool) or not isinstance(gpu, (int, float)) or not 0 <= gpu <= _MOST:
        raise InputError(f"{where}: gpu is {gpu!r:.200}: expected a number of 0 or more")
    return {"cpu": cpu, "gpu": float(gpu)}


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
        gpus: CUDA_VISIBLE_DEVICES in it.
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
    gpus: str
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
        quarantined: calls that are refused because they have ended workers.
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
    quarantined: list[str]

"""What is to be served: each service with its class, its settings, and the names of its sessions."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..endpoints.declare import marked
from ..endpoints.signature import Signature
from ..errors import InputError
from ..host.session_options import SessionOptions
from ..worker.server import TechRenaissanceServer
from .depends import VARIABLE
from .gpus import VARIABLE as GPUS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .layers import Settings

_SCRIPT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scripts", "serve_worker.py")
THREADS = "OMP_NUM_THREADS"
_THREADS = (THREADS, "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass
class Plan:
    """Of one service.

    Attributes:
        kind: its class.
        target: that as a worker finds it, "path/server.py:Class" or "package.module:Class".
        session: its sessions are this, "-", and a number.
        settings: of it.
        signatures: of its endpoints.
        needs: the services that it calls, by the attributes through which it does.
    """

    kind: type
    target: str
    session: str
    settings: Settings
    signatures: dict[str, Signature] = field(default_factory=dict)
    needs: dict[str, Plan] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the service, as in the configuration."""
        return self.kind.__name__

    @property
    def source(self) -> str:
        """The file that it is defined in; empty where there is none."""
        file = getattr(sys.modules.get(self.kind.__module__), "__file__", None)
        return os.path.abspath(file) if file else ""

    @property
    def has_endpoints(self) -> bool:
        """Else it has a main_logic alone."""
        return bool(self.signatures)

    @property
    def has_health(self) -> bool:
        """It has the hook of this name."""
        hook = getattr(self.kind, "health", None)
        return hook not in (None, TechRenaissanceServer.health) and "health" not in self.signatures

    def gpus_of(self, number: int) -> float:
        """How many worker `number` is to be given, which has no say in it by its environment."""
        told = GPUS in self.settings.environment or GPUS in self._own_environment(number)
        return 0 if told else float(self.settings.resources.get("gpu", 0))

    def _own_environment(self, number: int) -> dict[str, str]:
        several: list[dict[str, str]] = self.settings.worker_environment
        return several[number % len(several)] if several else {}

    def options(
        self, number: int, workers: int, workspace: str, directory: str, gpus: Sequence[str] = ()
    ) -> SessionOptions:
        """Of the session of worker `number`, one of so many; what it depends on is found in `directory`."""
        settings = self.settings
        environment = {name: str(threads) for name, threads in self._threads(workers).items()}
        if gpus:
            environment[GPUS] = ",".join(gpus)
        environment.update(settings.environment)
        environment.update(self._own_environment(number))
        if self.needs:
            found = {"directory": directory, "framework": settings.framework}
            environment[VARIABLE] = json.dumps(
                {name: {**found, "session": it.session} for name, it in self.needs.items()}
            )
        return SessionOptions(
            script=_SCRIPT,
            arguments=[self.target, self._for_worker()],
            session_id=f"{self.session}-{number}",
            workspace=workspace,
            python=settings.python,
            python_arguments=settings.python_arguments,
            launcher=settings.launcher,
            working_directory=settings.working_directory,
            environment=environment,
            keep_on_failure=settings.keep_on_failure,
            start_timeout_ms=int(settings.start_timeout_s * 1000),
            quiet=True,
        )

    def _for_worker(self) -> str:
        own = {"threads": self.settings.threads, "framework": self.settings.framework}
        return json.dumps({name: value for name, value in own.items() if value})

    def _threads(self, workers: int) -> dict[str, int]:
        """Of the libraries in a worker; never over what the user's environment says."""
        given = self.settings.threads_per_worker
        if not given and any(map(os.environ.get, _THREADS)):
            return {}
        own = max(1, _cores() // workers)
        return dict.fromkeys(_THREADS, given or min(own, self.settings.resources.get("cpu") or own))


def signatures_of(kind: type) -> dict[str, Signature]:
    """Of the endpoints of a class.

    Raises:
        InputError: one of them cannot be one; or the class serves nothing at all.
    """
    found = {name: Signature(name, getattr(kind, method), kind) for name, method in marked(kind).items()}
    has_logic = getattr(kind, "main_logic", None) not in (None, TechRenaissanceServer.main_logic)
    if not found and not (has_logic and issubclass(kind, TechRenaissanceServer)):
        raise InputError(
            f"{kind.__name__} serves nothing: expected methods with @endpoint, or a TechRenaissanceServer with a "
            "main_logic"
        )
    return found


def target_of(kind: type) -> str:
    """How a worker finds a class that has been imported here."""
    module: Any = sys.modules[kind.__module__]
    spec = getattr(module, "__spec__", None)
    file = getattr(module, "__file__", None)
    if getattr(sys.modules[kind.__module__], "__package__", "") or file is None or spec is None:
        return f"{kind.__module__}:{kind.__name__}"
    return f"{os.path.abspath(file)}:{kind.__name__}"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

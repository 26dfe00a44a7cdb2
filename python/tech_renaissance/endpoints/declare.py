"""`@endpoint` and `@service`, which mark what a server offers; and finding what was marked."""

from __future__ import annotations

from ..data.tensors import overload
from ..errors import InputError
from ..protocol.messages import EXIT, is_tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar, Union

    from ..data.tensors import Framework

    Function = TypeVar("Function", bound=Callable[..., Any])
    Class = TypeVar("Class", bound=type)
    Pad = Union[float, dict[str, float]]
    Example = Union[dict[str, Any], Callable[[Any], dict[str, Any]]]

_MARK = "__tr_endpoint__"
_SERVICE = "__tr_service__"


class EndpointOptions:
    """What `@endpoint` says of a method."""

    def __init__(self, name: str, example: Any, max_batch_size: int, max_queue_delay_ms: float, pad: Any) -> None:
        self.name = name
        self.example = example
        self.max_batch_size = max_batch_size
        self.max_queue_delay_ms = max_queue_delay_ms
        self.pad = pad


class ServiceOptions:
    """What `@service` says of a class; of a `TechRenaissanceServer` its attributes say it, but for the workers."""

    def __init__(
        self, framework: Framework | None, threads: int, workers: int | None, resources: dict[str, float]
    ) -> None:
        self.framework = framework
        self.threads = threads
        self.workers = workers
        self.resources = resources


@overload
def endpoint(function: Function) -> Function: ...
@overload
def endpoint(
    *,
    name: str = "",
    example: Example | None = None,
    max_batch_size: int = 1,
    max_queue_delay_ms: float = 2.0,
    pad: Pad | None = None,
) -> Callable[[Function], Function]: ...
def endpoint(
    function: Any = None,
    *,
    name: str = "",
    example: Example | None = None,
    max_batch_size: int = 1,
    max_queue_delay_ms: float = 2.0,
    pad: Pad | None = None,
) -> Any:
    """Marks a method as an endpoint of its server, and returns it as it is.

        class Server(TechRenaissanceServer):
            @endpoint
            def blur(self, image: Tensor["float32", "b c h w"], radius: int = 3) -> Tensor["float32", "b c h w"]: ...

    What it takes and gives is read from its annotations when the server starts; see docs/endpoints.md.

    Args:
        function: the method, a plain one, an `async def`, or a generator of either kind.
        name: by which hosts call it; that of the method when left out.
        example: arguments by name, tensors among them, or a function that makes such a dict of the server; the request
            `__check__` runs the examples, and tells what came of them.
        max_batch_size: how many rows it takes at once; more than 1 has calls that wait joined along the first dim of
            their tensors, which has to be a name.
        max_queue_delay_ms: how long the first call of a batch waits for others, milliseconds; 0 for not at all. Where
            nobody is left who could call, it does not wait.
        pad: what tensors of one batch are filled up with at their end, where dims besides the first, which are names,
            differ; a number for all, or one for each argument that is to be, by name. Of results with such a dim each
            caller gets its own part. Left out: calls with other sizes are not joined.
    """
    if type(max_batch_size) is not int or max_batch_size < 1:
        raise InputError(f"max_batch_size is {max_batch_size!r:.200}: expected a number of rows, 1 for no batches")
    if (
        isinstance(max_queue_delay_ms, bool)
        or not isinstance(max_queue_delay_ms, (int, float))
        or not (0 <= max_queue_delay_ms <= 60_000)
    ):
        raise InputError(f"max_queue_delay_ms is {max_queue_delay_ms!r:.200}: expected milliseconds, at most a minute")

    pads = list(pad.values()) if isinstance(pad, dict) else [] if pad is None else [pad]
    if not all(isinstance(value, (int, float)) for value in pads):
        raise InputError(f"pad is {pad!r:.200}: expected a number, or a dict with one for each argument")
    if pads and max_batch_size == 1:
        raise InputError(f"pad is {pad!r:.200}, and max_batch_size 1: expected more rows than one, or nothing to pad")

    def mark(function: Any) -> Any:
        target = getattr(function, "__func__", function)  # of a staticmethod or classmethod
        if not callable(target):
            raise InputError(f"@endpoint over {function!r:.200}: expected a method")
        found = name or target.__name__
        if not is_tag(found) or found == EXIT or found.startswith("__"):
            raise InputError(
                f"an endpoint cannot be called {found!r:.200}: expected 1 to 128 letters, digits, '_', '-' or '.', the "
                f"first of them a letter, digit or '_'; {EXIT!r} and what begins with two '_' are for the worker"
            )
        setattr(target, _MARK, EndpointOptions(found, example, max_batch_size, float(max_queue_delay_ms), pad))
        return function

    return mark if function is None else mark(function)


@overload
def service(kind: Class) -> Class: ...
@overload
def service(
    *,
    framework: Framework | None = None,
    threads: int = 0,
    workers: int | None = None,
    resources: dict[str, float] | None = None,
) -> Callable[[Class], Class]: ...
def service(
    kind: Any = None,
    *,
    framework: Framework | None = None,
    threads: int = 0,
    workers: int | None = None,
    resources: dict[str, float] | None = None,
) -> Any:
    """Marks a plain class, with endpoints, as one that `run` can serve, and returns it as it is.

    Args:
        kind: the class; it may have the hooks `on_start` and `on_shutdown` of a `TechRenaissanceServer`.
        framework: as of a `TechRenaissanceServer`.
        threads: as of a `TechRenaissanceServer`.
        workers: how many `python -m tech_renaissance serve` starts, unless it is told otherwise; nobody else looks.
        resources: what that gives each of them, `{"cpu": 2, "gpu": 1}`: cores for its libraries, and GPUs of NVIDIA,
            0.5 of one for two that share it.
    """
    if workers is not None and (type(workers) is not int or workers < 1):
        raise InputError(f"workers is {workers!r:.200}: expected how many processes, at least 1")

    def mark(kind: Any) -> Any:
        if not isinstance(kind, type):
            raise InputError(f"@service over {kind!r:.200}: expected a class")
        setattr(kind, _SERVICE, ServiceOptions(framework, threads, workers, resources or {}))
        return kind

    return mark if kind is None else mark(kind)


def service_options(kind: type) -> ServiceOptions | None:
    """What `@service` has said of a class; None when it has said nothing."""
    found: ServiceOptions | None = getattr(kind, _SERVICE, None)
    return found


def options_of(function: Any) -> EndpointOptions | None:
    """What `@endpoint` has said of a method; None when it has said nothing."""
    found: EndpointOptions | None = getattr(getattr(function, "__func__", function), _MARK, None)
    return found


def marked(kind: type) -> dict[str, str]:
    """The methods of a class that are endpoints, by the names of these, in the order in which they are defined.

    A method that overrides an endpoint is one as well, under the same name.

    Raises:
        InputError: two methods have the same name as endpoints.
    """
    found: dict[str, str] = {}  # name of the endpoint by that of the method
    for owner in reversed(kind.__mro__):
        for attribute, value in vars(owner).items():
            options = options_of(value)
            if options is not None:
                found[attribute] = options.name
    methods: dict[str, str] = {}
    for attribute, name in found.items():
        if name in methods:
            raise InputError(
                f"{kind.__name__} has two endpoints called {name!r}: {methods[name]} and {attribute}; give one of them "
                "another name, @endpoint(name=...)"
            )
        methods[name] = attribute
    return methods

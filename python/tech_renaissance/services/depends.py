"""`depends(Other)`: a service that calls another one. Loads next to nothing before the first call."""

from __future__ import annotations

import _thread
import json
import os
import sys

from ..errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from .client import ServiceClient

    Service = TypeVar("Service")

#: In the environment of a worker: where those are that its service depends on, by its attributes, as JSON.
VARIABLE = "TR_DEPENDS"
_lock = _thread.allocate_lock()


class Dependency:
    """What `depends` makes: an attribute that is a client of the other service, from its first use on.

    An object that has an attribute of this name itself has that, so a test can put anything in its place.

    Attributes:
        other: the class of the other service.
    """

    def __init__(self, other: type) -> None:
        if not isinstance(other, type):
            raise InputError(f"depends({other!r:.200}): expected the class of a service")
        self.other = other
        self._name = ""
        self._owner = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner, self._name = owner.__name__, name

    def __get__(self, service: Any, kind: type) -> Any:
        if service is None:
            return self
        name = self._name or next(name for name, it in _marked(kind).items() if it is self)
        with _lock:
            client = vars(service).get(name)
            if client is None:
                client = vars(service)[name] = self._open(kind, name)
            return client

    def _open(self, kind: type, name: str) -> ServiceClient:
        where = f"{self._owner or kind.__name__}.{name}"
        other = self.other.__name__
        place = json.loads(os.environ.get(VARIABLE) or "{}").get(name)
        if place is None:
            file = getattr(sys.modules.get(kind.__module__), "__file__", None)
            target = os.path.basename(file) if file else kind.__module__
            raise InputError(
                f"{where} depends on {other}, which nobody serves for this process: start both with "
                f"'python -m tech_renaissance serve {target}:{kind.__name__}', or set this attribute of the object, "
                f"to tech_renaissance.attach(...) or, in a test, to {other}()"
            )
        require_host(where)
        from .client import ServiceClient

        return ServiceClient(place["directory"], place["session"], framework=place["framework"])


def depends(other: type[Service]) -> Service:
    """A typed client of another service, for the methods of this one; an attribute of its class.

        class Front:
            filters = depends(Filters)

            @endpoint
            def show(self, image: Image) -> Image:
                return self.filters.blur(image, radius=5)

    `python -m tech_renaissance serve front.py:Front` starts Filters first, and the calls go to its workers directly, to
    the one that has the fewest at work. They raise what those of a session do. A type checker sees an object of the
    class.

    Args:
        other: its class. It is not made here, and nothing of it is called.

    Raises:
        InputError: it is no class; at the first use: nobody serves it for this process, or this interpreter lacks the
            compiled module that calls need.
    """
    found: Any = Dependency(other)
    return found  # type: ignore[no-any-return]


def dependencies(kind: type) -> dict[str, type]:
    """The classes that a class depends on, by the attributes through which it does."""
    return {name: it.other for name, it in _marked(kind).items()}


def _marked(kind: type) -> dict[str, Dependency]:
    found: dict[str, Dependency] = {}
    for owner in reversed(kind.__mro__):
        for name, value in vars(owner).items():
            if isinstance(value, Dependency):
                found[name] = value
            else:
                found.pop(name, None)
    return found


def require_host(where: str) -> None:
    """Raises InputError where this interpreter cannot call workers."""
    try:
        from ..host import session  # noqa: F401 - whether it can be loaded
    except ImportError as error:
        raise InputError(
            f"{where} calls another service, for which {sys.executable} needs the compiled module "
            f"tech_renaissance._core, which it cannot load ({error}): take an interpreter that has the package "
            "installed, --set Service.python=..., or call that service from elsewhere"
        ) from None

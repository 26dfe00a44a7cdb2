"""`link`: one graph among those that a module's services allow. Loads next to nothing, as workers import it too."""

from __future__ import annotations

from ..errors import InputError, NotFoundError
from .depends import dependencies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    Service = Union[type, "Linked"]


class Linked:
    """A graph of services, from `link`: a value that changes nothing else.

    Attributes:
        kind: the class of the service that programs call.
        edges: what stands in place of the services that it depends on, by the attributes through which it does.
    """

    def __init__(self, kind: type, edges: dict[str, Service]) -> None:
        self.kind = kind
        self.edges = edges

    def __repr__(self) -> str:
        edges = (f", {name}={getattr(it, '__name__', it)}" for name, it in self.edges.items())
        return f"link({self.kind.__name__}{''.join(edges)})"


def link(service: Service, /, **edges: Service) -> Linked:
    """The graph of a service, with others in place of those that it depends on.

        plain = link(Front)
        sharp = link(Front, filters=SharpFilters)
        cached = link(Front, filters=link(CachedFilters, store=Disk))

    `python -m tech_renaissance serve front.py:sharp` serves it, under the name sharp. Classes and other graphs stay as
    they are. What stands in the place of another service has to offer each of its endpoints, with types that fit,
    which is looked at before anything starts.

    Args:
        service: the class of the one that programs call, or a graph, whose edges are kept but for those given here.
        edges: by attribute of that class, a class or a graph.

    Raises:
        NotFoundError: it does not depend on anything by such a name.
        InputError: something is neither a class nor a graph.
    """
    start = service if isinstance(service, Linked) else Linked(service, {})
    for name, it in ({"": start.kind} | edges).items():
        if not isinstance(it, (type, Linked)):
            raise InputError(
                f"link({f'{name}=' if name else ''}{it!r:.200}): expected the class of a service, or a link"
            )
    known = dependencies(start.kind)
    for name in edges:
        if name not in known:
            from .settings import nearest

            there = nearest(name, known) if known else "it depends on no other service"
            raise NotFoundError(
                f"link({start.kind.__name__}, {name}=...): {start.kind.__name__} has no {name!r}: {there}"
            )
    return Linked(start.kind, {**start.edges, **edges})

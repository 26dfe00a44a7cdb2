"""From what is named on the command line to a plan of each service."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..endpoints.find_class import object_named
from ..errors import InputError
from ..host.session_options import SessionOptions
from ..protocol.messages import check_tag
from .calls_in_source import check_calls
from .config_file import of_file
from .depends import dependencies
from .gpus import Gpus
from .layers import Layer, Settings, of_assignments, of_class, of_environment
from .link import Linked
from .plan import Plan, signatures_of, target_of
from .stand_in import check_stand_in

if TYPE_CHECKING:
    import argparse


def plans_of(arguments: argparse.Namespace) -> list[Plan]:
    """In the order in which they are to be started.

    Raises:
        TRException: something of it is wrong; nothing has been started.
    """
    root = object_named(arguments.server, type, Linked)
    edges = in_order(root)
    layers = _layers(arguments, [kind.__name__ for kind in edges])
    own = arguments.server.rpartition(":")[2] if isinstance(root, Linked) else root.__name__
    name = check_tag(arguments.name or own.lower(), "the name of what is served")
    plans: dict[type, Plan] = {}
    for kind, others in edges.items():
        session = name if kind is _of(root) else check_tag(f"{name}.{kind.__name__.lower()}", "the name of a service")
        settings = Settings(kind.__name__, [*layers, of_class(kind)])
        needs = {attribute: plans[other] for attribute, other in others.items()}
        plans[kind] = Plan(kind, target_of(kind), session, settings, signatures_of(kind), needs)
    gpus = Gpus()
    for plan in plans.values():
        _check_edges(plan)
        for number in range(plan.settings.workers):
            if plan.gpus_of(number):
                gpus.take(plan.gpus_of(number), f"{plan.session}-{number}")
    return list(plans.values())


def _check_edges(plan: Plan) -> None:
    declared = dependencies(plan.kind)
    for attribute, need in plan.needs.items():
        if need.kind is not declared[attribute]:
            where = f"{plan.name}.{attribute} as {need.name}, in place of {declared[attribute].__name__}"
            check_stand_in(where, signatures_of(declared[attribute]), need.signatures)
    check_calls(plan.kind, plan.signatures, {attribute: need.signatures for attribute, need in plan.needs.items()})


def _of(service: type | Linked) -> type:
    return service.kind if isinstance(service, Linked) else service


def in_order(root: type | Linked) -> dict[type, dict[str, type]]:
    """The classes that are to be served, each behind those that it depends on, with these, by its attributes.

    Raises:
        InputError: they depend on one another in a circle, or two have the same name.
    """
    found: dict[type, dict[str, type]] = {}

    def visit(service: type | Linked, path: list[type]) -> None:
        kind = _of(service)
        if kind in path:
            names = [it.__name__ for it in [*path[path.index(kind) :], kind]]
            raise InputError(f"{' depends on '.join(names)}: expected no circle")
        others = {**dependencies(kind), **(service.edges if isinstance(service, Linked) else {})}
        for other in others.values():
            visit(other, [*path, kind])
        edges = {attribute: _of(other) for attribute, other in others.items()}
        if found.setdefault(kind, edges) != edges:
            raise InputError(
                f"{kind.__name__} stands twice in this graph, with links that differ: expected the same each time, or "
                "a class of another name, which may be derived from it"
            )
        same = [it for it in found if it is not kind and it.__name__.lower() == kind.__name__.lower()]
        if same:
            raise InputError(
                f"two services are called {kind.__name__}, of {same[0].__module__} and {kind.__module__}: give one of "
                "them another name"
            )

    visit(root, [])
    return found


def _layers(arguments: argparse.Namespace, services: list[str]) -> list[Layer]:
    """Of what is said here, the first first."""
    layers: list[Layer] = []
    if arguments.workers is not None:
        if arguments.workers < 1:
            raise InputError(f"--workers is {arguments.workers}: expected at least 1")
        layers.append(Layer("--workers", {services[-1]: {"workers": arguments.workers}}))
    if arguments.graceful_shutdown_timeout_s is not None:
        said = {"graceful_shutdown_timeout_s": arguments.graceful_shutdown_timeout_s}
        layers.append(Layer("--graceful-shutdown-timeout-s", {service: dict(said) for service in services}))
    layers.append(of_assignments(arguments.set, services))
    layers += of_environment(os.environ, services)
    if arguments.file:
        layers += of_file(arguments.file, services)
    return layers


def workspace_of(plans: list[Plan], workspace: str) -> str:
    """That of the sessions, as they would choose it."""
    from ..host.session import PythonSession

    session = PythonSession(SessionOptions(workspace=workspace, session_id=f"{plans[-1].session}-0", quiet=True))
    try:
        return os.path.dirname(os.path.dirname(session.session_dir()))
    finally:
        session.close()

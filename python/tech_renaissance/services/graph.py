"""From what is named on the command line to a plan of each service."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ..endpoints.find_class import class_named
from ..errors import InputError
from ..host.session_options import SessionOptions
from ..protocol.messages import check_tag
from .calls_in_source import check_calls
from .config_file import of_file
from .depends import dependencies
from .layers import Layer, Settings, of_assignments, of_class, of_environment
from .plan import Plan, signatures_of, target_of

if TYPE_CHECKING:
    import argparse


def plans_of(arguments: argparse.Namespace) -> list[Plan]:
    """In the order in which they are to be started.

    Raises:
        TRException: something of it is wrong; nothing has been started.
    """
    root = class_named(arguments.server)
    kinds = in_order(root)
    layers = _layers(arguments, [kind.__name__ for kind in kinds])
    name = name_of(arguments, root)
    plans: dict[type, Plan] = {}
    for kind in kinds:
        session = name if kind is root else check_tag(f"{name}.{kind.__name__.lower()}", "the name of a service")
        settings = Settings(kind.__name__, [*layers, of_class(kind)])
        needs = [plans[other] for other in dict.fromkeys(dependencies(kind).values())]
        plans[kind] = Plan(kind, target_of(kind), session, settings, signatures_of(kind), needs)
    for kind, plan in plans.items():
        check_calls(kind, plan.signatures, {name: plans[it].signatures for name, it in dependencies(kind).items()})
    return list(plans.values())


def in_order(root: type) -> list[type]:
    """The classes that are to be served: each behind those that it depends on.

    Raises:
        InputError: they depend on one another in a circle, or two have the same name.
    """
    found: list[type] = []

    def visit(kind: type, path: list[type]) -> None:
        if kind in path:
            names = [it.__name__ for it in [*path[path.index(kind) :], kind]]
            raise InputError(f"{' depends on '.join(names)}: expected no circle")
        if kind in found:
            return
        for other in dependencies(kind).values():
            visit(other, [*path, kind])
        same = [it for it in found if it.__name__.lower() == kind.__name__.lower()]
        if same:
            raise InputError(
                f"two services are called {kind.__name__}, of {same[0].__module__} and {kind.__module__}: give one of "
                "them another name"
            )
        found.append(kind)

    visit(root, [])
    return found


def name_of(arguments: argparse.Namespace, kind: Any) -> str:
    """Under which it is served."""
    return check_tag(arguments.name or kind.__name__.lower(), "the name of what is served")


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

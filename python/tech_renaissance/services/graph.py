"""From what is named on the command line to a plan of each service."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ..endpoints.find_class import class_named
from ..errors import InputError
from ..host.session_options import SessionOptions
from ..protocol.messages import check_tag
from .config_file import of_file
from .layers import Layer, Settings, of_assignments, of_class, of_environment
from .plan import Plan, signatures_of, target_of

if TYPE_CHECKING:
    import argparse


def plans_of(arguments: argparse.Namespace) -> list[Plan]:
    """In the order in which they are to be started.

    Raises:
        TRException: something of it is wrong; nothing has been started.
    """
    kind = class_named(arguments.server)
    kinds = [kind]
    layers = _layers(arguments, [one.__name__ for one in kinds])
    name = name_of(arguments, kind)
    return [_plan(one, name, [*layers, of_class(one)]) for one in kinds]


def name_of(arguments: argparse.Namespace, kind: Any) -> str:
    """Under which it is served."""
    return check_tag(arguments.name or kind.__name__.lower(), "the name of what is served")


def _plan(kind: type, session: str, layers: list[Layer]) -> Plan:
    return Plan(kind, target_of(kind), session, Settings(kind.__name__, layers), signatures_of(kind))


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

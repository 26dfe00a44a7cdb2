"""The commands `serve`, `status`, `scale`, `reload`, `stop` and `ls` of `python -m tech_renaissance`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from ..errors import InputError, TRException
from ..platform.process import ProcessWatch
from ..platform.system import IS_WINDOWS

if TYPE_CHECKING:
    import argparse

_DESCRIPTORS = 1 << 16


def add_commands(commands: Any) -> None:
    """To those that there are."""
    serving = commands.add_parser(
        "serve", help="run a service: workers of a class that other programs attach to",
        description="Runs workers of a class, watches them, and starts others in place of those that die. Programs of "
        "this user attach to them by name: PythonSession.connect('name-0'). Ctrl-C ends them when their calls have "
        "ended, a second one at once.",
    )  # fmt: skip
    serving.add_argument(
        "server", metavar="SERVER", help="path/server.py:Class or package.module:Class; or a link there"
    )
    serving.add_argument("--name", help="under which it is found; the class's in lower case when left out")
    serving.add_argument("--workers", type=int, metavar="N", help="how many processes; as --set Class.workers=N")
    serving.add_argument("--set", action="append", default=[], metavar="Service.key=value", help="a setting")
    serving.add_argument("-f", "--file", metavar="FILE", help="settings in TOML or YAML, a table for each service")
    serving.add_argument("--graceful-shutdown-timeout-s", type=float, metavar="S", help="for calls to end (10)")
    serving.add_argument("--dry-run", action="store_true", help="check everything, print each setting and who says it")
    serving.add_argument("--check", action="store_true", help="start it, have each worker answer, and end it")
    serving.add_argument("--reload", action="store_true", help="new workers when a source changes (needs watchdog)")
    serving.add_argument("--quiet", action="store_true", help="nothing but what goes wrong and what workers print")
    serving.set_defaults(run=told(_serve))
    for name, what, function in (
        ("status", "how something that is served is", _status),
        ("scale", "change the number of its workers", _scale),
        ("reload", "give it new workers, one after the other", _reload),
        ("stop", "end it, as Ctrl-C does", _stop),
    ):
        parser = commands.add_parser(name, help=what)
        parser.add_argument("name", metavar="NAME", help="under which it is served; `ls` tells")
        parser.set_defaults(run=told(function))
        if name == "status":
            parser.add_argument("--json", action="store_true", help="as a JSON object, for programs")
        if name == "scale":
            parser.add_argument("services", nargs="+", metavar="SERVICE=N")
        if name == "reload":
            parser.add_argument("services", nargs="*", metavar="SERVICE", help="all when left out")
        parser.add_argument("--workspace", default="", help="of the sessions; as of SessionOptions")
    listing = commands.add_parser("ls", help="what this user serves")
    listing.add_argument("--workspace", default="", help="of the sessions; as of SessionOptions")
    listing.set_defaults(run=told(_list))
    serving.add_argument("--workspace", default="", help="of the sessions; as of SessionOptions")


def told(function: Any) -> Any:
    """The same function, with errors told in words, and 1 for them."""

    def run(arguments: argparse.Namespace) -> int:
        try:
            if IS_WINDOWS:
                raise InputError("nothing is served on Windows, where programs cannot attach to another's worker")
            return int(function(arguments) or 0)
        except TRException as error:
            sys.stdout.flush()
            print(error, file=sys.stderr)
            return 1

    return run


def _serve(arguments: argparse.Namespace) -> int:
    from .graph import plans_of, workspace_of

    plans = plans_of(arguments)
    name = plans[-1].session
    if arguments.dry_run:
        for plan in plans:
            endpoints = ", ".join(plan.signatures) or "main_logic"
            print(f"{plan.name}: {plan.target}, as {plan.session}-0, ...: {endpoints}")
            print("\n".join(plan.settings.lines()))
        return 0
    from .place import Place
    from .screen import Screen
    from .serving import Serving

    workspace = workspace_of(plans, arguments.workspace)
    place = Place(workspace, name)
    screen = Screen(quiet=arguments.quiet)
    serving = Serving(plans, place, workspace, screen, check=arguments.check, watch=arguments.reload)
    place.claim()
    _raise_limit()
    try:
        return serving.run()
    finally:
        place.remove()


def _raise_limit() -> None:
    """Of descriptors, for the workers: each client takes some three in each of them."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _asked(arguments: argparse.Namespace, order: dict[str, Any]) -> dict[str, Any]:
    from .control import ask
    from .place import place_of

    return ask(place_of(arguments.name, arguments.workspace), order)


def _status(arguments: argparse.Namespace) -> None:
    found = _asked(arguments, {"do": "status"})
    if arguments.json:
        print(json.dumps(found, indent=1))
    else:
        _print_status(found)


def _print_status(found: dict[str, Any]) -> None:
    from .screen import table

    print(f"{found['name']}: {found['state']}, process {found['pid']}")
    print("\n".join(table(found["services"])))
    for service in found["services"]:
        for worker in service["workers"]:
            if worker["error"]:
                print(f"{worker['session']}: {worker['error']}")


def _scale(arguments: argparse.Namespace) -> None:
    wanted: dict[str, int] = {}
    for text in arguments.services:
        service, equals, number = text.partition("=")
        if not equals or not number.isdecimal():
            raise InputError(f"{text!r:.200}: expected SERVICE=N")
        wanted[service] = int(number)
    _print_status(_asked(arguments, {"do": "scale", "services": wanted}))


def _reload(arguments: argparse.Namespace) -> None:
    _print_status(_asked(arguments, {"do": "reload", "services": arguments.services}))


def _stop(arguments: argparse.Namespace) -> None:
    process = ProcessWatch(int(_asked(arguments, {"do": "status"})["pid"]))
    _asked(arguments, {"do": "stop"})
    while not process.gone(1000):
        pass
    print(f"{arguments.name} has ended")


def _list(arguments: argparse.Namespace) -> None:
    from .control import ask
    from .place import dead, served

    for name, pid in dead(arguments.workspace, clear=True).items():
        print(f"{name}: dead, process {pid} has ended without ending it; what it left is removed")
    for place in served(arguments.workspace):
        found = ask(place, {"do": "status"})
        services = ", ".join(f"{it['service']} ({len(it['workers'])})" for it in found["services"])
        print(f"{place.name}: {found['state']}, process {found['pid']}: {services}")

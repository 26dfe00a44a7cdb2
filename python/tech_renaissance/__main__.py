"""`python -m tech_renaissance`: where the C++ side is, for build systems; for people `serve`, `replay` and more."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ._version import __version__
from .data.tsr_convert import convert
from .data.tsr_text import describe
from .errors import TRException
from .replay import replay
from .services import command as services
from .stubs import load as stubs

_PACKAGE = Path(__file__).resolve().parent
_DIRECTORIES = {
    "includedir": (_PACKAGE / "include", "the C++ headers"),
    "cmakedir": (_PACKAGE / "lib" / "cmake" / "tech_renaissance", "the CMake package, for tech_renaissance_DIR"),
}


def main() -> int:
    """Answers each option with one line, in the order given; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tech_renaissance", description=__doc__)
    parser.add_argument("--version", action="append_const", dest="asked", const="version", help="the version")
    for name, (_, what) in _DIRECTORIES.items():
        parser.add_argument(f"--{name}", action="append_const", dest="asked", const=name, help=f"folder of {what}")
    commands = parser.add_subparsers(metavar="command")
    replaying = commands.add_parser("replay", help="run a server again on a failure that keep_on_failure has kept")
    replay.add_arguments(replaying)
    replaying.set_defaults(run=replay.replay)
    _add_tsr(commands.add_parser("tsr", help="look into .tsr files, or convert them"))
    writing = commands.add_parser("stubs", help="write typed functions for the endpoints of a server, in C++ or Python")
    stubs.add_arguments(writing)
    writing.set_defaults(run=_stubs)
    services.add_commands(commands)
    arguments = parser.parse_args()
    if "run" in arguments:
        return int(arguments.run(arguments))
    asked = arguments.asked
    if not asked:
        parser.print_help()
        return 2
    for name in asked:
        if name == "version":
            print(__version__)
            continue
        directory, what = _DIRECTORIES[name]
        if not directory.is_dir():
            print(
                f"{directory} is not there, which would be the folder of {what}: this copy of the package was not "
                "installed from a wheel. Install it with 'pip install .', or use the place where CMake installed the "
                "library.",
                file=sys.stderr,
            )
            return 1
        print(directory)
    return 0


def _add_tsr(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(metavar="command", required=True)
    show = commands.add_parser("show", help="dtype, shape, statistics and a corner of the values")
    show.add_argument("files", nargs="+", metavar="FILE", help="a .tsr file")
    show.set_defaults(run=_show)
    converting = commands.add_parser(
        "convert",
        help="to and from .npy, .npz, .safetensors and .pt",
        description="Converts .tsr files to .npy, .npz, .safetensors or .pt (weights only), or one such file to .tsr.",
    )
    converting.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="one file; or several .tsr files for one target"
    )
    converting.add_argument("target", metavar="TARGET", help="a file; or a folder for the .tsr files of all tensors")
    converting.add_argument("--name", help="of the one tensor, among several in the source or in the target")
    converting.set_defaults(run=_convert)


def _show(arguments: argparse.Namespace) -> int:
    """One file after the other; those that cannot be read are told, and make it 1."""
    failed = 0
    for file in arguments.files:
        try:
            for line in describe(file):
                print(line)
        except TRException as error:
            failed = 1
            sys.stdout.flush()
            print(error, file=sys.stderr)
    return failed


def _stubs(arguments: argparse.Namespace) -> int:
    try:
        return stubs.run(arguments)
    except TRException as error:
        print(error, file=sys.stderr)
        return 1


def _convert(arguments: argparse.Namespace) -> int:
    try:
        for path in convert(arguments.sources, arguments.target, arguments.name):
            print(path)
    except TRException as error:
        sys.stdout.flush()
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

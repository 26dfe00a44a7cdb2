"""`python -m tech_renaissance`: where the C++ side of the package is, for build systems; `replay` repeats a failure."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ._version import __version__
from .replay import replay

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
    commands = parser.add_subparsers(dest="command", metavar="replay")
    replaying = commands.add_parser("replay", help="run a server again on a failure that keep_on_failure has kept")
    replay.add_arguments(replaying)
    arguments = parser.parse_args()
    if arguments.command == "replay":
        return replay.replay(arguments)
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


if __name__ == "__main__":
    sys.exit(main())

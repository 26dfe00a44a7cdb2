"""What is to be written for the class of a server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ..endpoints.declare import marked
from ..endpoints.find_class import class_named
from ..endpoints.signature import Signature
from ..errors import InputError
from . import cpp, python

if TYPE_CHECKING:
    import argparse

_WRITERS = {".h": cpp.header, ".hpp": cpp.header, ".pyi": python.stub}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.description = (
        "Writes a C++ header (.h, .hpp) or a Python stub (.pyi) with one typed function for each endpoint of a server. "
        "The server's module is imported for it, and nothing of it is called."
    )
    parser.add_argument("server", metavar="SERVER", help="path/server.py:Class or package.module:Class")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="ends with .h, .hpp or .pyi")


def run(arguments: argparse.Namespace) -> int:
    """Writes the file; returns the exit status."""
    writer = _WRITERS.get(os.path.splitext(arguments.output)[1])
    if writer is None:
        raise InputError(f"the output is {arguments.output}: expected a file that ends with {', '.join(_WRITERS)}")
    text = writer(arguments.server, signatures(class_named(arguments.server)), class_named(arguments.server).__name__)
    with open(arguments.output, "w", encoding="utf-8") as file:
        file.write(text)
    print(arguments.output)
    return 0


def signatures(kind: Any) -> list[Signature]:
    """Of the endpoints of a class, in their order.

    Raises:
        InputError: it has none, or one that cannot be one.
    """
    found = [Signature(name, getattr(kind, method), kind) for name, method in marked(kind).items()]
    if not found:
        raise InputError(f"{kind.__name__} has no endpoint: mark its methods with @endpoint")
    return found

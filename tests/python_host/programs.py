"""Programs that are hosts of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import tech_renaissance

PACKAGE_PARENT = str(Path(tech_renaissance.__file__).parents[1])


def program(source: str, *arguments: object, stdin: int | None = None) -> subprocess.Popen[str]:
    """Runs Python code with the package, in the interpreter of these tests."""
    return subprocess.Popen(
        [sys.executable, "-c", source, *map(str, arguments)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": PACKAGE_PARENT, "TR_PYTHON": sys.executable},
    )

"""Format, lint and types of everything in the repository."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from package_builds import REPOSITORY, run

TOOLS = Path(sys.executable).parent


def cpp_files() -> list[Path]:
    """Every C++ source file in the repository's own folders."""
    return [path for top in ("cpp", "tests") for end in ("h", "cpp") for path in (REPOSITORY / top).rglob(f"*.{end}")]


def test_cpp_format() -> None:
    """`make format` would change no C++ file."""
    run(TOOLS / "clang-format", "--dry-run", "--Werror", *cpp_files())


def test_python_format() -> None:
    """`make format` would change no Python file."""
    run(TOOLS / "ruff", "format", "--check", REPOSITORY)


def test_python_lint() -> None:
    """Ruff finds nothing."""
    run(TOOLS / "ruff", "check", REPOSITORY)


def test_python_types() -> None:
    """Mypy, strict, finds nothing in the package."""
    run(
        TOOLS / "mypy",
        "--config-file",
        REPOSITORY / "pyproject.toml",
        "--strict",
        REPOSITORY / "python/tech_renaissance",
    )


def test_no_process_is_started_through_a_shell() -> None:
    """Nothing in the library calls system() or popen(), or names a shell."""
    done = subprocess.run(
        ["grep", "-rnE", r"\bsystem\(|\bpopen\(|\"/bin/sh\"", str(REPOSITORY / "cpp" / "src")],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.stdout == ""

"""Format, lint and types of everything in the repository."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from package_builds import REPOSITORY, run

TOOLS = Path(sys.executable).parent
SAMPLES = [REPOSITORY / "tests" / "python_host" / f"typed_{side}.py" for side in ("host", "server")]


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
    """Mypy, strict, finds nothing in the package, and in a host and a server what is said there, and nothing else."""
    run(
        TOOLS / "mypy",
        "--config-file",
        REPOSITORY / "pyproject.toml",
        "--strict",
        REPOSITORY / "python/tech_renaissance",
        *SAMPLES,
    )


def test_python_types_in_pyright() -> None:
    """And so does pyright, which editors ask."""
    pytest.importorskip("pyright", reason="pyright is not installed: .ci/setup does it")
    run(TOOLS / "pyright", "--project", REPOSITORY, "--pythonpath", sys.executable)


def test_no_process_is_started_through_a_shell() -> None:
    """Nothing in the library calls system() or popen(), or names a shell."""
    done = subprocess.run(
        ["grep", "-rnE", r"\bsystem\(|\bpopen\(|\"/bin/sh\"", str(REPOSITORY / "cpp" / "src")],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.stdout == ""

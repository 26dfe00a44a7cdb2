"""The package says so when the interpreter is too old for it, whatever its age."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from host import PACKAGE_DIR


@pytest.mark.parametrize("version", ["2.7.18", "3.6.15", "3.7.16", "3.8.18"])
def test_an_old_interpreter_is_told(version: str) -> None:
    python = Path.home() / ".pyenv" / "versions" / version / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no Python {version} on this machine")
    code = (
        f"import sys; sys.dont_write_bytecode = True; sys.path.insert(0, {str(PACKAGE_DIR)!r}); import tech_renaissance"
    )
    result = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert f"needs Python 3.9 or later, and this is Python {version}" in result.stderr


def test_its_first_file_has_nothing_that_old_parsers_do_not_know() -> None:
    """Also where there is no such interpreter."""
    import ast

    source = (PACKAGE_DIR / "tech_renaissance" / "__init__.py").read_text(encoding="ascii")
    for node in ast.walk(ast.parse(source)):
        assert not isinstance(node, (ast.AnnAssign, ast.JoinedStr, ast.Starred, ast.NamedExpr))
        if isinstance(node, ast.FunctionDef):
            assert node.returns is None
            assert not any(argument.annotation for argument in node.args.args)
    assert "__future__" not in source

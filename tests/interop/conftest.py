"""The C++ side of these tests: a program that reads and writes `.tsr` files."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


class TsrTool:
    """Runs tr_tsr_tool; its source, tsr_tool.cpp, says what it does."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [str(self._path), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=False)

    def rewrite(self, *pairs: tuple[Path, Path]) -> list[str]:
        """Has C++ read each first file and write it to the second; gives dtype and shape of each."""
        result = self.run("rewrite", *(path for pair in pairs for path in pair))
        assert result.returncode == 0, result.stderr
        return result.stdout.splitlines()


@pytest.fixture(scope="session")
def tsr_tool() -> TsrTool:
    path = Path(os.environ.get("TR_TSR_TOOL") or REPOSITORY / "build" / "dev" / "tests" / "tr_tsr_tool")
    if not os.access(path, os.X_OK):
        pytest.fail(
            f"{path} is not there: build it with 'cmake --preset dev && cmake --build --preset dev', "
            "or name another one in $TR_TSR_TOOL"
        )
    return TsrTool(path)


@pytest.fixture(scope="session")
def golden_folder() -> Path:
    return REPOSITORY / "tests" / "golden"


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for tests that run many times over, as those of hypothesis do."""
    return tmp_path_factory.mktemp("scratch")

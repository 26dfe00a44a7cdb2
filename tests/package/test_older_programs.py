"""Programs for the interface of the older bridge compile as they are, with the one include, and do what they did."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from package_builds import WheelEnvironment, run

PROGRAMS = Path(__file__).with_name("older_programs")
STRICT = ("-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror")


@pytest.fixture(scope="session", params=["installed", "wheel"])
def flags(request: pytest.FixtureRequest) -> list[str]:
    """What pkg-config says of the library that CMake has installed, and of that in a wheel."""
    if request.param == "installed":
        prefix: Path = request.getfixturevalue("shared_prefix")
    else:
        environment: WheelEnvironment = request.getfixturevalue("wheel_environment")
        prefix = Path(run(environment.python, "-c", "import tech_renaissance as t; print(t.__path__[0])").strip())
    (pc_file,) = prefix.rglob("tech_renaissance.pc")
    listed = run("pkg-config", "--cflags", "--libs", "tech_renaissance", PKG_CONFIG_PATH=str(pc_file.parent))
    return [*_split(listed), f"-Wl,-rpath,{pc_file.parent.parent}"]


def _split(flags: str) -> list[str]:
    import shlex

    return shlex.split(flags)


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
@pytest.mark.parametrize("name", ["tensors", "files", "errors", "session"])
def test_it_compiles_and_runs(flags: list[str], compiler: str, name: str, tmp_path: Path) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    program = tmp_path / name
    run(compiler, *STRICT, PROGRAMS / f"{name}.cpp", "-o", program, *flags)
    run(program, tmp_path, TR_PYTHON=sys.executable)

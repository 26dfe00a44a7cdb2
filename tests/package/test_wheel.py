"""The wheel in a fresh environment: Python and C++ programs get all they need from it."""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

from package_builds import (
    BUILD,
    CONSUMER,
    REPOSITORY,
    VERSION,
    WheelEnvironment,
    check_data,
    check_hello,
    check_worker_beside,
    cmake,
    run,
)


def test_contents(wheel_environment: WheelEnvironment) -> None:
    """The wheel holds the package, the module, the library with its headers, and nothing from the build."""
    names = zipfile.ZipFile(wheel_environment.wheel).namelist()
    for wanted in (
        "__init__.py",
        "py.typed",
        "_core.pyi",
        "lib/libtech_renaissance.so",
        "include/tech_renaissance.h",
        "include/tech_renaissance/config.h",
        "lib/cmake/tech_renaissance/tech_renaissance-config.cmake",
        "share/tech_renaissance/python/tech_renaissance/__init__.py",
        "share/tech_renaissance/python/tech_renaissance/scripts/default.py",
    ):
        assert f"tech_renaissance/{wanted}" in names
    assert len([name for name in names if Path(name).name.startswith("_core.")]) == 2
    outside = [name for name in names if not name.startswith(("tech_renaissance/", "tech_renaissance-"))]
    assert not outside
    assert not [name for name in names if "__pycache__" in name or name.endswith(".cpp")]


def test_nothing_of_the_build_machine_is_compiled_in(wheel_environment: WheelEnvironment) -> None:
    """No path of the source tree is in the library: another machine might have something else there."""
    with zipfile.ZipFile(wheel_environment.wheel) as wheel:
        library = wheel.read("tech_renaissance/lib/libtech_renaissance.so")
    assert str(REPOSITORY).encode() not in library


def test_hello_from_python(wheel_environment: WheelEnvironment) -> None:
    """PythonSession drives a worker, with neither PyTorch nor NumPy installed."""
    program = """
from tech_renaissance import PythonSession
with PythonSession(session_id="", quiet_mode=True) as session:
    print(session.fetch_response("hello", timeout_ms=30_000))
"""
    assert "Hello" in run(wheel_environment.python, "-c", program)


def test_command_line(wheel_environment: WheelEnvironment) -> None:
    """Each question is answered by one line, in the order in which they are asked."""
    version, include, cmake_dir = wheel_environment.python_m("--version", "--includedir", "--cmakedir").splitlines()
    assert version == VERSION
    assert (Path(include) / "tech_renaissance.h").is_file()
    assert (Path(cmake_dir) / "tech_renaissance-config.cmake").is_file()


def test_type_checkers_read_its_types(wheel_environment: WheelEnvironment) -> None:
    """As py.typed has them do."""
    program = "import tech_renaissance as tr; reveal_type(tr.PythonSession().stats().epoch)"
    mypy = [Path(sys.executable).with_name("mypy"), "--config-file=", f"--cache-dir={BUILD / 'mypy'}", "--strict"]
    revealed = run(*mypy, "--python-executable", wheel_environment.python, "-c", program)
    assert re.search(r'Revealed type is "(builtins\.)?int"', revealed)


def test_cpp_program_against_the_wheel(wheel_environment: WheelEnvironment, tmp_path: Path) -> None:
    """A C++ program finds the library inside the wheel, and its worker the package beside it."""
    cmake_dir = wheel_environment.python_m("--cmakedir")
    build = cmake(CONSUMER, tmp_path / "build", tech_renaissance_DIR=cmake_dir)
    check_data(build / "data", tmp_path, "with PythonSession")
    check_hello(build / "hello")
    check_worker_beside(build, tmp_path / "program")

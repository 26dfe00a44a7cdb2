"""C++ programs outside the project that use the library in each way that CMake and pkg-config offer."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from package_builds import BUILD, CONSUMER, REPOSITORY, check_data, check_hello, check_worker_beside, cmake, run

# A first build takes minutes.
pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("kind", ["shared", "static"])
def test_find_package(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """An installed library is found; nlohmann-json is no dependency of it."""
    prefix: Path = request.getfixturevalue(f"{kind}_prefix")
    build = cmake(CONSUMER, tmp_path / "build", CMAKE_PREFIX_PATH=prefix, CMAKE_DISABLE_FIND_PACKAGE_nlohmann_json="ON")
    check_data(build / "data", tmp_path, "with PythonSession")
    check_hello(build / "hello")
    check_worker_beside(build, tmp_path / "program")


@pytest.mark.parametrize("kind", ["shared", "static"])
def test_pkg_config(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """The flags of pkg-config are enough for a compiler, from wherever the installed tree was moved to."""
    installed: Path = request.getfixturevalue(f"{kind}_prefix")
    prefix = shutil.copytree(installed, tmp_path / "moved", symlinks=True)
    (pc_file,) = prefix.rglob("tech_renaissance.pc")
    flags = run("pkg-config", "--cflags", "--libs", "tech_renaissance", PKG_CONFIG_PATH=str(pc_file.parent)).split()
    program = tmp_path / "hello"
    run("c++", "-std=c++17", CONSUMER / "hello.cpp", "-o", program, *flags, f"-Wl,-rpath,{pc_file.parent.parent}")
    check_hello(program)


def test_add_subdirectory(tmp_path: Path) -> None:
    """The source tree is a part of another project, which gets the library and none of our tests or install rules.

    What that project asks of its own code it asks of our headers, too, and not of our sources.
    """
    strict = {"CMAKE_CXX_STANDARD": "20", "CMAKE_CXX_FLAGS": "-Wall -Wextra -Wpedantic -Wconversion -Weffc++ -Werror"}
    build = cmake(CONSUMER, BUILD / "subdirectory", TR_SOURCE_DIR=REPOSITORY, **strict)
    check_data(build / "data", tmp_path, "with PythonSession")
    check_hello(build / "hello")
    assert not list(build.rglob("tr_*_tests*"))
    check_worker_beside(build, tmp_path / "program")


def test_data_layer_alone(tmp_path: Path) -> None:
    """Without PythonSession the macro is undefined, its headers are absent and nlohmann-json is not asked for."""
    options = {"TR_BUILD_PYTHON_SESSION": "OFF", "CMAKE_DISABLE_FIND_PACKAGE_nlohmann_json": "ON"}
    build = cmake(
        REPOSITORY, BUILD / "data", CMAKE_BUILD_TYPE="Debug", TR_BUILD_TESTS="OFF", TR_BUILD_EXAMPLES="OFF", **options
    )
    prefix = tmp_path / "prefix"
    run("cmake", "--install", build, "--prefix", prefix)
    assert not list(prefix.rglob("*session*"))
    assert not list(prefix.rglob("*.py"))
    consumer = cmake(CONSUMER, tmp_path / "build", CMAKE_PREFIX_PATH=prefix)
    check_data(consumer / "data", tmp_path, "without PythonSession")
    assert not (consumer / "hello").exists()


def test_only_our_symbols_are_exported(shared_prefix: Path) -> None:
    """The shared library shows what TR_API marks and hides the rest, its JSON parser above all."""
    (library,) = shared_prefix.rglob("libtech_renaissance.so")
    symbols = run("nm", "-D", "-C", "--defined-only", library).splitlines()
    strangers = [line for line in symbols if " T " in line and "tr::" not in line and " PyInit__library" not in line]
    assert not strangers
    assert not [line for line in symbols if "nlohmann" in line.split("(")[0]]

"""What is built once for the tests of the package: a wheel in a fresh environment and two installed trees."""

from __future__ import annotations

import venv
from pathlib import Path

import pytest
from package_builds import BUILD, DEV_BUILD, PIP, WheelEnvironment, built_and_installed, run


@pytest.fixture(scope="session")
def shared_prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared library installed under a prefix of its own, with a blank in its name; from the dev build if any."""
    prefix = tmp_path_factory.mktemp("shared") / "a prefix"
    if (DEV_BUILD / "CMakeCache.txt").exists():
        run("cmake", "--install", DEV_BUILD, "--prefix", prefix)
        return prefix
    return built_and_installed(prefix, BUILD / "shared")


@pytest.fixture(scope="session")
def static_prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The static library installed under a prefix of its own."""
    return built_and_installed(tmp_path_factory.mktemp("static") / "prefix", BUILD / "static", BUILD_SHARED_LIBS="OFF")


@pytest.fixture(scope="session")
def wheel_environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> WheelEnvironment:
    """The wheel installed into a fresh environment without PyTorch or NumPy."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    python = folder / "bin" / "python"
    run(*PIP, "--python", python, "install", "-q", "--no-index", wheel)
    return WheelEnvironment(python=python, wheel=wheel)

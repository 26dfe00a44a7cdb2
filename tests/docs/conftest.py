"""The two ways in which a reader installs the library: CMake and the wheel."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from package_builds import BUILD, DEV_BUILD, PIP, built_and_installed, run
from snippets import Installation


def _by_cmake(folder: Path, _: pytest.FixtureRequest) -> Installation:
    prefix = folder / "prefix"
    if (DEV_BUILD / "CMakeCache.txt").exists():
        run("cmake", "--install", DEV_BUILD, "--prefix", prefix)
    else:
        built_and_installed(prefix, BUILD / "shared")
    return Installation("cmake", ("CMAKE_PREFIX_PATH", prefix), prefix / "share/tech_renaissance/python")


def _by_wheel(folder: Path, request: pytest.FixtureRequest) -> Installation:
    # Into a folder rather than an environment: the host's PyTorch and NumPy are those of this one.
    site = folder / "site"
    run(*PIP, "install", "-q", "--no-index", "--no-deps", "--target", site, request.getfixturevalue("wheel"))
    cmake_dir = run(sys.executable, "-m", "tech_renaissance", "--cmakedir", PYTHONPATH=str(site)).strip()
    return Installation("wheel", ("tech_renaissance_DIR", Path(cmake_dir)), site)


@pytest.fixture(scope="session", params=[_by_cmake, _by_wheel], ids=["cmake", "wheel"])
def installation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The library, installed outside the repository."""
    install = request.param
    return install(tmp_path_factory.mktemp("installation"), request)  # type: ignore[no-any-return]

"""Code for other operating systems, as far as this machine can tell: it is compiled, and where possible run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from package_builds import BUILD, CONSUMER, DEV_BUILD, REPOSITORY, check_hello, cmake, run

SOURCES = REPOSITORY / "cpp" / "src"
WINDOWS_COMPILER = "x86_64-w64-mingw32-g++-posix"


def test_posix_without_linux() -> None:
    """The library as any other POSIX system compiles it, without futex and inotify, serves hello."""
    build = cmake(CONSUMER, BUILD / "posix", TR_SOURCE_DIR=REPOSITORY, TR_PLATFORM="posix", CMAKE_BUILD_TYPE="Debug")
    assert "inotify_init1" not in run("nm", build / "hello")
    check_hello(build / "hello")


@pytest.mark.skipif(shutil.which(WINDOWS_COMPILER) is None, reason=f"{WINDOWS_COMPILER} is not installed")
@pytest.mark.parametrize("source", sorted(SOURCES.rglob("*_windows.cpp")), ids=lambda path: path.stem)
def test_windows_sources_compile(source: Path) -> None:
    """What only Windows compiles is C++ that its headers agree with; nothing of it is run."""
    generated = DEV_BUILD / "cpp" / "include"  # config.h
    includes = [f"-I{folder}" for folder in (SOURCES, REPOSITORY / "cpp" / "include", generated)]
    run(
        WINDOWS_COMPILER,
        "-std=c++17",
        "-DTR_BUILDING_LIBRARY",
        "-fsyntax-only",
        "-Wall",
        "-Wextra",
        "-Werror",
        *includes,
        source,
    )

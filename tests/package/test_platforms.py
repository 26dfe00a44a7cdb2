"""Code for other operating systems, as far as this machine can tell: it is compiled, and where possible run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from package_builds import BUILD, CONSUMER, REPOSITORY, check_hello, cmake, run

TOOLCHAIN = REPOSITORY / "cpp" / "cmake" / "mingw-w64.cmake"
GOOGLETEST = Path("/usr/src/googletest")
#: What has to be there for Windows programs to be built, and to be run, with Debian's package of each.
TO_BUILD = {
    "g++-mingw-w64-x86-64-posix": shutil.which("x86_64-w64-mingw32-g++-posix"),
    "googletest": GOOGLETEST.exists(),
    "nlohmann-json3-dev": Path("/usr/include/nlohmann").exists(),
}
TO_RUN = {"wine": shutil.which("wine"), "wine64": Path("/usr/lib/wine/wine64").exists()}
# A first build takes minutes.
pytestmark = pytest.mark.timeout(900)
PYTHON = os.environ.get("TR_WINDOWS_PYTHON", "")


def skip_without(packages: dict[str, object]) -> pytest.MarkDecorator:
    """Skips a test, and names the packages that it lacks."""
    missing = " ".join(name for name, there in packages.items() if not there)
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {missing} (apt-get install {missing})")


def test_posix_without_linux() -> None:
    """The library as any other POSIX system compiles it, without futex and inotify, serves hello."""
    build = cmake(CONSUMER, BUILD / "posix", TR_SOURCE_DIR=REPOSITORY, TR_PLATFORM="posix", CMAKE_BUILD_TYPE="Debug")
    assert "inotify_init1" not in run("nm", build / "hello")
    check_hello(build / "hello")


@pytest.fixture(scope="module")
def windows() -> Path:
    """The library, its tests and examples, built for Windows."""
    build = BUILD / "windows"
    prefix = build / "prefix"
    # Headers alone, but what lies beside them in /usr/include is for another system.
    for folder in ("include/nlohmann", "share/cmake/nlohmann_json"):
        shutil.copytree(Path("/usr") / folder, prefix / folder, dirs_exist_ok=True)
    gtest = {"BUILD_GMOCK": "OFF", "CMAKE_INSTALL_PREFIX": prefix}
    run("cmake", "--install", cmake(GOOGLETEST, build / "gtest", CMAKE_TOOLCHAIN_FILE=TOOLCHAIN, **gtest))
    return cmake(
        REPOSITORY,
        build / "shared",
        CMAKE_TOOLCHAIN_FILE=TOOLCHAIN,
        CMAKE_BUILD_TYPE="Debug",
        TR_WARNINGS_AS_ERRORS="ON",
        nlohmann_json_DIR=prefix / "share" / "cmake" / "nlohmann_json",
        GTest_DIR=prefix / "lib" / "cmake" / "GTest",
    )


def run_in_wine(program: Path, *arguments: str, **environment: str) -> str:
    """What a program of Windows prints; its streams are pipes, as wine passes on no other files."""
    prefix = BUILD / "windows" / "wine"
    prefix.mkdir(exist_ok=True)
    words = ["wine", str(program), *arguments]
    settings = {"WINEPREFIX": str(prefix), "WINEDEBUG": "-all", **environment}
    return run("bash", "-c", 'set -o pipefail; : | "$@" 2>&1 | cat', "bash", *words, **settings)


@skip_without(TO_BUILD)
@skip_without(TO_RUN)
@pytest.mark.parametrize("program", ["tr_data_tests", "tr_interop_dlpack_tests", "tr_session_tests"])
def test_windows_programs_pass_their_tests(windows: Path, program: str) -> None:
    """Tensors, .tsr files, messages, processes, files and locks, under wine."""
    printed = run_in_wine(windows / "tests" / f"{program}.exe", "--gtest_filter=-*WindowsSession*:*SeveralOnWindows*")
    assert "[  PASSED  ]" in printed
    skipped = {line for line in printed.splitlines() if "SKIPPED" in line and " Samples." not in line}
    assert {line for line in skipped if "listed below" not in line} == set()  # the samples are no part of a clone


@skip_without(TO_BUILD)
@skip_without(TO_RUN)
@pytest.mark.skipif(not PYTHON, reason="$TR_WINDOWS_PYTHON names no python.exe of 3.9 or later with NumPy")
def test_windows_host_and_worker(windows: Path) -> None:
    """Sessions of a host for Windows with workers in an interpreter for Windows, under wine."""
    settings = {"TR_PYTHON": PYTHON, "TR_PACKAGE_DIR": str(REPOSITORY / "python"), "WINEPATH": str(windows / "bin")}
    filters = "--gtest_filter=*WindowsSession*:*SeveralOnWindows*"
    assert "[  PASSED  ] 11 tests" in run_in_wine(windows / "tests" / "tr_session_tests.exe", filters, **settings)
    assert "Hello, C++!" in run_in_wine(windows / "examples" / "hello.exe", **settings)

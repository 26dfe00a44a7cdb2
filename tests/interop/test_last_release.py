"""A host of the last release with a worker of this one, and the other way round: all that a session does.

The last release is taken from the history of the repository, and compiled once per build folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
BUILD = Path(os.environ.get("TR_BUILD_DIR") or REPOSITORY / "build" / "dev")
LAST_RELEASE = "78b0ce8be167a7e6a3636e1a94bd52bda687864d"
CARRIERS = {"futex": "mailbox", "inotify": "files", "polling": "files"}
BUILD_SECONDS = 600.0  # of 30 on two idle cores


def run(*command: object, limit: float = 60.0, **environment: str) -> str:
    """The output of a program that has to succeed."""
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=limit,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def last_release() -> Path:
    """Its sources."""
    folder = BUILD / "last_release" / LAST_RELEASE[:12]
    if not (folder / "source").is_dir():
        archive = ["git", "-C", REPOSITORY, "archive", LAST_RELEASE, "CMakeLists.txt", "cpp", "python"]
        try:
            done = subprocess.run(archive, capture_output=True, timeout=60, check=False)
        except FileNotFoundError:
            pytest.skip("git is not there, which has the sources of the last release")
        if done.returncode != 0:
            pytest.skip(
                f"the last release, {LAST_RELEASE[:12]}, is not in the history of this folder: a shallow clone, or none"
            )
        half = folder / f"half-{os.getpid()}"
        with tarfile.open(fileobj=BytesIO(done.stdout)) as files:
            files.extractall(half, filter="data")
        half.rename(folder / "source")
    return folder / "source"


@pytest.fixture(scope="module")
def old_host(last_release: Path) -> Path:
    """release_host.cpp with the library of the last release."""
    build = last_release.parent / "build"
    if not (build / "CMakeCache.txt").is_file():
        run("cmake", "-S", HERE / "last_release", "-B", build, f"-DTR_LAST_RELEASE={last_release}")
    run("cmake", "--build", build, "-j", "2", limit=BUILD_SECONDS)
    return build / "tr_release_host"


@pytest.fixture(scope="module")
def new_host() -> Path:
    path = BUILD / "tests" / "tr_release_host"
    if not os.access(path, os.X_OK):
        pytest.fail(f"{path} is not there: build it with 'cmake --preset dev && cmake --build --preset dev'")
    return path


def converse(host: Path, package: Path, wake_up: str, workspace: Path, **environment: str) -> None:
    """Has the host go through all of it with a worker of that package."""
    carrier = run(
        host,
        HERE / "release_server.py",
        wake_up,
        TR_PACKAGE_DIR=str(package),
        TR_PYTHON=os.environ.get("TR_PYTHON") or sys.executable,
        TR_WORKSPACE=str(workspace),
        **environment,
    )
    assert carrier.split() == [CARRIERS[wake_up]]
    assert not list(workspace.glob("python_session/tr_session_*")), "a session leaves nothing behind"


@pytest.mark.parametrize("wake_up", CARRIERS)
def test_a_worker_of_the_last_release(wake_up: str, new_host: Path, last_release: Path, tmp_path: Path) -> None:
    """Without its compiled module, as it has none here."""
    converse(new_host, last_release / "python", wake_up, tmp_path)


@pytest.mark.parametrize("wake_up", CARRIERS)
def test_a_host_of_the_last_release(wake_up: str, old_host: Path, tmp_path: Path) -> None:
    converse(old_host, REPOSITORY / "python", wake_up, tmp_path)


def test_a_host_of_the_last_release_with_the_library_named_by_hand(old_host: Path, tmp_path: Path) -> None:
    converse(
        old_host, REPOSITORY / "python", "futex", tmp_path, TR_LIBRARY=str(BUILD / "lib" / "libtech_renaissance.so")
    )

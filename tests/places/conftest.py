"""Places for the tests: mounts in a namespace of their own, which end with the program that runs in them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from places import Inside

HERE = Path(__file__).parent
PACKAGE = HERE.parent.parent / "python"


def namespaces_work() -> bool:
    """Whether this user may mount file systems where nobody else sees them."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "x", "/mnt"], capture_output=True).returncode == 0


@pytest.fixture(scope="session")
def _namespaces() -> None:
    if not namespaces_work():
        pytest.skip("this user may not mount anything in a namespace of its own (unshare -m): run the tests as root")


@pytest.fixture
def inside(_namespaces: None, tmp_path: Path) -> Inside:
    """Runs a program of this folder, `inside("full.py", "scenario", ...)`, after shell commands that make its place.

    $P in the commands is the place, a directory whose path is the scenario's first argument; `unshare` names more
    namespaces.
    """

    def call(
        program: str,
        *arguments: str,
        make: str,
        environment: dict[str, str] | None = None,
        unshare: tuple[str, ...] = (),
    ) -> None:
        place = tmp_path / "place"
        place.mkdir(exist_ok=True)
        command = [
            "unshare",
            "-m",
            *unshare,
            "sh",
            "-ec",
            f'{make}\nexec "$@"',
            "sh",
            sys.executable,
            str(HERE / program),
        ]
        result = subprocess.run(
            [*command, arguments[0], str(place), *arguments[1:]],
            env={**os.environ, "P": str(place), "PYTHONPATH": str(PACKAGE), **(environment or {})},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=100,
        )
        if result.returncode != 0 or not result.stdout.endswith("held\n"):
            pytest.fail(
                f"{program} {' '.join(arguments)} ended with {result.returncode}:\n{result.stdout}", pytrace=False
            )

    return call


@pytest.fixture
def disk(tmp_path: Path) -> str:
    """The image of a small ext4 disk, to be mounted by `inside`."""
    image = tmp_path / "disk"
    image.touch()
    os.truncate(image, 6 << 20)
    if shutil.which("mkfs.ext4") is None or not os.path.exists("/dev/loop-control"):
        pytest.skip("there is no mkfs.ext4, or there are no loop devices")
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", image], check=True)
    return str(image)

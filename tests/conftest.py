"""What the tests of the package and of the pages share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "package"))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this tree."""
    from package_builds import BUILD, PIP, REPOSITORY, run

    folder = tmp_path_factory.mktemp("wheel")
    build_dir = f"build-dir={BUILD / 'wheel'}"
    run(*PIP, "wheel", "-q", "--no-build-isolation", "--no-deps", "-C", build_dir, "-w", folder, REPOSITORY)
    (wheel,) = folder.glob("*.whl")
    return wheel

"""Plug-ins that each have a copy of the library in them: they share a process, and no state."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

import pytest
from package_builds import run

SOURCES = Path(__file__).with_name("plug_ins")
pytestmark = pytest.mark.timeout(600)  # a first build takes minutes


@pytest.mark.parametrize("compiler", [("g++",), ("g++", "-fno-gnu-unique"), ("clang++",)], ids=" ".join)
def test_two_copies_in_one_process(compiler: tuple[str, ...], static_prefix: Path, tmp_path: Path) -> None:
    if shutil.which(compiler[0]) is None:
        pytest.skip(f"{compiler[0]} is not installed")
    (pc_file,) = static_prefix.rglob("tech_renaissance.pc")
    listed = run("pkg-config", "--cflags", "--libs", "tech_renaissance", PKG_CONFIG_PATH=str(pc_file.parent))
    plug_in = tmp_path / "one.so"
    run(
        *compiler, "-std=c++17", "-shared", "-fPIC", "-fvisibility=hidden", "-Wl,--exclude-libs,ALL",
        SOURCES / "plug_in.cpp", "-o", plug_in, *shlex.split(listed),
    )  # fmt: skip
    other = shutil.copy(plug_in, tmp_path / "other.so")
    host = tmp_path / "host"
    run(*compiler, "-std=c++17", SOURCES / "host.cpp", "-o", host, "-ldl", "-pthread")
    assert run(host, plug_in, other, tmp_path / "workspace", TR_PYTHON=sys.executable).strip() == "done"

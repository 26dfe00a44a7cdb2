"""What compilers are to refuse, with words that say what to write instead."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from package_builds import DEV_BUILD, REPOSITORY

INCLUDES = [f"-I{REPOSITORY}/cpp/include", f"-I{DEV_BUILD}/cpp/include"]
SCALAR = "a scalar for the command goes into its text"
TENSOR = "make one of it with Tensor::from_vector"


def compile_call(compiler: str, call: str, tmp_path: Path) -> str:
    """What the compiler says of a program that calculates so; empty when it is fine."""
    program = tmp_path / "program.cpp"
    program.write_text(
        f"""
#include "tech_renaissance.h"
void program(const tr::PythonSession& session, [[maybe_unused]] const tr::Tensor& x,
             [[maybe_unused]] const tr::TensorView& view) {{
    using namespace std::chrono_literals;
    session.calculate("f", {call});
    session.calculate_many("f", {call});
}}
"""
    )
    command = [compiler, "-std=c++17", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", *INCLUDES, str(program)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_what_calculate_takes(compiler: str, tmp_path: Path) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    for call in ("x", "x, view, 500", "x, 500L", "x, 1s", "x, 20ms, x", "std::vector<tr::Tensor>{x, x}, 500"):
        assert compile_call(compiler, call, tmp_path) == "", call
    for call, said in {
        "x, 2.5": SCALAR,
        "x, true": SCALAR,
        "x, 2.0f": SCALAR,
        "std::vector<std::vector<float>>{{1}}": TENSOR,
        "std::array<float, 3>{}": TENSOR,
        "std::vector<std::string>{}": TENSOR,
        "std::vector<float>{1, 2}": TENSOR,
        'x, "text"': TENSOR,
    }.items():
        assert said in compile_call(compiler, call, tmp_path), call

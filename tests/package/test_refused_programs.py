"""What compilers are to refuse, with words that say what to write instead."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from package_builds import DEV_BUILD, REPOSITORY

INCLUDES = [f"-I{REPOSITORY}/cpp/include", f"-I{DEV_BUILD}/cpp/include"]
SCALAR = "a scalar for the command goes into its text"
TENSOR = "make one of it with Tensor::from_vector"


LIMIT = "a limit is a whole number of milliseconds, or a std::chrono::duration"
ELEMENT = "no tensor has elements of this type"
COMPILERS = ["g++", "clang++"]

# What holds in all that is compiled here, with x, view and session.
PROGRAM = """
#include <array>
#include "tech_renaissance.h"
using namespace tr;
void program([[maybe_unused]] const PythonSession& session, [[maybe_unused]] const Tensor& x,
             [[maybe_unused]] const TensorView& view) {
    using namespace std::chrono_literals;
    %s
}
"""


def compile_lines(compiler: str, tmp_path: Path, *lines: str) -> str:
    """What the compiler says of a program of these lines; empty when it is fine."""
    program = tmp_path / "program.cpp"
    program.write_text(PROGRAM % "\n    ".join(lines))
    command = [compiler, "-std=c++17", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", *INCLUDES, str(program)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def refusals(compiler: str, tmp_path: Path, text: str, *lines: str) -> int:
    """How many of these lines, each of which has a type of its own, are refused with such a text."""
    said = compile_lines(compiler, tmp_path, *lines)
    return len(re.findall(rf"error: static[_ ]assert.*{re.escape(text)}", said))


@pytest.fixture(params=COMPILERS)
def compiler(request: pytest.FixtureRequest) -> str:
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return str(request.param)


def test_what_calculate_takes(compiler: str, tmp_path: Path) -> None:
    calls = (
        "x", "x, view, 500", "x, 500L", "x, 1s", "x, 20ms, x", "std::vector<Tensor>{x, x}, 500", "{}", "{x}, 5s",
        "{x, view}, 500", "{x, x}", '{{"a", x}}', '{{"a", x}, {"b", view}}, 5s', '{{"a", x}, {"b", x}, {"c", x}}, 500',
        "std::map<std::string, Tensor>{}, 1h", 'x, std::vector<NamedTensor>{{"a", x}}', "x, Limit(5s)",
    )  # fmt: skip
    said = compile_lines(
        compiler,
        tmp_path,
        *(f'session.{name}("f", {call});' for call in calls for name in ("calculate", "calculate_named")),
    )
    assert said == ""
    calls = ("x, 2.5", "x, true", "x, 2.0f")
    assert refusals(compiler, tmp_path, SCALAR, *(f'session.calculate("f", {call});' for call in calls)) == len(calls)
    calls = (
        "std::vector<std::vector<float>>{{1}}", "std::array<float, 3>{}", "std::vector<std::string>{}",
        "std::vector<float>{1, 2}", 'x, "text"',
    )  # fmt: skip
    assert refusals(compiler, tmp_path, TENSOR, *(f'session.calculate("f", {call});' for call in calls)) == len(calls)


def test_what_call_takes(compiler: str, tmp_path: Path) -> None:
    calls = (
        "x", "x, 5", "x, 2.5, true, 10s", 'x, "text", std::string(), Limit(5s)', "view, std::vector<float>{1, 2}",
        "std::vector<Tensor>{x}, std::vector<TensorView>{view}", "std::map<std::string, int>{}, nullptr",
        '{{"a", x}}', '{{"a", x}, {"b", 5}}, 5s', '{{"a", "b"}}', '{{"a", "b"}, {"c", "d"}}', '{{std::string(), view}}',
        '{{"list", {1, 2, 3}}, {"texts", {"x", "y"}}}', '{{"object", {{"depth", 2}, {"name", "x"}}}}, Limit(5s)',
        'x, {{"b", 5}}', 'x, {{"b", 5}}, 20ms', 'x, NamedArgument("b", 5), 1h',
        'std::vector<NamedArgument>{{"a", x}}, 5s',
    )  # fmt: skip
    said = compile_lines(
        compiler, tmp_path, *(f'session.{name}("f", {it});' for it in calls for name in ("call", "call_async"))
    )
    assert said == ""
    calls = ('{{"a", 1}}, 500', 'x, {{"a", 1}}, 2.5')
    limit = "as a plain number may be meant for the endpoint: std::chrono::milliseconds(500)"
    assert refusals(compiler, tmp_path, limit, *(f'session.call("f", {call});' for call in calls)) == len(calls)
    calls = ("std::array<float, 3>{}", "&x", '{{"a", std::array<int, 2>{}}}')
    taken = "call() takes tensors, std::vector of tensors, and what a tr::Value can be"
    assert refusals(compiler, tmp_path, taken, *(f'session.call("f", {call});' for call in calls)) == len(calls)
    assert refusals(compiler, tmp_path, "a letter is no value", "session.call(\"f\", 'x');") == 1


def test_what_a_limit_may_be(compiler: str, tmp_path: Path) -> None:
    said = compile_lines(
        compiler,
        tmp_path,
        *(f'session.fetch_response("f", {limit});' for limit in ("5", "5L", "5s", "{}", "{5}", "0.5min")),
        'session.fetch_response("f", PythonSession::kDefaultTimeout);',
        "enum { kLimit = 5 }; session.wait_until_ready(kLimit);",
        'session.stream("f", {}, 5s); session.stream("f", {x}, 5); session.wait_for_tensors(1h);',
        'session.calculate_async("f", {}); session.calculate_async("f", {x}, 5); session.calculate_async("f", {x, x});',
        'session.calculate_async("f", {{"a", x}}, 5s); session.calculate_async("f", {{"a", x}, {"b", x}});',
        "WaitSet set; set.wait(5s); set.wait(5); set.wait();",
        "SessionOptions options; options.start_timeout_ms = 5s; options.default_timeout_ms = 10'000;",
        "const std::int64_t half = options.default_timeout_ms / 2; static_cast<void>(half);",
        "static_assert(Limit(1ns) == 1 && Limit(0s) == 0 && Limit(-1ms) < -1 && Limit(std::chrono::hours::max()) > 0);",
        # Programs that take the address of a method need not know what a limit is.
        'std::async(&PythonSession::fetch_response, &session, "f", 500).wait();',
        'auto method = &PythonSession::fetch_tensor; (session.*method)("f", 500);',
    )
    assert said == ""
    lines = (
        'session.fetch_response("f", 2.5);',
        "session.wait_until_ready(true);",
        'session.calculate_async("f", {x}, 1e3f);',
    )
    assert refusals(compiler, tmp_path, LIMIT, *lines) == len(lines)


def test_what_tensors_are_made_of(compiler: str, tmp_path: Path) -> None:
    made = (
        "std::array<float, 2>{}", "std::array<int, 4>{}, Shape(2, 2)", "std::vector<std::vector<double>>{{1}, {2}}",
        "std::vector<std::vector<bool>>{}", "std::vector<bool>{true}", "{1.0f, 2.0f}", "{1, 2, 3, 4}, {2, 2}",
    )  # fmt: skip
    assert compile_lines(compiler, tmp_path, *(f"Tensor::from_vector({values});" for values in made)) == ""
    lines = (
        'Tensor::from_vector(std::vector<std::string>{"a"});',
        "Tensor::from_vector(std::vector<std::vector<std::vector<float>>>{});",
        "Tensor::from_vector(std::array<std::wstring, 2>{});",
        'Tensor::from_vector({"a", "b"});',
        "Tensor::from_vector(std::vector<char>{1});",
        "Tensor::full(Shape(), nullptr);",
        "Tensor::from_data(static_cast<const wchar_t*>(nullptr), Shape(0));",
        "x.data<Shape>();",
    )
    assert refusals(compiler, tmp_path, ELEMENT, *lines) == len(lines)

"""The header with typed functions compiles without a warning, and its functions call the endpoints."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from package_builds import DEV_BUILD, REPOSITORY, run

SERVER = REPOSITORY / "tests" / "python_host" / "endpoint_stub_server.py"
PROGRAM = """
#include "server.h"

#include <iostream>

int main() {
    tr::SessionOptions options;
    options.script = "%s";
    options.quiet = true;
    const auto x = tr::Tensor::from_vector(std::vector<float>{1, 2, 3, 4}).reshape({2, 2});
    tr::PythonSession session(options);
    session.start();
    const auto line = [](const auto&... words) { ((std::cout << words << " "), ...), std::cout << "\\n"; };
    line(*server::scale(session, x).data<float>(), *server::scale(session, x, 3.0, tr::Limit(20'000)).data<float>());
    const auto found = server::find(session, x, "best", 0.25);
    line(found.mask.numel(), found.score, found.label, found.count.value_or(-1));
    line(server::find(session, x, "fast").count.has_value());
    line(server::greet(session, "Ada"), server::greet(session, "Ada", 2), server::total(session, {1, 2}, 3));
    line(server::join(session, x, {x, x}).shape(), server::join(session, x).shape());
    line(server::masked(session, x).has_value(), server::masked(session, x, x)->numel());
    server::nothing(session);
    line(server::anything(session, 5).value().as_int(), server::both(session, x).result_1);
    line(server::delete_(session, "r"));
    for (const tr::Tensor& part : server::count(session, 3)) std::cout << *part.data<float>();
    std::cout << "\\n";
}
"""


@pytest.mark.timeout(300)
def test_the_functions_of_a_header_call_the_endpoints(tmp_path: Path) -> None:
    libraries = sorted(DEV_BUILD.glob("lib/libtech_renaissance.*"))
    if not libraries:
        pytest.skip(f"there is no library in {DEV_BUILD}/lib: 'make build-dev' makes one")
    python = {"PYTHONPATH": str(REPOSITORY / "python")}
    run(sys.executable, "-m", "tech_renaissance", "stubs", f"{SERVER}:Server", "-o", tmp_path / "server.h", **python)
    (tmp_path / "program.cpp").write_text(PROGRAM % SERVER, encoding="utf-8")
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror"]
    includes = [f"-I{REPOSITORY}/cpp/include", f"-I{DEV_BUILD}/cpp/include"]
    run("g++", *flags, *includes, tmp_path / "program.cpp", libraries[0], "-pthread", "-o", tmp_path / "program")
    done = subprocess.run(
        [tmp_path / "program"],
        capture_output=True,
        text=True,
        env={**os.environ, **python, "TR_PYTHON": sys.executable, "TR_WORKSPACE": str(tmp_path / "w"),
             "LD_LIBRARY_PATH": str(libraries[0].parent)},
        check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "2 3 ", "4 0.25 best 3 ", "0 ", "hello Ada hello Adahello Ada 6 ", "(6, 2) (2, 2) ", "0 4 ", "5 1 ", "r ",
        "012",
    ]  # fmt: skip

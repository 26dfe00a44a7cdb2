"""What README and tutorial show compiles, runs and prints just that, outside the repository."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from package_builds import cmake
from snippets import PAGES, REPOSITORY, Installation, blocks, commands, files

README = REPOSITORY / "README.md"
TUTORIAL = REPOSITORY / "docs" / "tutorial.md"
# The first run compiles the library for the wheel.
BUILDS = pytest.mark.timeout(900)


def execute(command: list[str], folder: Path, **environment: str) -> str:
    """Runs a command as a reader would and gives its standard output; the log on standard error goes to a failure."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TR_", "VIRTUAL"))}
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        # A workspace of its own, as the ids are those of the page, and may be in use elsewhere.
        env={**inherited, "TR_PYTHON": sys.executable, "TR_WORKSPACE": str(folder / "sessions"), **environment},
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}", pytrace=False)
    return done.stdout


def write_files(page: Path, folder: Path) -> list[str]:
    """Puts the files of a page into a folder; gives their names."""
    shown = files(page)
    for name, text in shown.items():
        (folder / name).write_text(text, encoding="utf-8")
    return list(shown)


@BUILDS
def test_tutorial(installation: Installation, tmp_path: Path) -> None:
    """Every program of the tutorial compiles unchanged and prints what the page says."""
    names = write_files(TUTORIAL, tmp_path)
    option, place = installation.cmake_option
    build = cmake(tmp_path, tmp_path / "build", **{option: place})
    shown = commands(TUTORIAL)
    ran = set()
    for command in shown:
        program, *arguments = command.text.split()
        if program == "python":
            if installation.name != "wheel":
                continue  # CMake installs the worker's side of the package alone
            output = execute([sys.executable, *arguments], tmp_path, PYTHONPATH=str(installation.package))
        else:
            output = execute([str(tmp_path / program), *arguments], tmp_path)
            ran.add(Path(program).name + ".cpp")
        assert command.prints(output), f"$ {command.text}\n{output}"
    assert ran == {name for name in names if name.endswith(".cpp")}, "a program that the tutorial never runs"
    assert (build / "CMakeCache.txt").exists()


@BUILDS
def test_readme(installation: Installation, tmp_path: Path) -> None:
    """The snippets of the README work together, with the lines of CMake that it shows."""
    write_files(README, tmp_path)
    (lines,) = blocks(README, "cmake")
    start = (
        "cmake_minimum_required(VERSION 3.21)\nproject(readme LANGUAGES CXX)\nadd_executable(my_program quick.cpp)\n"
    )
    (tmp_path / "CMakeLists.txt").write_text(start + lines, encoding="utf-8")
    option, place = installation.cmake_option
    build = cmake(tmp_path, tmp_path / "build", **{option: place})
    assert execute([str(build / "my_program")], tmp_path).count("9.") == 20
    if installation.name == "wheel":
        output = execute([sys.executable, "quick_host.py"], tmp_path, PYTHONPATH=str(installation.package))
        assert output.count("3.") == 20


@BUILDS
@pytest.mark.parametrize(("name", "target"), [("pools", "pool"), ("endpoints", "filters"), ("coming-from", "coming")])
def test_page(name: str, target: str, installation: Installation, tmp_path: Path) -> None:
    """The programs of a page compile unchanged and print what it says."""
    page = REPOSITORY / "docs" / f"{name}.md"
    write_files(page, tmp_path)
    start = (
        f"cmake_minimum_required(VERSION 3.21)\nproject(page LANGUAGES CXX)\nadd_executable({target} {target}.cpp)\n"
    )
    lines = blocks(README, "cmake")[0].replace("my_program", target)
    (tmp_path / "CMakeLists.txt").write_text(start + lines, encoding="utf-8")
    option, place = installation.cmake_option
    cmake(tmp_path, tmp_path / "build", **{option: place})
    for command in commands(page):
        program, *arguments = command.text.split()
        if program != "python":
            output = execute([str(tmp_path / program), *arguments], tmp_path)
        elif installation.name == "wheel":
            output = execute([sys.executable, *arguments], tmp_path, PYTHONPATH=str(installation.package))
        else:
            continue  # CMake installs the worker's side of the package alone
        assert command.prints(output), f"$ {command.text}\n{output}"


@BUILDS
def test_the_tests_that_a_page_shows(installation: Installation, tmp_path: Path) -> None:
    """What the page on testing shows passes; where the package is installed, pytest finds the fixture by itself."""
    (name,) = write_files(REPOSITORY / "docs" / "testing.md", tmp_path)
    plugin = [] if installation.name == "wheel" else ["-p", "tech_renaissance.testing.pytest_plugin"]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *plugin, name]
    assert "2 passed" in execute(command, tmp_path, PYTHONPATH=str(installation.package))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_snippets_are_python(page: Path) -> None:
    """Every Python block parses."""
    for text in blocks(page, "python"):
        ast.parse(text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link to a file or to a heading has a target."""
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith("http"):
            continue
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if heading:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings], link

"""The files and commands that a page shows.

A fenced block whose first line is a comment `file: name` is a file. A `console` block holds commands after `$` and what
they print, where `...` stands for anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"(?://|#) file: (\S+)\n")


@dataclass(frozen=True)
class Command:
    """A command and the lines that it prints."""

    text: str
    output: tuple[str, ...]

    def prints(self, output: str) -> bool:
        """Whether this output is what the page shows."""
        return matches("\n".join(self.output), output)


@dataclass(frozen=True)
class Installation:
    """Where CMake finds the library, and Python the package."""

    name: str
    cmake_option: tuple[str, Path]
    package: Path


def blocks(page: Path, language: str) -> list[str]:
    """The text of each fenced block of a language, in order."""
    return [text for found, text in _BLOCK.findall(page.read_text(encoding="utf-8")) if found == language]


def files(page: Path) -> dict[str, str]:
    """The files that a page shows, by name."""
    found: dict[str, str] = {}
    for _, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
        if title := _FILE.match(text):
            assert title[1] not in found, f"{page.name} shows {title[1]} twice"
            found[title[1]] = text
    return found


def commands(page: Path) -> list[Command]:
    """The commands that a page shows, each with its output."""
    found = []
    for text in blocks(page, "console"):
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, *output = part.rstrip("\n").split("\n")
            found.append(Command(command, tuple(output)))
    return found


def matches(shown: str, real: str) -> bool:
    """Whether a real text is the one shown, where `...` stands for anything; blanks at line ends do not count."""
    pattern = ".*".join(re.escape(part) for part in _tidy(shown).split("..."))
    return re.fullmatch(pattern, _tidy(real), re.DOTALL) is not None


def unfolded(text: str) -> str:
    """The text with each run of white space as one blank, as a page may fold lines."""
    return " ".join(text.split())


def _tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())

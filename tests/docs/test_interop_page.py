"""The snippets of docs/interop.md are parts of the tests of those headers, where they compile and run."""

from __future__ import annotations

from textwrap import dedent, indent

import pytest
from snippets import REPOSITORY, blocks

TESTS = {
    "cpp": sorted((REPOSITORY / "tests" / "cpp" / "interop").glob("*_test.cpp")),
    "python": [REPOSITORY / "tests" / "python_host" / "test_dlpack_results.py"],
}


@pytest.mark.parametrize(("language", "count"), [("cpp", 4), ("python", 1)])
def test_snippets_are_tested(language: str, count: int) -> None:
    sources = [path.read_text(encoding="utf-8") for path in TESTS[language]]
    shown = blocks(REPOSITORY / "docs" / "interop.md", language)
    assert len(shown) == count
    for text in shown:
        part = indent(dedent(text), "    ")
        assert any(part in source for source in sources), text

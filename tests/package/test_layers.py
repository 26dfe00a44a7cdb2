"""Every include and import of the library is an arrow that the table of layers in docs/architecture.md has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from package_builds import REPOSITORY

PACKAGE = REPOSITORY / "python" / "tech_renaissance"
PUBLIC = REPOSITORY / "cpp" / "include" / "tech_renaissance"
CPP_ROOTS = {REPOSITORY / "cpp" / "src": "", PUBLIC: "", REPOSITORY / "cpp" / "bindings": "bindings/"}
# Headers of the standard library have no such ending, so what is in <> here is the system's or a stranger's.
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"(?P<own>[^"]+)"|(?P<other><[^>]+\.h(?:pp)?>))', re.MULTILINE)


def table() -> dict[str, list[str]]:
    """What each layer of the page may use: layers, files and patterns of these; "*" is for all of them."""
    section = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8").split("\n## Layers\n")[1]
    rows = [line.split("|")[1:3] for line in section.split("\n## ")[0].splitlines() if line.startswith("| `")]
    return {name: re.findall("`([^`]+)`", uses) for names, uses in rows for name in re.findall("`([^`]+)`", names)}


def included(source: Path, root: Path) -> Iterator[str]:
    """What a C++ file includes, from the folder of its layer on; a public header keeps its tech_renaissance/."""
    for match in INCLUDE.finditer(source.read_text(encoding="utf-8")):
        name = match["own"] or match["other"]
        yield CPP_ROOTS[root] + name if (source.parent / name).exists() else name


def imported(source: Path) -> Iterator[str]:
    """Which modules of the package a Python file imports, anywhere but for its types alone."""
    nodes: list[ast.AST] = [ast.parse(source.read_text(encoding="utf-8"))]
    for node in nodes:  # which grows
        only_types = isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}
        nodes += node.orelse if only_types else ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = ("tech_renaissance", *source.relative_to(PACKAGE).parent.parts)
            base = [*package[: len(package) + 1 - node.level]] if node.level else []
            base += node.module.split(".") if node.module else []
            names = [[*base, alias.name] if has_module(base[1:], alias.name) else base for alias in node.names]
        else:
            continue
        yield from ("/".join(name[1:]) or "__init__" for name in names if name[0] == "tech_renaissance")


def has_module(package: list[str], name: str) -> bool:
    """Whether a name in a package of ours is a module, and not something in its __init__."""
    return any(PACKAGE.joinpath(*package, name + ending).exists() for ending in ("", ".py", ".pyi"))


def arrows() -> Iterator[tuple[str, str]]:
    """Every file and what it uses."""
    for root, prefix in CPP_ROOTS.items():
        for source in sorted([*root.rglob("*.h"), *root.rglob("*.cpp")]):
            yield from ((prefix + str(source.relative_to(root)), used) for used in included(source, root))
    for source in sorted(PACKAGE.rglob("*.py")):
        yield from ((str(source.relative_to(PACKAGE)), used) for used in imported(source))


def test_every_arrow_is_in_the_table() -> None:
    """Nothing uses a layer, or a file of one, that the page does not grant it."""
    layers = table()
    seen, wrong = set(), set()
    for source, used in arrows():
        layer = source.split("/")[0]
        layer = layer if "/" in source or layer in layers else "face"
        seen.add(layer)
        granted = [layer, *layers.get(layer, ()), *layers["*"]]
        names = (used, used.removeprefix("tech_renaissance/"))
        if layer not in layers or not any(fnmatchcase(n, g) or n.startswith(g + "/") for n in names for g in granted):
            wrong.add(f"{source} -> {used}")
    assert not wrong, "the table in docs/architecture.md does not have:\n" + "\n".join(sorted(wrong))
    assert seen == layers.keys() - {"*", "errors.py"}, "the table has a layer without a file that uses anything"


def test_the_table_points_down() -> None:
    """A layer uses those above it in the table alone, so there is no way round in a circle."""
    layers = list(table())
    for number, (layer, uses) in enumerate(table().items()):
        below = [used for used in uses if used.split("/")[0] in layers[number:] and layer != "*"]
        assert not below, f"{layer} uses {below}, which the table has further down"

"""What all tables have in common."""

from __future__ import annotations

from rows import KEYS

Table = list[list[str]]


def render(table: Table) -> str:
    """A Markdown table whose columns line up in the source; the first row is the head."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in table]
    # Figures to the right, names to the left.
    rule = (
        "|" + "|".join("-" * (width + 2) if not i else "-" * (width + 1) + ":" for i, width in enumerate(widths)) + "|"
    )
    return "\n".join([lines[0], rule, *lines[1:]])


def name(key: str) -> str:
    """A row's title; ours stand out."""
    row = KEYS[key]
    return f"**{row.title}**" if row.kind == "ours" or key.startswith("python_") else row.title


def times(value: float | None) -> str:
    """`1.8x`."""
    return "" if value is None else f"{value:.2f}x" if value < 10 else f"{value:.0f}x"

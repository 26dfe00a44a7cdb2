"""The tables about services."""

from __future__ import annotations

from statistics import median
from typing import Any

from figures import Rounds, difference_us, hand_over, median_us, percentiles_us, ratio, time_text
from table import Table, name, times

#: Each with what it is compared with, as results["endpoints"] has them.
ADDED = (
    ("endpoint, one untyped argument, a number", "endpoint_value", "main_value"),
    ("endpoint, one untyped argument, 1 KiB", "endpoint_tensor", "main_tensor"),
    ("endpoint with a dtype, dims and a default, 1 KiB", "endpoint_typed", "main_typed"),
    ("pool of 2, text", "pool_value", "main_value"),
    ("pool of 2, 1 KiB", "pool_tensor", "main_tensor"),
    ("pool, Python host, endpoint, a number", "python_value", "python_session_value"),
    ("pool, Python host, endpoint, 1 KiB", "python_array", "python_session_array"),
)
#: The kinds of graph: title, the whole, one stage, and how often the tensor changes hands between stages.
CHAINS = (
    ("three sessions of one C++ program", "stages", "stage", 2),
    ("served graph, each stage calls the next: there and back", "graph", "graph_end", 4),
)


def added_table(results: dict[str, Any]) -> Table:
    """What endpoints and pools add to a call."""
    found: dict[str, Rounds] = results["endpoints"]
    table = [["one call", "p50 without", "p50 with", "p99 with", "adds"]]
    for title, key, base in ADDED:
        added = difference_us(found.get(key), found.get(base))
        if added is not None:
            p50, _, p99 = percentiles_us(found[key])
            figures = [time_text(median_us(found[base])), time_text(p50), time_text(p99), f"{added:.2f} µs"]
            table.append([title, *figures])
    return table


def function_table(results: dict[str, Any]) -> Table:
    """A function of a number, and of 1 MiB, quickest first."""
    values: dict[str, Rounds] = results["functions"].get("value", {})
    arrays: dict[str, Rounds] = results["functions"].get("array", {})
    ours = values.get("call.pool")
    table = [
        ["twice what was sent", "number: p50", "p95", "p99", "p50 / ours", "1 MiB each way: p50", "p95", "p50 / ours"]
    ]
    for key in sorted(values, key=lambda key: median_us(values[key])):
        cells = [name(key), *map(time_text, percentiles_us(values[key])), times(ratio(values[key], ours))]
        if arrays.get(key):
            cells += map(time_text, percentiles_us(arrays[key])[:2])
            cells.append(times(ratio(arrays[key], arrays.get("call.pool"))))
        table.append(cells + [""] * (8 - len(cells)))
    return table


def worker_table(results: dict[str, Any]) -> Table:
    """Calls a second of workers that compute."""
    table = [["calls per second, each computes some 5 ms", "1 worker", "2 workers", "2 / 1"]]
    for key, found in results["workers"].items():
        one, two = (median(found[count]) if found.get(count) else None for count in ("1", "2"))
        if one and two:
            table.append([name(key), f"{one:,.0f}", f"{two:,.0f}", times(two / one)])
    return table


def graph_table(results: dict[str, Any]) -> Table:
    """64 MiB through stages."""
    found: dict[str, Rounds] = results["graph"]
    table = [["64 MiB", "one stage: p50", "three: p50", "three / memcpy", "one hand-over / memcpy"]]
    if found.get("memcpy"):
        table.append(["memcpy", time_text(median_us(found["memcpy"])), "", "", ""])
    for title, whole, stage, count in CHAINS:
        if found.get(whole) and found.get(stage):
            both = [time_text(median_us(found[stage])), time_text(median_us(found[whole]))]
            ratios = [times(ratio(found[whole], found.get("memcpy"))), times(hand_over(found, whole, stage, count))]
            table.append([title, *both, *ratios])
    return table


def lines_table(lines: list[dict[str, Any]]) -> Table:
    """What a script has printed: a row for each line, a column for each figure, or group of figures."""
    titles = ("row", "ratio", "clients")
    columns = list(dict.fromkeys(key for line in lines for key in line if key not in titles))
    table = [["", *(column.replace("_", " ") for column in columns)]]
    for line in lines:
        title = next((line[key] for key in titles if key in line), "")
        table.append([str(title), *(_cell(line.get(column, "")) for column in columns)])
    return table


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key.replace('_', ' ')} {_cell(item)}" for key, item in value.items())
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def service_tables(results: dict[str, Any]) -> list[tuple[str, Table]]:
    """Titles and tables, in the order of the page."""
    found = []
    for key, title, make in (
        ("endpoints", "Services: what endpoints and pools add", added_table),
        ("functions", "Services: a function called from Python", function_table),
        ("workers", "Services: two workers that compute, beside one", worker_table),
        ("graph", "Services: 64 MiB through three stages", graph_table),
    ):
        if results.get(key):
            found.append((title, make(results)))
    for key, title in (("batching", "Services: batches"), ("many_clients", "Services: attached clients")):
        if results.get(key):
            found.append((title, lines_table(results[key])))
    return found

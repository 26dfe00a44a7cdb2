"""The tables of a run, in Markdown, from what results.json holds."""

from __future__ import annotations

from statistics import median
from typing import Any

from figures import Rounds, mean_us, median_us, percentiles_us, ratio, size_text, tensor, time_text
from rows import KEYS, ROWS
from service_tables import service_tables
from table import Table, name, times


def text_table(results: dict[str, Any]) -> Table:
    """Text round trips, quickest first."""
    text: dict[str, Rounds] = results["text"]
    paused: dict[str, Rounds] = results.get("text_after_pause", {})
    table = [["round trip of 22 bytes", "p50", "p95", "p99", "p50 / floor", "p50 after a pause", "CPU per call"]]
    for key in sorted(text, key=lambda key: median_us(text[key])):
        figures = [time_text(value) for value in percentiles_us(text[key])]
        cpu = results.get("text_cpu", {}).get(key)
        used = "" if cpu is None else time_text(cpu * 1e6)
        first = time_text(median_us(paused[key])) if key in paused else ""
        table.append([name(key), *figures, times(ratio(text[key], text.get("futex"))), first, used])
    return table


def load_table(results: dict[str, Any]) -> Table:
    """With and without looking before a sleep, where others want the cores."""
    table = [["", "p50", "p50, `busy_wait_us` 0", "mean", "mean, `busy_wait_us` 0", "calls/s, with / without"]]
    for what, measured in results["load"].items():
        both = measured.get("mailbox"), measured.get("mailbox_sleeps")
        means = [mean_us(rounds) if rounds else None for rounds in both]
        found = means[1] / means[0] if means[0] and means[1] else None
        table.append([what, *(time_text(median_us(rounds)) if rounds else "" for rounds in both),
                      *(time_text(mean) if mean else "" for mean in means), times(found)])  # fmt: skip
    return table


def placement_table(results: dict[str, Any]) -> Table:
    """Medians of text by where the processes are."""
    places: dict[str, dict[str, Rounds]] = results["placement"]
    table = [["p50 with host and worker on", *(word for place in places for word in (place, "/ floor"))]]
    for row in ROWS:
        if any(row.key in measured for measured in places.values()):
            cells = [name(row.key)]
            for measured in places.values():
                rounds = measured.get(row.key)
                cells += [time_text(median_us(rounds)) if rounds else "", times(ratio(rounds, measured.get("futex")))]
            table.append(cells)
    return table


def tensor_table(results: dict[str, Any], operation: str) -> Table:
    """Medians of one operation, a column for each size."""
    measured: dict[str, dict[str, Rounds]] = results["tensors"][operation]
    sizes = sorted(map(int, measured))
    table = [["p50", *map(size_text, sizes)]]
    for row in ROWS:
        cells = [tensor(results, operation, size, row.key) for size in sizes]
        if any(cells):
            table.append([name(row.key), *(time_text(median_us(cell)) if cell else "" for cell in cells)])
    return table


def spread_table(results: dict[str, Any], operation: str, size: int) -> Table:
    """Percentiles of one operation at one size, beside the floor."""
    table = [[f"{operation}, {size_text(size)}", "p50", "p95", "p99", "p50 / memcpy"]]
    floor = tensor(results, operation, size, "memcpy")
    for row in ROWS:
        rounds = tensor(results, operation, size, row.key)
        if rounds:
            figures = [time_text(value) for value in percentiles_us(rounds)]
            table.append([name(row.key), *figures, times(ratio(rounds, floor))])
    return table


def calculate_table(results: dict[str, Any]) -> Table:
    """Relu of a 1 KiB tensor."""
    calculate: dict[str, dict[str, Rounds]] = results["calculate"]
    floor = calculate.get("floor", {}).get("futex")
    table = [['`calculate("relu", …)`, 1 KiB', "p50", "p95", "p99", "p50 / floor"]]
    for kind, title in (("own", "hand-written server"), ("default", "default server")):
        for key, rounds in calculate.get(kind, {}).items():
            figures = [time_text(value) for value in percentiles_us(rounds)]
            table.append([f"{name(key)}, {title}", *figures, times(ratio(rounds, floor))])
    return table


def start_table(results: dict[str, Any]) -> Table:
    """Time from start() to ready."""
    titles = {
        "bare": "nothing but the package",
        "torch": "PyTorch",
        "template": "PyTorch, from the template worker",
        "template_8": "8 of these at once, until the last is ready",
        "interpreter": "(`python -I -S -c pass`, to its end)",
        "import": "(`import tech_renaissance`, in a plain interpreter)",
    }
    table = [["worker that imports", "median", "slowest"]]
    for kind, samples in results["start"].items():
        table.append([titles[kind], time_text(median(samples) / 1e3), time_text(max(samples) / 1e3)])
    return table


def several_table(results: dict[str, Any]) -> Table:
    """What runs at the same time in one worker."""
    titles = {
        "together": "4 threads, a call each that awaits 50 ms, async server: until the last answer",
        "quick_idle": "quick call, server with threads, otherwise idle",
        "quick_beside": "quick call beside one that takes a second",
    }
    table = [["one worker, `max_ongoing_requests` 4", "median", "slowest"]]
    for what, samples in results["several"].items():
        table.append([titles[what], time_text(median(samples) / 1e3), time_text(max(samples) / 1e3)])
    return table


def resource_table(results: dict[str, Any]) -> Table:
    """Idle processor time, memory, and memory over a loop of echoes."""
    head = ["", "idle CPU, host + worker", "resident, host + worker", "64 MiB echoes: first, last, most", "buffers"]
    table = [head]
    for key, found in results["resources"].items():
        loop = results.get("echo_memory", {}).get(key)
        cpu = " + ".join(f"{value:.1f} %" for value in found["idle_cpu_percent"])
        resident = " + ".join(f"{value:.1f}" for value in found["resident_mib"]) + " MiB"
        row = [name(key), cpu, resident, "", ""]
        if loop:
            memory = loop["resident_mib"]
            row[3] = f"{memory[0]:.0f}, {memory[-1]:.0f}, {max(memory):.0f} MiB"
            row[4] = str(max(loop["buffers"]))
        table.append(row)
    return table


def throughput_table(results: dict[str, Any]) -> Table:
    """Text round trips per second."""
    throughput: dict[str, dict[str, list[float]]] = results["throughput"]
    counts = sorted({int(count) for found in throughput.values() for count in found})
    table = [["round trips per second", *(f"{count} session{'s' if count > 1 else ''}" for count in counts)]]
    for key, found in throughput.items():
        cells = (median(found[str(count)]) if str(count) in found else None for count in counts)
        table.append([name(key), *("" if cell is None else f"{cell:,.0f}" for cell in cells)])
    return table


def absent_lines(results: dict[str, Any]) -> list[str]:
    """Rows that are missing altogether, and why. That an operation is none of a row's is no news."""
    lines = []
    for key, reasons in results["absent"].items():
        if key == "start":
            lines += [f"start from the {kind}: {reason}" for kind, reason in reasons.items()]
            continue
        told = sorted({reason for reason in reasons.values() if not reason.startswith(_EXPECTED)})
        title = KEYS[key].title if key in KEYS else key
        lines += [f"{title}: {reason}" for reason in told]
    return lines


_EXPECTED = ("it shares no memory", "it moves bytes", "not an operation", "measured ", "it copies memory")


def all_tables(results: dict[str, Any]) -> list[tuple[str, Table]]:
    """Titles and tables, in the order of the page."""
    found: list[tuple[str, Table]] = []
    if results.get("text"):
        found.append(("Text", text_table(results)))
    if results.get("placement"):
        found.append(("Text, by where the processes are kept", placement_table(results)))
    if results.get("load"):
        found.append(("Where others want the cores", load_table(results)))
    titles = {
        "echo": "Echo: from ordinary memory to the worker and back into ordinary memory",
        "echo_view": "Echo whose result is used where it lies",
        "in": "One way in: from ordinary memory to the worker, which reads one element",
        "out": "One way out: from the worker's ordinary memory to here, where one element is read",
        "in_place": "In place: `session.empty` and `server.empty`, or what a rival has like it",
    }
    for operation, title in titles.items():
        table = tensor_table(results, operation) if results.get("tensors") else []
        if len(table) > 1:
            found.append((title, table))
        if operation == "echo" and len(table) > 1:
            size = 64 << 20
            found.append((f"Echo of {size_text(size)}", spread_table(results, operation, size)))
    for key, title, make in (
        ("calculate", "A function of PyTorch", calculate_table),
        ("several", "Several requests at a time", several_table),
        ("start", "Start, from `start()` until the worker is ready", start_table),
        ("resources", "Idle, and memory", resource_table),
        ("throughput", "Sessions in parallel, a thread each", throughput_table),
    ):
        if results.get(key):
            found.append((title, make(results)))
    return found + service_tables(results)

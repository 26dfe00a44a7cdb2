"""Says for each promise about speed whether the figures of a run keep it.

    check_ratios.py [build/bench/results.json]

Ends with 1 when one of them is not kept or was not measured.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

from figures import (
    Rounds,
    difference_us,
    hand_over,
    mean_us,
    median_us,
    percentiles_us,
    ratio,
    size_text,
    tensor,
    time_text,
)
from rows import KEYS, ROWS
from service_tables import ADDED, CHAINS

MIB = 1 << 20


class Checks:
    """Prints a line for each promise and remembers whether all were kept."""

    def __init__(self) -> None:
        self.good = True

    def at_most(self, promise: str, value: float | None, limit: float, unit: str = "x") -> None:
        """The figure may not be larger."""
        self._tell(promise, value, limit, unit, value is not None and value <= limit, "at most")

    def at_least(self, promise: str, value: float | None, limit: float) -> None:
        """The figure may not be smaller."""
        self._tell(promise, value, limit, "x", value is not None and value >= limit, "at least")

    def _tell(self, promise: str, value: float | None, limit: float, unit: str, good: bool, relation: str) -> None:
        self.good = self.good and good
        measured = "not measured" if value is None else f"{value:.2f}{unit}"
        print(f"{'PASS' if good else 'FAIL'}  {promise}: {measured} ({relation} {limit:g}{unit})")


def check_text(results: dict[str, Any], checks: Checks) -> None:
    text: dict[str, Rounds] = results.get("text", {})
    mailbox = text.get("mailbox")
    checks.at_most("text / bare Unix socket", ratio(mailbox, text.get("socket")), 0.6)
    paused = results.get("text_after_pause", {})
    checks.at_most("the same after a pause", ratio(paused.get("mailbox"), paused.get("socket")), 0.7)
    check_placement(results.get("placement", {}), checks)
    checks.at_least("ZeroMQ / text", ratio(text.get("zeromq"), mailbox), 4)
    quickest = min(filter(None, (text.get("grpc"), text.get("grpc_async"))), key=median_us, default=None)
    checks.at_least("gRPC (the quicker of both kinds) / text", ratio(quickest, mailbox), 20)
    p50, _, p99 = percentiles_us(mailbox) if mailbox else (1.0, 0.0, None)
    checks.at_most("p99 / p50 of text", None if p99 is None else p99 / p50, 4)
    checks.at_most("text, pure Python worker / text", ratio(text.get("mailbox_python"), mailbox), 4)
    files = text.get("inotify")
    checks.at_most("text over files and inotify", median_us(files) if files else None, 150, " µs")
    checks.at_most("text over files and inotify / bare system calls", ratio(files, text.get("bare_files")), 3)
    checks.at_most("text, Python host / text", ratio(text.get("python_mailbox"), mailbox), 1.4)


def check_placement(placement: dict[str, dict[str, Rounds]], checks: Checks) -> None:
    """What waking another core takes differs by four times between machines, and so does what a hand-over takes on one.

    So the promises are that a call on two cores pays for no wake-up, and how much of one on one core is ours.
    """
    one, two = placement.get("one core", {}), placement.get("two cores", {})
    mailbox, futex = one.get("mailbox"), one.get("futex")
    checks.at_most("text, two cores / text, one core", ratio(two.get("mailbox"), mailbox), 1.1)
    ours = median_us(mailbox) - median_us(futex) if mailbox and futex else None
    checks.at_most("text - bare futex, one core", ours, 6, " µs")


def check_load(results: dict[str, Any], checks: Checks) -> None:
    """In calls a second: where others want the cores, a call in twenty may take as long as all the rest."""
    for what, measured in results.get("load", {}).items():
        both = [measured.get(key) for key in ("mailbox_sleeps", "mailbox")]
        found = mean_us(both[0]) / mean_us(both[1]) if all(both) else None
        least = 0.85 if what == "busy loops" else 0.97  # by so much two runs of one and the same differ
        checks.at_least(f"{what}: calls a second, with a busy wait / with `busy_wait_us` 0", found, least)


def tell_placement(results: dict[str, Any]) -> None:
    """No promise, but what explains the ratios: on one core they show what is computed, on two what waking takes."""
    for place, measured in [("any core", results.get("text", {})), *results.get("placement", {}).items()]:
        for key in ("mailbox", "mailbox_python"):
            found = ratio(measured.get(key), measured.get("futex"))
            if found is not None:
                times = f"{time_text(median_us(measured[key]))} / {time_text(median_us(measured['futex']))}"
                print(f"      text, {key}, on {place} / bare futex there: {found:.2f}x ({times})")


def check_tensors(results: dict[str, Any], checks: Checks) -> None:
    calculate = results.get("calculate", {})
    text = calculate.get("text", {}).get("mailbox")
    for kind, title in (("own", "hand-written"), ("default", "default")):
        found = ratio(calculate.get(kind, {}).get("mailbox"), text)
        checks.at_most(f"calculate of 1 KiB, {title} server / text beside it", found, 2.5)
    for size in map(int, results.get("tensors", {}).get("echo", {})):
        # Of rivals that hand out bytes, too, but for a socket: it is there with tensors as well.
        rounds = {row.key: tensor(results, "echo", size, row.key) for row in ROWS if row.kind in ("rival", "python")}
        rounds["socket_torch"] = tensor(results, "echo", size, "socket_torch")
        rounds.pop("python_mailbox", None)
        quickest = min(filter(None, rounds.values()), key=median_us, default=None)
        mailbox = tensor(results, "echo", size, "mailbox")
        checks.at_most(f"echo of {size_text(size)} / the quickest rival", ratio(mailbox, quickest), 1)
        bytes_alone = ratio(mailbox, tensor(results, "echo", size, "socket"))
        if bytes_alone is not None:
            print(f"      the same / bare Unix socket that moves bytes: {bytes_alone:.2f}x")
    memcpy = tensor(results, "echo", 64 * MIB, "memcpy")
    echo = ratio(tensor(results, "echo", 64 * MIB, "mailbox"), memcpy)
    checks.at_most("echo of 64 MiB into ordinary memory / two memcpys", echo, 1.1)
    view = ratio(tensor(results, "echo_view", 64 * MIB, "mailbox"), memcpy)
    checks.at_most("echo of 64 MiB, result used where it lies / two memcpys", view, 1.2)
    for size in (16 << 10, MIB, 64 * MIB):
        rival = tensor(results, "in_place", size, "shared_memory")
        found = ratio(tensor(results, "in_place", size, "mailbox"), rival)
        checks.at_most(f"{size_text(size)} in place / shared_memory + Pipe", found, 1.5)
    files = ratio(tensor(results, "echo", 64 * MIB, "inotify"), memcpy)
    checks.at_most("echo of 64 MiB over files / two memcpys", files, 3.5)


def check_resources(results: dict[str, Any], checks: Checks) -> None:
    loop = results.get("echo_memory", {}).get("mailbox")
    # A tenth of the loop is left out: what grows grows in the rest as well.
    grown = None
    if loop:
        memory = loop["resident_mib"][len(loop["resident_mib"]) // 10 :]
        grown = max(memory) / min(memory)
    checks.at_most("memory over echoes of 64 MiB, most / least", grown, 1.05)
    checks.at_most("buffers alive in it", float(max(loop["buffers"])) if loop else None, 3, "")
    for key in ("mailbox", "inotify"):
        found = results.get("resources", {}).get(key)
        used = sum(found["idle_cpu_percent"]) if found else None
        checks.at_most(f"idle CPU, {key}, host and worker", used, 0.5, " %")
    start = {kind: median(times) / 1e6 for kind, times in results.get("start", {}).items()}
    bare, alone = start.get("bare"), start.get("interpreter")
    checks.at_most("start of a bare worker - of an interpreter", bare - alone if bare and alone else None, 15, " ms")
    checks.at_most("start of a PyTorch worker from the template", start.get("template"), 25, " ms")
    checks.at_most("start of 8 of them at once", start.get("template_8"), 150, " ms")


def check_several(results: dict[str, Any], checks: Checks) -> None:
    several = {what: median(times) / 1e6 for what, times in results.get("several", {}).items()}
    checks.at_most("4 calls that await 50 ms, at once", several.get("together"), 60, " ms")
    idle = several.get("quick_idle")
    beside = several["quick_beside"] / idle if idle else None
    checks.at_most("quick calls beside one of a second / otherwise idle", beside, 2)


def check_services(results: dict[str, Any], checks: Checks) -> None:
    found = results.get("endpoints", {})
    for title, key, base in ADDED:
        added = difference_us(found.get(key), found.get(base))
        if key.startswith("python_"):
            if added is not None:
                print(f"      {title}, adds: {added:.2f} µs")
        else:
            checks.at_most(f"{title}, adds", added, 3, " µs")
    for key in ("services", "call.pool"):
        rates = results.get("workers", {}).get(key, {})
        gained = median(rates["2"]) / median(rates["1"]) if rates.get("1") and rates.get("2") else None
        checks.at_least(f"calls a second of two workers that compute / of one, {KEYS[key].title}", gained, 1.9)
    for title, whole, stage, count in CHAINS:
        cost = hand_over(results.get("graph", {}), whole, stage, count)
        checks.at_most(f"64 MiB to the next stage / memcpy, {title}", cost, 0.3)
    for way, measured in results.get("functions", {}).items():
        rivals = (rounds for key, rounds in measured.items() if key != "call.pool")
        found = ratio(measured.get("call.pool"), min(rivals, key=median_us, default=None))
        if found is not None:
            print(f"      {way} through Pool, Python / through the quickest rival: {found:.2f}x")
    for line in results.get("batching", []):
        if "ratio" in line:
            checks.at_least(line["ratio"], line["value"], 5 if line["ratio"].endswith("/ unbatched") else 0.9)


def main() -> None:
    """See the module."""
    default = Path(__file__).resolve().parents[2] / "build" / "bench" / "results.json"
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    results = json.loads(path.read_text(encoding="utf-8"))
    floor = results.get("text", {}).get("futex")
    if floor:
        print(f"floor of this run, bare futex: {time_text(median_us(floor))}")
    checks = Checks()
    check_text(results, checks)
    tell_placement(results)
    check_tensors(results, checks)
    check_load(results, checks)
    check_several(results, checks)
    check_resources(results, checks)
    check_services(results, checks)
    sys.exit(0 if checks.good else 1)


if __name__ == "__main__":
    main()

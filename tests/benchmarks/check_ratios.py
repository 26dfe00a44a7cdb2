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

from figures import Rounds, median_us, percentiles_us, ratio, tensor, time_text

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
    mailbox, floor = text.get("mailbox"), text.get("futex")
    checks.at_most("text over the mailbox / bare futex", ratio(mailbox, floor), 2)
    checks.at_least("ZeroMQ / text over the mailbox", ratio(text.get("zeromq"), mailbox), 4)
    quickest = min(filter(None, (text.get("grpc"), text.get("grpc_async"))), key=median_us, default=None)
    checks.at_least("gRPC (the quicker of both kinds) / text over the mailbox", ratio(quickest, mailbox), 20)
    if mailbox:
        p50, _, p99 = percentiles_us(mailbox)
        checks.at_most("p99 / p50 of text over the mailbox", p99 / p50, 3)
    else:
        checks.at_most("p99 / p50 of text over the mailbox", None, 3)
    checks.at_most(
        "text over the mailbox, pure Python worker / bare futex", ratio(text.get("mailbox_python"), floor), 4
    )
    files = text.get("inotify")
    checks.at_most("text over files and inotify", median_us(files) if files else None, 150, " µs")
    checks.at_most("text over files and inotify / bare system calls", ratio(files, text.get("bare_files")), 3)


def tell_placement(results: dict[str, Any]) -> None:
    """No promise, but what explains the ratios: on one core they show what is computed, on two what waking takes."""
    for place, measured in results.get("placement", {}).items():
        for key in ("mailbox", "mailbox_python"):
            found = ratio(measured.get(key), measured.get("futex"))
            if found is not None:
                times = f"{time_text(median_us(measured[key]))} / {time_text(median_us(measured['futex']))}"
                print(f"      text, {key}, on {place} / bare futex there: {found:.2f}x ({times})")


def check_tensors(results: dict[str, Any], checks: Checks) -> None:
    calculate = results.get("calculate", {})
    floor = calculate.get("floor", {}).get("futex")
    for kind, title in (("own", "hand-written"), ("default", "default")):
        found = ratio(calculate.get(kind, {}).get("mailbox"), floor)
        checks.at_most(f"calculate of 1 KiB, {title} server / bare futex", found, 5)
    memcpy = tensor(results, "echo", 64 * MIB, "memcpy")
    echo = ratio(tensor(results, "echo", 64 * MIB, "mailbox"), memcpy)
    checks.at_most("echo of 64 MiB into ordinary memory / two memcpys", echo, 1.2)
    view = ratio(tensor(results, "echo_view", 64 * MIB, "mailbox"), memcpy)
    checks.at_most("echo of 64 MiB, result used where it lies / two memcpys", view, 1.2)
    for size in (MIB, 256 * MIB):
        rounds = tensor(results, "in_place", size, "mailbox")
        checks.at_most(f"{size // MIB} MiB in place", median_us(rounds) if rounds else None, 100, " µs")


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
    start = results.get("start", {})
    bare = median(start["bare"]) / 1e6 if start.get("bare") else None
    checks.at_most("start of a bare worker", bare, 100, " ms")
    template = median(start["template"]) / 1e6 if start.get("template") else None
    checks.at_most("start of a PyTorch worker from the template", template, 100, " ms")


def check_several(results: dict[str, Any], checks: Checks) -> None:
    several = {what: median(times) / 1e6 for what, times in results.get("several", {}).items()}
    checks.at_most("4 calls that await 50 ms, at once", several.get("together"), 60, " ms")
    idle = several.get("quick_idle")
    beside = several["quick_beside"] / idle if idle else None
    checks.at_most("quick calls beside one of a second / otherwise idle", beside, 2)


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
    check_several(results, checks)
    check_resources(results, checks)
    sys.exit(0 if checks.good else 1)


if __name__ == "__main__":
    main()

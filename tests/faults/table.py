"""Kills workers, hosts and clients at every step of the protocol, on each carrier, and prints what became of it.

    python tests/faults/table.py --kills 200

Exits with 1 when a request was lost, a wait or a process hung, something was left over, or a cell is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("TR_BUILD_DIR", REPOSITORY / "build" / "dev"))
PROGRAM = BUILD / "tests" / "tr_faults"
MEDIAN_MS, P99_MS = 20, 100
ENOUGH_TO_TIME = 50  # kills in each cell: a short run shares the machine with other tests

#: task, carrier, more arguments, and how many processes share the steps.
RUNS = [
    ("worker", "mailbox", [], 2),
    ("worker", "mailbox-ctypes", [], 2),
    ("worker", "mailbox-0us", [], 2),
    ("worker", "inotify", [], 2),
    ("worker", "polling", [], 8),
    ("template", "mailbox", [], 1),
    # A server with threads, and a request of each of four threads in flight.
    ("busy", "mailbox", [], 2),
    ("busy", "inotify", [], 2),
    ("busy", "polling", ["--steps", "answer"], 2),
    # Programs that share one worker.
    ("client", "mailbox", [], 2),
    ("client", "inotify", [], 2),
    ("clients", "mailbox", [], 1),
    ("clients", "inotify", [], 1),
    # Several workers behind one call, with more calls than they take at a time; the same with calls in batches.
    ("pool", "mailbox", [], 2),
    ("pool", "inotify", ["--steps", "answer"], 1),
    ("batch", "mailbox", ["--steps", "batch,request taken,result,answer,message"], 2),
    # Services that call one another, and 50 clients of theirs in three programs: graph.py.
    ("graph", "mailbox", [], 1),
    ("host", "mailbox", [], 2),
    ("host", "mailbox-0us", [], 2),
    ("host", "inotify", [], 2),
    ("host", "polling", [], 8),
    # What a program that forks its workers from a template does besides.
    ("host", "mailbox", ["--who", "quick", "--steps", "template"], 1),
    ("host", "mailbox", ["--who", "quick", "--steps", "forked"], 1),
    # Nobody dies: rings are disturbed, as many as there would be kills.
    *(
        ("doorbells", carrier, ["--who", side, "--fault", fault], 1)
        for fault in ("drop", "delay", "repeat")
        for carrier, side in (
            ("mailbox", "host"),
            ("mailbox", "worker"),
            ("mailbox-ctypes", "worker"),
            # Whose waits sleep at once, or after a look that is hardly ever long enough.
            ("mailbox-0us", "host"),
            ("mailbox-0us", "worker"),
            ("mailbox-1us", "host"),
            ("mailbox-1us", "worker"),
            ("inotify", "host"),
            ("inotify", "worker"),
        )
    ),
]

#: Who dies in a task, where it is not called so.
WHO = {"busy": ["busy worker"], "clients": ["client", "shared worker", "owner"], "pool": ["pool's worker"],
       "graph": ["graph's worker"]}  # fmt: skip

#: Steps that no run may come to miss, whatever their names become: one of each file and each phase.
EXPECTED = {
    "worker": ["script running", "hello.json named", "status.txt named", "request taken", "main_logic entered",
               "tensors at hand", "tensor half written", "tensor named", "result staged", "answer out", "part out",
               "room for a part", "exit requested", "leaving"],
    "host": ["workspace locked", "directory created", "session.lock locked", "session.json named", "worker started",
             "hello heard", "tensor named", "request.json named", "answer read", "tensors held", "cancel.json named",
             "worker gone", "directory emptied"],
    "busy": ["hello.json named", "request taken", "main_logic entered", "tensors at hand", "tensor named",
             "result staged", "answer out", "part out", "room for a part", "leaving"],
    "client": ["channel created", "session.lock locked", "session.json named", "channel named", "hello heard",
               "tensor named", "request.json named", "answer read", "tensors held", "cancel.json named"],
    "clients": ["at any time, 20 clients"],
    "pool": ["hello.json named", "request taken", "main_logic entered", "tensor named", "answer out", "part out",
             "exit requested", "leaving"],
    "graph": ["at any time, 50 clients"],
}  # fmt: skip
EXPECTED_ON = {
    "mailbox": ["message written", "message announced", "message rung", "message seen"],
    "inotify": ["response.json named"],
    "polling": ["response.json named"],
}
EXPECTED_ON["mailbox-ctypes"] = EXPECTED_ON["mailbox-0us"] = EXPECTED_ON["mailbox"]


def run(task, carrier, extra, kills, shard, shards, cells, problems):
    """One process of tr_faults, in a workspace of its own."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    workspace = Path(tempfile.mkdtemp(prefix="tr-faults-", dir=place))
    command = [PROGRAM, task, "--carrier", carrier, "--workspace", workspace, "--kills", str(kills)]
    command += ["--shard", str(shard), "--shards", str(shards), *extra]
    if task == "graph":
        command = [sys.executable, Path(__file__).with_name("graph.py"), "--cell", "--rounds", str((kills + 8) // 9)]
    name = f"{task} {carrier} {shard + 1}/{shards}"
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)
    try:
        for line in process.stdout:
            cells.append(json.loads(line))
        if process.wait(60) != 0:
            problems.append(f"{name}: ended with {process.returncode}")
        sessions = workspace / "python_session"
        left = sorted(set(os.listdir(sessions)) - {".lock"}) if sessions.exists() else []
        if left:
            problems.append(f"{name}: left in the workspace: {', '.join(left)}")
    finally:
        process.kill()
        shutil.rmtree(workspace, ignore_errors=True)


def run_all(kills, only, jobs, sample):
    """All cells, and what went wrong besides."""
    cells, problems = [], []
    work = queue.Queue()
    for task, carrier, extra, shards in RUNS:
        if only in f"{task} {carrier}" and not (task == "graph" and sample > 1):  # which has no steps
            for shard in range(shards):
                work.put((task, carrier, extra, kills, shard, shards * sample))

    def serve():
        while True:
            try:
                arguments = work.get_nowait()
            except queue.Empty:
                return
            run(*arguments, cells, problems)

    threads = [threading.Thread(target=serve) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return cells, problems


def missing(cells, only):
    """Cells that have to be there and are not."""
    seen = {(cell["who"], cell["carrier"], cell["step"]) for cell in cells}
    for task, carrier, extra, _ in RUNS:
        if task not in EXPECTED or extra or only not in f"{task} {carrier}":
            continue
        for step in EXPECTED[task] + (EXPECTED_ON[carrier] if task in ("worker", "busy") else []):
            for who in WHO.get(task, [task]):
                if (who, carrier, step) not in seen:
                    yield f"{who} {carrier}: nobody came by {step!r}"


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))] if values else 0


def timing(cells):
    """How soon the deaths of these cells were noticed, for the table's foot."""
    ends = {"worker": "dies: the wait ends", "busy worker": "dies: all waits end",
            "shared worker": "dies: all clients know", "client": "dies: its channels are gone",
            "owner": "dies: all clients know", "host": "dies: the last orphan leaves",
            "nobody": "dies: all calls end"}  # fmt: skip
    for who, what in ends.items():
        for carrier in sorted({cell["carrier"] for cell in cells if cell["who"] == who}):
            values = [us / 1000 for cell in cells if (cell["who"], cell["carrier"]) == (who, carrier)
                      for us in cell["noticed_us"]]  # fmt: skip
            if values:
                yield who, carrier, what, statistics.median(values), percentile(values, 0.99), max(values)


def outcomes_of(cells):
    """What became of the deaths in some cells, the most frequent first."""
    sums = Counter()
    for cell in cells:
        sums.update(cell["outcomes"])
    return "; ".join(text if len(sums) == 1 else f"{text} ({count})" for text, count in sums.most_common())


def show(cells):
    """The table: a line for each step, who dies and carrier."""
    header = ("step", "who dies", "carrier", "outcome", "kills", "lost", "hung", "leaked")
    rows = [header]
    for cell in sorted(cells, key=lambda cell: (cell["who"], cell["step"], cell["carrier"])):
        counts = [str(cell[name]) for name in header[4:]]
        rows.append((cell["step"], cell["who"], cell["carrier"], outcomes_of([cell]), *counts))
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip())


def show_markdown(cells):
    """The same for docs/reliability.md: a line for each step and who dies, with the kills on each carrier."""
    carriers = ("mailbox", "mailbox-0us", "mailbox-ctypes", "inotify", "polling")
    print("| who dies | step | outcome | " + " | ".join(carriers) + " | lost, hung, leaked |")
    print("|---|---|---|" + "---|" * (len(carriers) + 1))
    for who, step in sorted({(cell["who"], cell["step"]) for cell in cells}):
        here = [cell for cell in cells if (cell["who"], cell["step"]) == (who, step)]
        kills = [str(sum(cell["kills"] for cell in here if cell["carrier"] == carrier) or "") for carrier in carriers]
        wrong = ", ".join(str(sum(cell[name] for cell in here)) for name in ("lost", "hung", "leaked"))
        print(f"| {who} | {step} | {outcomes_of(here)} | " + " | ".join(kills) + f" | {wrong} |")


def verdict(cells, problems, seconds, kills):
    """The sums; whether everything held."""
    sums = {name: sum(cell[name] for cell in cells) for name in ("kills", "lost", "hung", "leaked")}
    print(f"\n{len(cells)} cells, at least {min((cell['kills'] for cell in cells), default=0)} kills in each: "
          + ", ".join(f"{name} {value}" for name, value in sums.items()) + f"; {seconds:.0f} s")  # fmt: skip
    late = []
    for who, carrier, what, median, p99, most in timing(cells):
        print(f"  {who} {what} ({carrier}) after {median:.1f} ms (median), {p99:.1f} ms (p99), {most:.1f} ms (max)")
        if who == "worker" and kills >= ENOUGH_TO_TIME and (median > MEDIAN_MS or p99 > P99_MS):
            late.append(f"{who} {carrier}: over {MEDIAN_MS} ms (median) or {P99_MS} ms (p99)")
    for cell in cells:
        if cell["violation"]:
            problems.append(f"{cell['who']} {cell['carrier']}, {cell['step']}: {cell['violation']}")
    for problem in problems + late:
        print("PROBLEM:", problem)
    return not (problems or late or sums["lost"] or sums["hung"] or sums["leaked"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=200, help="in each cell")
    parser.add_argument("--only", default="", help="runs whose name contains this, such as 'worker inotify'")
    parser.add_argument("--sample", type=int, default=1, help="only one step in so many, always the same ones")
    parser.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 2), help="processes at a time")
    parser.add_argument("--markdown", action="store_true", help="print the table as in docs/reliability.md")
    parser.add_argument("--cells", type=Path, help="also write the cells there, a line of JSON each")
    arguments = parser.parse_args()
    start = time.monotonic()
    cells, problems = run_all(arguments.kills, arguments.only, arguments.jobs, arguments.sample)
    if arguments.sample == 1:
        problems += missing(cells, arguments.only)
    show_markdown(cells) if arguments.markdown else show(cells)
    if arguments.cells:
        arguments.cells.write_text("".join(json.dumps(cell) + "\n" for cell in cells), encoding="utf-8")
    return 0 if verdict(cells, problems, time.monotonic() - start, arguments.kills) else 1


if __name__ == "__main__":
    sys.exit(main())

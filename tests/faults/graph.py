"""A served graph in a storm: programs call it while its workers are killed in turn, added, removed and replaced.

Counts what became of each call, and what is left when all have gone.

    python tests/faults/graph.py --clients 50 --rounds 10

Exits with 1 when a call was answered wrong, lost or hung, or something was left over.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
sys.path.insert(0, str(REPOSITORY / "python"))

from tech_renaissance import TRException  # noqa: E402 - which lies there
from tech_renaissance.services.control import ask  # noqa: E402
from tech_renaissance.services.place import place_of  # noqa: E402

BUILD = Path(os.environ.get("TR_BUILD_DIR", REPOSITORY / "build" / "dev"))
SERVICES = ("Decode", "Classify", "Annotate")
HUNG_SECONDS = 40


def soon_nothing(look):
    """What there still is after a moment: nobody can wait for the end of what is no child of this process."""
    for _ in range(50):
        found = look()
        if not found:
            break
        time.sleep(0.02)
    return found


class Graph:
    """`serve`, in a workspace of its own, and its clients."""

    def __init__(self, workspace, clients, seed):
        self.workspace = workspace
        self.random = random.Random(seed)
        self.environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "python"), "TR_PYTHON": sys.executable,
                            "TR_WORKSPACE": str(workspace)}  # fmt: skip
        self.serving = self.started(
            "-m", "tech_renaissance", "serve", f"{HERE}/graph_services.py:Annotate",
            "--set", "Classify.restart_attempts=1000", "--set", "Decode.restart_attempts=1000",
            "--set", "Annotate.restart_attempts=1000", "--set", "Annotate.restart_max_backoff_s=0.2",
        )  # fmt: skip
        self.until(self.serving, "annotate is ready")
        threading.Thread(target=self.serving.stdout.read, daemon=True).start()  # it is not to wait for a reader
        self.descriptors = len(self.descriptors_now())
        of_each = clients // 3
        program = [BUILD / "tests" / "tr_faults", "graph", "--workspace", workspace, "--seed", seed]
        self.clients = [
            self.run([*program, "--sessions", clients - 2 * of_each]),
            *(self.started(HERE / "graph_clients.py", workspace, of_each, seed + i) for i in (1, 2)),
        ]
        for client in self.clients:
            self.until(client, "connected")

    def started(self, *arguments):
        """A Python program."""
        return self.run([sys.executable, *arguments])

    def run(self, command):
        return subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True,
                                stderr=open(self.workspace / "errors", "a"), env=self.environment)  # fmt: skip

    def until(self, process, text):
        """Reads what it says up to this line."""
        for line in process.stdout:
            if line.strip() == text:
                return
        raise SystemExit(f"it has ended before it said {text!r}:\n{(self.workspace / 'errors').read_text()[-3000:]}")

    def order(self, order):
        """As another shell's. Returns what went wrong."""
        try:
            ask(place_of("annotate", str(self.workspace)), order)
        except TRException as error:
            return f"{order}: {error}"
        return ""

    def status(self):
        """What it says of its workers."""
        services = ask(place_of("annotate", str(self.workspace)), {"do": "status"})["services"]
        return [worker for service in services for worker in service["workers"]]

    def kill_each(self):
        """One after the other, each when the one before has a successor. Returns how many."""
        kills = 0
        for worker in self.status():
            time.sleep(self.random.uniform(0.02, 0.2))  # the pace of the kills; nothing is waited for
            pid = next((it["pid"] for it in self.status() if it["session"] == worker["session"]), 0)
            if pid:
                os.kill(pid, signal.SIGKILL)
                kills += 1
        return kills

    def wait_until_ready(self):
        """Whether all workers are, soon."""
        for _ in range(HUNG_SECONDS * 20):
            if all(worker["state"] in ("ready", "busy") for worker in self.status()):
                return True
            time.sleep(0.05)
        return False

    def descriptors_now(self):
        """Of the process that serves: what they are."""
        folder = f"/proc/{self.serving.pid}/fd"
        found = []
        for name in os.listdir(folder):
            try:
                found.append(os.readlink(f"{folder}/{name}"))
            except FileNotFoundError:
                continue
        return found

    def more_descriptors(self):
        """Than there were before its first client, where it has more; all of them."""
        now = self.descriptors_now()
        return now if len(now) > self.descriptors else []

    def channels(self):
        """Of clients; those of the stage that calls others are its own."""
        found = self.workspace.glob("python_session/tr_session_annotate-*/channels/*")
        return [path.name for path in found]

    def finish_clients(self):
        """What became of their calls, of all together."""
        (self.workspace / "stop").touch()
        counts = Counter()
        for client in self.clients:
            try:
                out, _ = client.communicate(timeout=HUNG_SECONDS)
                counts += Counter(json.loads(out.splitlines()[-1]))
            except (subprocess.TimeoutExpired, IndexError, ValueError):
                counts["hung"] += 1
                client.kill()
        return counts

    def processes(self):
        """Those that have this workspace in their environment."""
        found = []
        for entry in os.listdir("/proc"):
            try:
                if entry.isdigit() and int(entry) != os.getpid():
                    with open(f"/proc/{entry}/environ", "rb") as file:
                        if f"TR_WORKSPACE={self.workspace}\0".encode() in file.read():
                            found.append(int(entry))
            except OSError:
                continue
        return found

    def end(self):
        """What is left over."""
        self.order({"do": "scale", "services": dict.fromkeys(SERVICES, 1)})
        left = [f"channel {name}" for name in soon_nothing(self.channels)]
        left += [f"descriptor {what}" for what in soon_nothing(self.more_descriptors)]
        self.serving.send_signal(signal.SIGINT)
        try:
            self.serving.wait(HUNG_SECONDS)
        except subprocess.TimeoutExpired:
            left.append("the process that serves")
        if self.serving.returncode != 0:
            left.append(f"the process that serves ended with {self.serving.returncode}")
        left += [f"process {pid}" for pid in soon_nothing(self.processes)]
        left += sorted(set(os.listdir(self.workspace / "python_session")) - {".lock"})
        return left + os.listdir(self.workspace / "served")

    def kill(self):
        """Whatever still runs."""
        for process in (self.serving, *getattr(self, "clients", ())):
            process.kill()
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)


def storm(graph, rounds, seconds):
    """Kills, more workers, fewer, others, until both are over. Returns the number of kills, and what went wrong."""
    kills, problems, number = 0, [], 0
    end = time.monotonic() + seconds
    while number < rounds or time.monotonic() < end:
        kills += graph.kill_each()
        several = 2 - number % 2
        number += 1
        problems.append(graph.order({"do": "scale", "services": dict.fromkeys(SERVICES, several)}))
        kills += graph.kill_each()
        if not graph.wait_until_ready():
            problems.append(f"there are no workers {HUNG_SECONDS} s after their deaths: {graph.status()}")
            break
        problems.append(graph.order({"do": "reload"}))
    return kills, [problem for problem in problems if problem]


def cell_of(clients, kills, counts, leaked, problems):
    """As the other programs of this folder print it."""
    return {
        "who": "graph's worker", "carrier": "mailbox", "step": f"at any time, {clients} clients", "kills": kills,
        "lost": counts["lost"] + counts["wrong"], "hung": counts["hung"], "leaked": leaked,
        "outcomes": {"answered": counts["answered"], "failed with a reason": counts["failed"]},
        "noticed_us": [], "violation": "; ".join(problems),
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clients", type=int, default=50, help="in three programs, a third of them in C++")
    parser.add_argument("--rounds", type=int, default=10, help="of kills of each worker")
    parser.add_argument("--seconds", type=float, default=0, help="at least so long, whatever the rounds")
    parser.add_argument("--cell", action="store_true", help="print a cell of the table of faults, and nothing else")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    workspace = Path(tempfile.mkdtemp(prefix="tr-graph-", dir=place))
    if not arguments.cell:
        print(f"graph: {arguments.clients} clients, seed {arguments.seed}", flush=True)
    start = time.monotonic()
    graph = None
    try:
        graph = Graph(workspace, arguments.clients, arguments.seed)
        kills, problems = storm(graph, arguments.rounds, arguments.seconds)
        counts = graph.finish_clients()
        left = graph.end()
        errors = (workspace / "errors").read_text()
    finally:
        if graph is not None:
            graph.kill()
        shutil.rmtree(workspace, ignore_errors=True)
    counts["lost"] = counts["sent"] - sum(counts[end] for end in ("answered", "failed", "wrong", "hung"))
    problems += [f"left over: {what}" for what in left]
    problems += [line for line in errors.splitlines() if line.startswith("graph: ") or "Fatal Python error" in line][
        :10
    ]
    if not counts["answered"]:
        problems.append("no call was answered")
    if arguments.cell:
        print(json.dumps(cell_of(arguments.clients, kills, counts, len(left), problems)))
        return 0
    names = ("sent", "answered", "failed", "lost", "wrong", "hung")
    print(f"graph: kills {kills}, " + ", ".join(f"{name} {counts[name]}" for name in names)
          + f", leaked {len(left)}; {time.monotonic() - start:.0f} s")  # fmt: skip
    for problem in problems:
        print("PROBLEM:", problem)
    return 1 if problems or counts["lost"] or counts["wrong"] or counts["hung"] else 0


if __name__ == "__main__":
    sys.exit(main())

"""Wears sessions out: random requests, sizes, dtypes, threads, kills and stops; counts what became of each request.

    python tests/faults/soak.py --minutes 10

One host lives all the time and watches itself; another is killed every few seconds, in the same workspace. Each has
sessions, and a pool whose workers run calls in batches. Beside them a graph is served, see graph.py. Ends with 1 when a
request was lost or answered wrong, something grew, or something was left over.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import mmap
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("TR_BUILD_DIR", REPOSITORY / "build" / "dev")) / "tests" / "tr_faults"
# The words of Progress in soak.h, in their order.
COUNTERS = ("sent", "answered", "refused", "failed", "wrong", "timed_out", "sessions", "worker_kills", "worker_stops",
            "restarts", "streams_cancelled", "bytes")  # fmt: skip
_BECOME_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)
ORPHAN_SECONDS = 1.0


class Host:
    """One host process and its counters."""

    def __init__(self, workspace, name, seconds, seed, sessions, threads):
        self.name = name
        self._path = workspace / f"progress-{name}"
        self._path.write_bytes(bytes(8 * len(COUNTERS)))
        with open(self._path, "r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        command = [PROGRAM, "soak", "--workspace", workspace, "--progress", self._path, "--who", f"{name}-"]
        command += ["--seconds", seconds, "--seed", seed, "--sessions", sessions, "--threads", threads]
        self.process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)
        self.in_flight_at_most = (sessions + 2) * threads  # of each session, and twice as many of a pool

    def counts(self):
        """What it has done; to be read once it has ended."""
        counts = Counter(dict(zip(COUNTERS, struct.unpack(f"{len(COUNTERS)}Q", self._memory))))
        self._memory.close()
        self._path.unlink()
        return counts

    def lines(self):
        """What it said of each round."""
        return self.process.stdout.read().splitlines()


def unfinished(counts):
    """Requests that have no end in the books."""
    ends = ("answered", "refused", "failed", "wrong", "timed_out")
    return counts["sent"] - sum(counts[end] for end in ends)


def reap_orphans():
    """Waits for all processes that a dead host left, which are this one's children by now; how long it took."""
    start = time.monotonic()
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return time.monotonic() - start
        if pid == 0:
            if time.monotonic() - start > 10:
                return time.monotonic() - start
            time.sleep(0.001)  # the kernel has no wait for "any child" with a limit


class VictimKeeper:
    """Starts hosts and kills them, in a process of its own, so that their orphans are all its children."""

    def __init__(self, workspace, seconds, seed, sessions, threads):
        self.workspace, self.sessions, self.threads = workspace, sessions, threads
        self.end = time.monotonic() + seconds
        self.random = random.Random(seed)

    def run(self):
        """The sums over all victims."""
        ctypes.CDLL(None).prctl(_BECOME_SUBREAPER, 1)
        sums = Counter()
        while time.monotonic() < self.end:
            seed = self.random.randrange(1 << 30)
            host = Host(self.workspace, f"victim{sums['hosts']}", 3600, seed, self.sessions, self.threads)
            # The pace of the kills; nothing is waited for.
            time.sleep(min(self.random.uniform(0.3, 4), max(0.3, self.end - time.monotonic())))
            host.process.kill()
            host.process.wait()
            took = reap_orphans()
            sums["slowest_orphan_us"] = max(sums["slowest_orphan_us"], int(took * 1e6))
            sums["orphans_hung"] += took > ORPHAN_SECONDS
            counts = host.counts()
            down = unfinished(counts)
            counts["went_down"] = down
            counts["lost"] = 0 if 0 <= down <= host.in_flight_at_most else abs(down)
            sums += counts
            sums["hosts"] += 1
        return sums


def run_victims(pipe, *arguments):
    """In a fork: sends the sums through a pipe."""
    try:
        sums = VictimKeeper(*arguments).run()
        os.write(pipe, json.dumps(sums).encode())
    finally:
        os._exit(0)


def report(title, counts, names):
    """A line of figures."""
    print(f"{title}: " + ", ".join(f"{name.replace('_', ' ')} {counts[name]:,}" for name in names))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--sessions", type=int, default=4, help="of each host")
    parser.add_argument("--threads", type=int, default=2, help="of each session")
    arguments = parser.parse_args()
    seconds = arguments.minutes * 60
    print(f"soak of {arguments.minutes:g} minutes, seed {arguments.seed}", flush=True)
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    workspace = Path(tempfile.mkdtemp(prefix="tr-soak-", dir=place))
    problems = []
    try:
        reader, writer = os.pipe()
        keeper = os.fork()
        if keeper == 0:
            run_victims(writer, workspace, seconds * 0.9, arguments.seed, 2, arguments.threads)
        os.close(writer)
        graph = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("graph.py"), "--clients", "12", "--rounds", "1", "--seconds",
             str(seconds * 0.8), "--seed", str(arguments.seed)],
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        survivor = Host(workspace, "survivor", seconds, arguments.seed, arguments.sessions, arguments.threads)
        rounds = survivor.lines()
        if survivor.process.wait() != 0:
            problems.append(f"the surviving host ended with {survivor.process.returncode}: something grew")
        lived = survivor.counts()
        lived["lost"] = unfinished(lived)
        with os.fdopen(reader, "rb") as pipe:
            died = Counter(json.loads(pipe.read() or b"{}"))
        os.waitpid(keeper, 0)
        of_graph, _ = graph.communicate()
        if graph.returncode != 0:
            problems.append("the served graph")
        if not died:
            problems.append("the keeper of the victims failed")
        # What the last victim left goes with the next start, and there may have been none since.
        Host(workspace, "sweeper", 0.1, arguments.seed, 1, 1).process.wait()
        left = sorted(set(os.listdir(workspace / "python_session")) - {".lock"})
    finally:
        shutil.rmtree(workspace, ignore_errors=True)
    names = ("sent", "answered", "refused", "failed", "lost", "wrong", "timed_out")
    report("host that lived", lived, names)
    more = ("sessions", "worker_kills", "worker_stops", "restarts", "streams_cancelled")
    report("  ", lived, more)
    print(f"   {lived['bytes'] / 2**20:,.0f} MiB of tensors")
    report(f"{died['hosts']} hosts killed", died, (*names, "went_down"))
    report("  ", died, more)
    print(f"   the last orphan left after at most {died['slowest_orphan_us'] / 1000:.0f} ms")
    for line in rounds[1:2] + rounds[-1:] + of_graph.splitlines():
        print(line)
    if left:
        problems.append(f"left in the workspace: {', '.join(left)}")
    for counts in (lived, died):
        problems += [
            f"{name}: {counts[name]}" for name in ("lost", "wrong", "timed_out", "orphans_hung") if counts[name]
        ]
    for problem in problems:
        print("PROBLEM:", problem)
    return 1 if problems else 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())

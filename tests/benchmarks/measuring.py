"""The phases of a run. Rows take turns in short rounds, so that whatever else the machine does hits all of them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

from hosts import Absent, Host, cpu_seconds, large_files, pin, resident_mib
from rows import ROWS, Row, package_folder

# Prints for each number of microseconds how large two square matrices are whose product takes about so long.
_CALIBRATE = """
import sys, time, torch
torch.set_num_threads(2)
size = 32
for limit in map(float, sys.argv[1:]):
    taken = 0
    while taken < limit * 1e-6:
        size += size // 8
        matrix = torch.rand(size, size)
        times = []
        for _ in range(20):
            before = time.perf_counter()
            torch.mm(matrix, matrix)
            times.append(time.perf_counter() - before)
        taken = sorted(times)[10]
    print(size)
"""

MIB = 1 << 20
SIZES = [0, 1 << 10, 16 << 10, 256 << 10, MIB, 16 * MIB, 64 * MIB, 256 * MIB]
OPERATIONS = ("echo", "echo_view", "in", "out", "in_place")


# Behind a pause host and worker are woken on one core. The scheduler gives two that stay busy a core each some 50 ms
# later, and what a loop of calls takes for as long as it runs is what they take from then on.
_SETTLED_MS = 100


def sizes_of_matrices(microseconds: tuple[int, ...]) -> list[tuple[int, int]]:
    """For each, the same for all rows, as a worker of its own would find others."""
    command = [sys.executable, "-c", _CALIBRATE, *map(str, microseconds)]
    found = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.split()
    return list(zip(microseconds, map(int, found)))


class Plan:
    """How much of everything: a full run takes some twenty minutes, a quick one four.

    Attributes:
        sizes: of tensors, bytes.
        text_rounds: how often the rows take turns with text.
        text_samples: of each turn.
        text_ms: the longest that a turn may take.
        tensor_rounds: turns with tensors of a given size.
        tensor_ms: the longest of each.
        starts: of each kind.
        idle_s: how long the idle processes are watched.
        echoes: of 64 MiB, for the memory that they take.
        sessions: in parallel.
        throughput_ms: for each number of them.
    """

    def __init__(self, quick: bool) -> None:
        self.quick = quick
        self.sizes = [0, 1 << 10, MIB, 64 * MIB] if quick else SIZES
        self.text_rounds = 5 if quick else 20
        self.text_samples = 300 if quick else 500
        self.text_ms = 200 if quick else 500
        self.tensor_rounds = 2 if quick else 5
        self.tensor_ms = 60 if quick else 250
        self.starts = 2 if quick else 7
        self.idle_s = 2.0 if quick else 5.0
        self.echoes = 10 if quick else 60
        self.sessions = (1, 4) if quick else (1, 2, 4, 8)
        self.throughput_ms = 500 if quick else 2000


class Run:
    """Collects results; what a row does not have is noted with its reason.

    Attributes:
        results: as results.json holds them.
        say: gets a line about what is going on.
        programs: the folder of the host programs.
    """

    def __init__(self, plan: Plan, programs: Path, keys: set[str], say: Callable[[str], None]) -> None:
        self.plan = plan
        self.say = say
        self.results: dict[str, Any] = {"absent": {}, "describe": {}}
        self.programs = programs
        self._keys = keys
        self._rows = self.chosen(ROWS)

    def chosen(self, rows: list[Row]) -> list[Row]:
        """Those of them that are to be measured."""
        return [row for row in rows if not self._keys or row.key in self._keys]

    def leave_out(self, row: str, what: str, reason: str) -> None:
        self.results["absent"].setdefault(row, {})[what] = reason

    @contextlib.contextmanager
    def hosts(self, rows: list[Row], what: str) -> Iterator[dict[str, Host]]:
        """The hosts of those rows that can be had, with their workers ready."""
        hosts: dict[str, Host] = {}
        try:
            for row in rows:
                try:
                    host = row.open(self.programs)
                    hosts[row.key] = host
                    self.results["describe"][row.key] = host.ask("info")["description"]
                except Absent as reason:
                    self.leave_out(row.key, what, str(reason))
                    if row.key in hosts:
                        hosts.pop(row.key).close()
            yield hosts
        finally:
            for host in hosts.values():
                host.close()

    def take_turns(self, hosts: dict[str, Host], rounds: int, command: str, what: str) -> dict[str, list[list[int]]]:
        """Nanoseconds of every host, a list for each round."""
        samples: dict[str, list[list[int]]] = {}
        left = dict(hosts)
        for turn in range(rounds):
            order = list(left.items())
            for key, host in order if turn % 2 == 0 else reversed(order):
                try:
                    samples.setdefault(key, []).append(host.ask(command)["ns"])
                except Absent as reason:
                    self.leave_out(key, what, str(reason))
                    del left[key]
        return {key: rounds_of for key, rounds_of in samples.items() if rounds_of}

    def _infos(self, hosts: dict[str, Host]) -> dict[str, dict[str, Any]]:
        infos = {key: host.ask("info") for key, host in hosts.items()}
        return {key: info for key, info in infos.items() if info["host_pid"] and info["worker_pid"]}

    def text(self) -> None:
        """Round trips of 22 bytes."""
        self.say("text round trips")
        plan = self.plan
        rows = [row for row in self._rows if row.key != "memcpy" and row.text]
        with self.hosts(rows, "text") as hosts:
            command = f"measure text 0 {plan.text_samples} {plan.text_ms}"
            self.results["text_after_pause"] = self.take_turns(hosts, plan.text_rounds, f"{command} 0", "text")
            settled = f"measure text 0 {10 * plan.text_samples} {plan.text_ms} {_SETTLED_MS}"
            pids = {key: (info["host_pid"], info["worker_pid"]) for key, info in self._infos(hosts).items()}
            before = {key: sum(map(cpu_seconds, pair)) for key, pair in pids.items()}
            self.results["text"] = self.take_turns(hosts, plan.text_rounds, settled, "text")
            taken = {key: sum(map(sum, rounds)) / 1e6 for key, rounds in self.results["text"].items()}
            self.results["text_cpu"] = {
                key: (sum(map(cpu_seconds, pair)) - before[key])
                / (1 + plan.text_rounds * _SETTLED_MS / taken[key])
                / sum(map(len, self.results["text"][key]))
                for key, pair in pids.items()
                if key in self.results["text"]
            }

    def load(self) -> None:
        """Where others want the cores: busy loops, twice as many as cores, or the worker's own two threads."""
        self.say("beside busy loops, and threads of the worker")
        rows = [row for row in self._rows if row.key in ("mailbox", "mailbox_sleeps")]
        load: dict[str, dict[str, list[list[int]]]] = {}
        self.results["load"] = load
        rounds, milliseconds = self.plan.text_rounds, self.plan.text_ms

        def take_turns(name: str, words: str) -> None:
            for key, samples in self.take_turns(hosts, 4, words, "load").items():
                load.setdefault(name, {}).setdefault(key, []).extend(samples)

        # Started anew again and again: where the scheduler has put two processes makes more of a difference than what
        # they do, and may last for as long as they live.
        sizes = sizes_of_matrices((50, 200, 1000, 5000))
        for _ in range(rounds // 4):
            with self.hosts(rows, "load") as hosts:
                for microseconds, size in sizes:
                    take_turns(
                        f"computes {microseconds / 1000:g} ms",
                        f"measure compute {size} 2000 {milliseconds} {milliseconds // 10}",
                    )
        loop = [sys.executable, "-I", "-S", "-c", "while True: pass"]
        others = [subprocess.Popen(loop) for _ in range(2 * len(os.sched_getaffinity(0)))]
        try:
            for _ in range(2 * rounds):
                with self.hosts(rows, "load") as hosts:
                    take_turns("busy loops", f"measure text 0 {self.plan.text_samples} {milliseconds} 0")
        finally:
            for other in others:
                other.kill()
                other.wait()

    def placement(self) -> None:
        """The same with the processes kept on one core, and on one core each.

        Where the scheduler puts them decides more than what they do: waking an idle core takes long.
        """
        plan = self.plan
        rows = [row for row in self._rows if row.key != "memcpy" and row.kind != "python" and row.text and not row.slow]
        cores = sorted(os.sched_getaffinity(0))
        places = {"one core": ({cores[0]}, {cores[0]}), "two cores": ({cores[0]}, {cores[-1]})}
        placement: dict[str, Any] = {}
        self.results["placement"] = placement
        for name, (host_cores, worker_cores) in places.items():
            self.say(f"text round trips on {name}")
            with self.hosts(rows, "placement") as hosts:
                for host in hosts.values():
                    info = host.ask("info")
                    pin(info["host_pid"], host_cores)
                    pin(info["worker_pid"], worker_cores)
                command = f"measure text 0 {plan.text_samples} {plan.text_ms} 1"
                placement[name] = self.take_turns(hosts, max(3, plan.text_rounds // 2), command, "placement")

    def tensors(self) -> None:
        """Every operation, at every size."""
        plan = self.plan
        rows = [row for row in self._rows if row.tensors and not (plan.quick and row.slow)]
        tensors: dict[str, dict[str, Any]] = {operation: {} for operation in OPERATIONS}
        self.results["tensors"] = tensors
        with self.hosts(rows, "tensors") as hosts:
            for size in plan.sizes:
                self.say(f"tensors of {size} bytes")
                rounds = plan.tensor_rounds if size < 64 * MIB else (plan.tensor_rounds + 1) // 2
                for operation in OPERATIONS:
                    command = f"measure {operation} {size} 200 {plan.tensor_ms} {plan.tensor_ms // 10}"
                    tensors[operation][str(size)] = self.take_turns(hosts, rounds, command, f"{operation} {size}")

    def calculate(self) -> None:
        """Relu of 256 numbers, beside the bare round trip in the same rounds."""
        self.say("calculate")
        rows = [row for row in self._rows if row.key == "futex" or (row.kind == "ours" and not row.slow)]
        with self.hosts(rows, "calculate") as hosts:
            floor = {key: host for key, host in hosts.items() if key == "futex"}
            ours = {key: host for key, host in hosts.items() if key != "futex"}
            calculate: dict[str, dict[str, list[list[int]]]] = {}
            self.results["calculate"] = calculate
            commands = [("floor", "text 0", floor), ("own", "calculate 1024", ours)]
            commands += [("default", "calculate_default 1024", ours), ("text", "text 0", ours)]
            for _ in range(self.plan.text_rounds):
                for name, command, some in commands:
                    words = f"measure {command} {self.plan.text_samples} {self.plan.text_ms} 1"
                    for key, rounds in self.take_turns(some, 1, words, f"calculate, {name} server").items():
                        calculate.setdefault(name, {}).setdefault(key, []).extend(rounds)

    def starts(self) -> None:
        """From start() to ready."""
        self.say("starts")
        row = next((row for row in self._rows if row.key == "mailbox"), None)
        row = row or next((row for row in self._rows if row.kind == "ours"), None)
        if row is None:
            return
        starts: dict[str, list[int]] = {}
        host = row.open(self.programs)
        try:
            for _ in range(self.plan.starts):
                for kind in ("bare", "torch", "template", "template_8"):
                    if kind in self.results["absent"].get("start", {}):
                        continue
                    try:
                        starts.setdefault(kind, []).extend(host.ask(f"time {kind}")["ns"])
                    except Absent as reason:
                        self.leave_out("start", kind, str(reason))
                for kind in ("interpreter", "import"):
                    starts.setdefault(kind, []).append(self._interpreter_ns(kind == "import"))
        finally:
            host.close()
        self.results["start"] = {kind: times for kind, times in starts.items() if times}

    def _interpreter_ns(self, imports: bool) -> int:
        """An interpreter that does nothing, or what `import tech_renaissance` takes in a worker."""
        if not imports:
            before = time.monotonic_ns()
            subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)
            return time.monotonic_ns() - before
        code = "import time; t = time.monotonic_ns(); import tech_renaissance; print(time.monotonic_ns() - t)"
        environment = {**os.environ, "PYTHONPATH": str(package_folder(self.programs))}
        return int(
            subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=environment).stdout
        )

    def several(self) -> None:
        """Servers that run several requests at a time."""
        self.say("several requests at a time")
        row = next((row for row in self._rows if row.kind == "ours" and not row.slow), None)
        if row is None:
            return
        host = row.open(self.programs)
        try:
            for _ in range(self.plan.starts):
                for what in ("together", "quick_idle", "quick_beside"):
                    times = host.ask(f"time {what}")["ns"]
                    self.results.setdefault("several", {}).setdefault(what, []).extend(times)
        finally:
            host.close()

    def resources(self) -> None:
        """Idle processor time and memory of each of our carriers."""
        self.say("idle CPU and memory")
        rows = [row for row in self._rows if row.kind == "ours"]
        resources: dict[str, Any] = {}
        self.results["resources"] = resources
        with self.hosts(rows, "resources") as hosts:
            pids = {}
            for key, host in hosts.items():
                host.ask("measure text 0 100 500 0")
                info = host.ask("info")
                pids[key] = (info["host_pid"], info["worker_pid"])
            for key, pair in pids.items():
                resources[key] = {"resident_mib": [resident_mib(pid) for pid in pair]}
            before = {key: [cpu_seconds(pid) for pid in pair] for key, pair in pids.items()}
            time.sleep(self.plan.idle_s)  # What is measured is that nothing happens meanwhile.
            for key, pair in pids.items():
                used = [cpu_seconds(pid) - was for pid, was in zip(pair, before[key])]
                resources[key]["idle_cpu_percent"] = [100 * seconds / self.plan.idle_s for seconds in used]

    def memory(self) -> None:
        """Memory and buffers while 64 MiB are echoed again and again."""
        self.say("memory over echoes of 64 MiB")
        rows = [row for row in self._rows if row.kind == "ours" and not row.slow]
        self.results["echo_memory"] = {}
        with self.hosts(rows, "memory") as hosts:
            for key, host in hosts.items():
                try:
                    self.results["echo_memory"][key] = self._echo_memory(host)
                except Absent as reason:
                    self.leave_out(key, "memory", str(reason))

    def _echo_memory(self, host: Host) -> dict[str, list[float]]:
        info = host.ask("info")
        seen: dict[str, list[float]] = {"resident_mib": [], "buffers": []}
        for _ in range(self.plan.echoes // 3):
            host.ask(f"measure echo {64 * MIB} 1 0 0")  # Two to warm up, and one.
            seen["resident_mib"].append(resident_mib(info["host_pid"]) + resident_mib(info["worker_pid"]))
            seen["buffers"].append(large_files(info["directory"], 64 * MIB))
        return seen

    def throughput(self) -> None:
        """Text round trips per second of several sessions at once, a thread for each."""
        throughput: dict[str, dict[str, list[float]]] = {}
        self.results["throughput"] = throughput
        wanted = ("futex", "mailbox", "mailbox_python", "inotify", "zeromq", "grpc")
        rows = [row for row in self._rows if row.key in wanted]
        for count in self.plan.sessions:
            self.say(f"throughput of {count}")
            for row in rows:
                try:
                    host = row.open(self.programs)
                except Absent as reason:
                    self.leave_out(row.key, "throughput", str(reason))
                    continue
                try:
                    answer = host.ask(f"throughput {count} {self.plan.throughput_ms}")
                    throughput.setdefault(row.key, {}).setdefault(str(count), []).append(answer["per_second"])
                except Absent as reason:
                    self.leave_out(row.key, "throughput", str(reason))
                finally:
                    host.close()

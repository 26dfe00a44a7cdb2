"""What each of many attached clients costs: python tests/benchmarks/many_clients.py [--clients 1000] [--programs 4].

One worker is served; programs attach clients to it, which are idle but for one. Prints a JSON object on a line for each
number of clients: time to attach, resident memory, descriptors and threads of the processes, what processors they use
while all clients are idle, and the latency of one client's calls.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

PACKAGE = Path(__file__).resolve().parents[2] / "python"
SERVICE = """
import numpy as np
from tech_renaissance import endpoint, service


@service(framework="numpy", workers=1)
class Echo:
    @endpoint
    def echo(self, x: np.ndarray) -> np.ndarray:
        return x
"""
CALLS = 2000
IDLE_SECONDS = 5.0


class Program:
    """A process that attaches clients, and does as it is told on its standard input."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--program"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def tell(self, *words: object) -> None:
        assert self.process.stdin is not None
        print(*words, file=self.process.stdin, flush=True)

    def answer(self) -> list[float]:
        assert self.process.stdout is not None
        found: list[float] = json.loads(self.process.stdout.readline())
        return found

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def run_program() -> None:
    """What such a process does: "attach N", then the seconds that each took; "call N", the seconds of each call."""
    sys.path.insert(0, str(PACKAGE))
    from tech_renaissance import attach

    clients: list[Any] = []
    x = np.zeros(16, np.float32)
    for line in sys.stdin:
        what, count = line.split()
        times: list[float] = []
        for _ in range(int(count)):
            begun = time.perf_counter()
            if what == "attach":
                clients.append(attach("echo"))
                clients[-1].echo(x)
            else:
                clients[0].echo(x)
            times.append(time.perf_counter() - begun)
        print(json.dumps(times), flush=True)
    for client in clients:
        client.close()


def seen(pid: int) -> dict[str, float]:
    """Of a process: MiB in memory, descriptors, threads, seconds of processors."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    ticks = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return {
        "memory_mib": round(int(status["VmRSS"].split()[0]) / 1024, 2),
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": int(status["Threads"]),
        "seconds": sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"),
    }


def microseconds(times: list[float], part: float) -> float:
    return round(sorted(times)[min(len(times) - 1, int(part * len(times)))] * 1e6, 1)


def measure(programs: list[Program], serve: int, worker: int, clients: int, attached: list[float]) -> dict[str, Any]:
    """All that is told of so many clients, `attached` being how long each of them took."""
    watched = {"serve": serve, "worker": worker, "program": programs[0].process.pid}
    before = {name: seen(pid) for name, pid in watched.items()}
    time.sleep(IDLE_SECONDS)
    after = {name: seen(pid) for name, pid in watched.items()}
    programs[0].tell("call", CALLS)
    calls = programs[0].answer()
    row: dict[str, Any] = {"clients": clients, "programs": len(programs)}
    if attached:
        row["attach_ms"] = {
            "median": round(statistics.median(attached) * 1e3, 2),
            "p99": round(microseconds(attached, 0.99) / 1e3, 2),
        }
    row["call_us"] = {"p50": microseconds(calls, 0.5), "p99": microseconds(calls, 0.99)}
    for name in watched:
        used = (after[name].pop("seconds") - before[name]["seconds"]) / IDLE_SECONDS
        row[name] = {**after[name], "idle_cpu_percent": round(100 * used, 2)}
    return row


def run(clients: int, count: int) -> None:
    """Prints a row for one client, one for a tenth of all, and one for all."""
    sys.path.insert(0, str(PACKAGE))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "echo_service.py").write_text(SERVICE, encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": str(PACKAGE), "TR_WORKSPACE": f"{folder}/sessions"}
        command = [sys.executable, "-m", "tech_renaissance"]
        served = subprocess.Popen(
            [*command, "serve", "echo_service.py:Echo"], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
        )
        assert served.stdout is not None
        try:
            if not any(line == "echo is ready\n" for line in served.stdout):
                raise SystemExit("the service cannot be started: its output stands above")
            told = subprocess.run(
                [*command, "status", "echo", "--json"], env=environment, capture_output=True, text=True, check=True
            )
            worker = json.loads(told.stdout)["services"][0]["workers"][0]["pid"]
            programs = [Program(environment) for _ in range(count)]
            there = 0
            for wanted in sorted({1, clients // 10, clients} - {0}):
                attached: list[float] = []
                for place, program in enumerate(programs):  # one program after the other, so that each is timed alone
                    mine = len(range(place, wanted, count)) - len(range(place, there, count))
                    program.tell("attach", mine)
                    attached += program.answer()
                there = wanted
                print(json.dumps(measure(programs, served.pid, worker, wanted, attached)), flush=True)
            begun = time.perf_counter()
            subprocess.run([*command, "status", "echo"], env=environment, capture_output=True, check=True)
            print(json.dumps({"clients": clients, "status_command_ms": round((time.perf_counter() - begun) * 1e3)}))
            for program in programs:
                program.end()
        finally:
            served.send_signal(signal.SIGINT)
            served.stdout.read()
            served.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--programs", type=int, default=4)
    parser.add_argument("--program", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.program:
        run_program()
    else:
        run(options.clients, options.programs)

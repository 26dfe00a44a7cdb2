"""The phases about services: endpoints, pools, functions called from Python, graphs, and what other scripts measure."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

from hosts import Absent, Host
from measuring import MIB, Run
from rows import ALONE, FUNCTION_ROWS, SERVICES, Row, package_folder

HERE = Path(__file__).resolve().parent

# Each way beside the one that it is compared with, on one thread of one program.
ENDPOINT_WAYS = (
    *("main_value", "endpoint_value", "pool_value"),
    *("main_tensor", "endpoint_tensor", "pool_tensor"),
    *("main_typed", "endpoint_typed"),
)
PYTHON_WAYS = ("session_value", "value", "session_array", "array")
GRAPH_WAYS = ("memcpy", "stage", "stages", "graph_end", "graph")
GRAPH_BYTES = 64 * MIB
_SETTLED_MS = 100  # as in measuring.py: until the scheduler has given each side a core of its own


def _environment(run: Run) -> dict[str, str]:
    """Of a Python program that uses this build."""
    installed = str(run.programs.parent / "installed" / "lib")
    return {**os.environ, "PYTHONPATH": str(package_folder(run.programs)), "LD_LIBRARY_PATH": installed}


@contextlib.contextmanager
def _host(run: Run, row: Row, what: str, *more: str) -> Iterator[Host | None]:
    """The host of one row; None, with the reason noted, where it cannot be had or is not asked for."""
    host = None
    if row in run.chosen([row]):
        try:
            host = row.open(run.programs, *more)
            host.ask("info")
        except Absent as reason:
            run.leave_out(row.key, what, str(reason))
            if host is not None:
                host.close()
            host = None
    try:
        yield host
    finally:
        if host is not None:
            host.close()


def _ways_in_turn(
    run: Run, row: Row, host: Host, ways: tuple[str, ...], rounds: int, command: str
) -> dict[str, list[list[int]]]:
    """Nanoseconds of every way of one host, a list for each round; `command` has a place for the way."""
    found: dict[str, list[list[int]]] = {}
    left = list(ways)
    for turn in range(rounds):
        for way in list(left) if turn % 2 == 0 else list(reversed(left)):
            try:
                found.setdefault(way, []).append(host.ask(command.format(way=way))["ns"])
            except Absent as reason:
                run.leave_out(row.key, way, str(reason))
                left.remove(way)
    return {way: rounds_of for way, rounds_of in found.items() if rounds_of}


def endpoints(run: Run) -> None:
    """What an endpoint adds to `main_logic`, and a pool to a session; 1 KiB where there is a tensor."""
    run.say("endpoints and pools")
    plan = run.plan
    command = f"measure {{way}} 1024 {plan.text_samples} {plan.text_ms} {_SETTLED_MS}"
    found = run.results.setdefault("endpoints", {})
    pool = FUNCTION_ROWS[0]
    for row, prefix, ways in ((SERVICES, "", ENDPOINT_WAYS), (pool, "python_", PYTHON_WAYS)):
        with _host(run, row, "endpoints") as host:
            if host is not None:
                times = _ways_in_turn(run, row, host, ways, plan.text_rounds, command)
                found.update({prefix + way: rounds for way, rounds in times.items()})


def functions(run: Run) -> None:
    """One function called from Python: a number each way, and 1 MiB each way."""
    run.say("a function called from Python")
    plan = run.plan
    rows = [row for row in run.chosen(FUNCTION_ROWS) if not (plan.quick and row.own_interpreter)]
    for row in run.chosen(FUNCTION_ROWS):
        if row not in rows:
            run.leave_out(row.key, "functions", "measured in whole runs alone")
    found: dict[str, Any] = {}
    run.results["functions"] = found
    with run.hosts(rows, "functions") as hosts:
        for way in ("value", "array"):
            command = f"measure {way} {MIB} {plan.text_samples} {plan.text_ms // 2} {_SETTLED_MS}"
            found[way] = run.take_turns(hosts, plan.text_rounds // 2, command, f"function, {way}")


def workers(run: Run) -> None:
    """Calls a second of two workers that compute, beside one."""
    run.say("two workers beside one")
    found: dict[str, dict[str, list[float]]] = {}
    run.results["workers"] = found
    rows = [ALONE, SERVICES, *(row for row in FUNCTION_ROWS if row.transport in ("pool", "multiprocessing"))]
    with contextlib.ExitStack() as stack:
        hosts = {row.key: stack.enter_context(_host(run, row, "workers")) for row in rows}
        for _ in range(2 if run.plan.quick else 5):
            for key, host in hosts.items():
                for count in (1, 2):
                    if host is None:
                        continue
                    try:
                        answer = host.ask(f"throughput {count} {run.plan.throughput_ms // 2}")
                        found.setdefault(key, {}).setdefault(str(count), []).append(answer["per_second"])
                    except Absent as reason:
                        run.leave_out(key, "workers", str(reason))
                        hosts[key] = None


@contextlib.contextmanager
def _served(run: Run, target: str, name: str) -> Iterator[None]:
    """A graph that is served meanwhile.

    Raises:
        Absent: it does not become ready.
    """
    environment = {
        **_environment(run),
        "TR_PACKAGE_DIR": str(package_folder(run.programs)),
    }  # as an installed wheel has it
    command = [sys.executable, "-m", "tech_renaissance", "serve", target, "--name", name]
    serving = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, bufsize=1
    )
    assert serving.stdout is not None
    lines = []
    try:
        for line in serving.stdout:
            lines.append(line.strip())
            if "is ready" in line:
                break
        else:
            raise Absent(f"the graph was not served: {' '.join(lines[-2:])}")
        yield
    finally:
        serving.send_signal(signal.SIGTERM)
        try:
            serving.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            serving.kill()
            serving.communicate()


def graph(run: Run) -> None:
    """64 MiB through three stages, beside one and beside memcpy."""
    run.say("64 MiB through three stages")
    if not run.chosen([SERVICES]):
        return
    plan = run.plan
    name = f"bench{os.getpid()}"
    command = f"measure {{way}} {GRAPH_BYTES} 200 {plan.tensor_ms} {plan.tensor_ms // 10}"
    try:
        with _served(run, f"{HERE / 'workers' / 'service_graph.py'}:First", name):
            options = (f"graph={name}-0", f"end={name}.third-0")
            with _host(run, SERVICES, "graph", *options) as host:
                if host is not None:
                    found = _ways_in_turn(run, SERVICES, host, GRAPH_WAYS, 2 * plan.tensor_rounds, command)
                    run.results["graph"] = found
    except Absent as reason:
        run.leave_out(SERVICES.key, "graph", str(reason))


def _lines_of(script: str, whole: str, quick: str) -> Callable[[Run], None]:
    """A phase that keeps what a script of this folder prints: a line of JSON for each row of its table.

    Args:
        script: its name; where there is none, there is no such phase.
        whole: its arguments; {programs} is the folder of the host programs.
        quick: the same, of a quick run.
    """
    phase = Path(script).stem

    def measure(run: Run) -> None:
        path = HERE / script
        if not path.exists():
            return
        run.say(phase)
        words = [word.format(programs=run.programs) for word in (quick if run.plan.quick else whole).split()]
        command = [sys.executable, str(path), *words]
        try:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, text=True, env=_environment(run), timeout=300, check=True
            )
        except (subprocess.SubprocessError, OSError) as error:
            run.leave_out(phase, phase, f"{script} failed: {error}")
            return
        run.results[phase] = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    return measure


PHASES: dict[str, Callable[[Run], None]] = {
    "endpoints": endpoints,
    "functions": functions,
    "workers": workers,
    "graph": graph,
    "batching": _lines_of(
        "batching.py",
        whole="--programs {programs} --models small --ways threads asyncio --rounds 3 --seconds 1",
        quick="--programs {programs} --models small --ways threads --rounds 1 --seconds 0.5",
    ),
    "many_clients": _lines_of("many_clients.py", whole="--clients 1000", quick="--clients 50"),
}

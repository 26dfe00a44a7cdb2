"""Serves the graph, has a C++ and a Python program call it at once, and kills each of its workers meanwhile.

Usage: demo.py FOLDER PROGRAM   (where pages go, see prepare.py; read_pages, built from read_pages.cpp)

By hand it is, each in a terminal of its own:

    python -m tech_renaissance serve annotate.py:Annotate -f graph.toml
    build/read_pages pages 10
    python read_pages.py pages 10
    python -m tech_renaissance status annotate
    kill -9 <process of a worker>
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import prepare

from tech_renaissance import PythonSession, SessionOptions

HERE = Path(__file__).parent
SECONDS = 5
STAGES = ("annotate.decode-0", "annotate.classify-0", "annotate-0")
OURS = (sys.executable, "-m", "tech_renaissance")


def main(folder: Path, program: Path) -> int:
    """Returns 0 when both programs had what they wanted, and the graph ended as it was asked to."""
    prepare.main(folder)
    settings = {"DIGITS_WEIGHTS": str(folder / "network.pt"), "TR_SERVE_DECODE_PYTHON": python_without_torch()}
    with subprocess.Popen(
        [*OURS, "serve", "annotate.py:Annotate", "-f", "graph.toml"],
        cwd=HERE, env={**os.environ, **settings}, stdout=subprocess.PIPE, text=True,
    ) as serving:  # fmt: skip
        try:
            wait_until_ready(serving)
            statuses = call_from_two_programs(folder, program)
            print_environments()
            subprocess.run([*OURS, "status", "annotate"], check=True)
            print_batches()
        finally:
            serving.send_signal(signal.SIGINT)
            serving.communicate()
    return max(*statuses, serving.returncode)


def connected(stage: str) -> PythonSession:
    """A session with the worker of that name."""
    return PythonSession.connect(stage, SessionOptions(quiet=True))


def python_without_torch() -> str:
    """An interpreter with NumPy alone, which .ci/setup has made beside this one."""
    found = str(Path(sys.prefix, "bare", "bin", "python"))
    subprocess.run([found, "-c", "import numpy"], check=True)
    return found


def wait_until_ready(serving: subprocess.Popen[str]) -> None:
    """Passes on what `serve` says meanwhile."""
    assert serving.stdout is not None
    for line in serving.stdout:
        print(line, end="")
        if line == "annotate is ready\n":
            return
    raise SystemExit("the graph cannot be served")


def call_from_two_programs(folder: Path, program: Path) -> list[int]:
    """Their exit statuses. While they call, each worker is killed once."""
    programs = [
        subprocess.Popen([*command, str(folder), str(SECONDS)])
        for command in ([str(program)], [sys.executable, str(HERE / "read_pages.py")])
    ]
    for stage in STAGES:
        time.sleep(SECONDS / 5)
        with connected(stage) as session:
            process = session.stats().worker_pid
        print(f"kill -9 {process}, {stage}", flush=True)
        os.kill(process, signal.SIGKILL)
    return [program.wait() for program in programs]


def print_environments() -> None:
    """Which interpreter each stage runs in."""
    for stage in STAGES:
        with connected(stage) as session:
            print(f"{stage}: {session.stats().python}")


def print_batches() -> None:
    """How many calls were joined, since the worker was killed, and why no more were."""
    with connected("annotate.classify-0") as session:
        batches = session.stats().batches["classify"]
    sizes = ", ".join(f"{count} of {rows}" for rows, count in batches.rows.items())
    reasons = ", ".join(f"{why} {count}" for why, count in batches.closed.items())
    print(f"{batches.calls} calls of classify made {sum(batches.rows.values())} batches: {sizes} digits")
    print(f"closed because: {reasons}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))

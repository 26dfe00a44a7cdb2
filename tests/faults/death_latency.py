"""How long a wait goes on after the worker's death: kill -9 to the exception in the caller's hands.

python tests/faults/death_latency.py [kills]    one line for each tier and phase, milliseconds
"""

from __future__ import annotations

import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from tech_renaissance import PythonSession, RestartError, SessionOptions

TIERS = ("futex", "inotify", "watchdog", "polling")
PHASES = {"at work": "while it was at work on request", "starting": "before it was ready"}
SERVER = """
import os, threading
from tech_renaissance import TechRenaissanceServer

class Server(TechRenaissanceServer):
    def on_start(self):
        if os.environ["PHASE"] == "starting":
            open(os.environ["GATE"], "w").close()
            threading.Event().wait()

    def main_logic(self, command, parameters):
        print("the last line")
        open(os.environ["GATE"], "w").close()
        threading.Event().wait()

Server().run()
"""


def kill_once(session: PythonSession, gate: str, phase: str) -> float:
    """Milliseconds from the kill to the exception."""
    session.send_request("stall")
    caught: list[float] = []

    def wait() -> None:
        try:
            session.wait_for_response(timeout_ms=20_000)
        except RestartError as error:
            caught.append(time.perf_counter())
            text = str(error)
            assert "signal 9" in text, text
            assert PHASES[phase] in text, text
            assert phase == "starting" or "the last line" in text, text

    waiting = threading.Thread(target=wait)
    waiting.start()
    with open(gate):  # the worker has come there, and the waiter has been asleep for as long as that took
        pass
    pid = session.stats().worker_pid
    started = time.perf_counter()
    os.kill(pid, signal.SIGKILL)
    waiting.join()
    return (caught[0] - started) * 1000


def measure(tier: str, phase: str, kills: int, folder: Path) -> list[float]:
    """One session, killed again and again."""
    gate = folder / "gate"
    os.mkfifo(gate)
    script = folder / "server.py"
    script.write_text(SERVER, encoding="utf-8")
    options = SessionOptions(
        script=script,
        workspace=folder,
        python=sys.executable,
        wake_up=tier,
        quiet=True,
        environment={"GATE": str(gate), "PHASE": phase},
    )
    session = PythonSession(options)
    times = []
    for _ in range(kills):
        session.start()
        times.append(kill_once(session, str(gate), phase))
    session.close()
    return sorted(times)


def main() -> None:
    """Prints a table."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    print(f"{'tier':10}{'phase':10}{'kills':>6}{'median':>9}{'p99':>9}{'worst':>9}")
    for tier in TIERS:
        for phase in PHASES:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    times = measure(tier, phase, kills, Path(folder))
                except Exception as error:
                    print(f"{tier:10}{phase:10}  {type(error).__name__}: {str(error).splitlines()[0]}")
                    continue
            p99 = times[-1 - len(times) // 100]
            print(
                f"{tier:10}{phase:10}{len(times):6}{statistics.median(times):9.2f}{p99:9.2f}{times[-1]:9.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()

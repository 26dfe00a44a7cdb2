"""A host that is there to be killed: `doomed_host.py WORKSPACE COMMAND`. Prints the worker's pid and waits."""

from __future__ import annotations

import fcntl
import signal
import sys
from pathlib import Path

from host import Host

SERVER = Path(__file__).parent / "servers" / "probe.py"


def main() -> None:
    """Starts a worker, puts it to work on COMMAND when that is not empty, and waits for death."""
    host = Host(Path(sys.argv[1]), SERVER)
    with open(host.directory / "session.lock", "r+") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        host.hello()
        if sys.argv[2]:
            host.send(sys.argv[2])
            host.wait_for("started")
        print(host.process.pid, flush=True)
        signal.pause()


if __name__ == "__main__":
    main()

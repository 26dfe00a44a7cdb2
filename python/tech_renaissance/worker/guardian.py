"""The guardian: a process beside a host that ends the host's workers when it dies, whatever they are doing.

A worker sees to its own end, but not while native code in it keeps all Python code of it from running. There is one
guardian for each host, from its first session on. Its standard input is a socket to the host. A line from there is a
JSON array of `[session directory, worker's pid, its start time]`, of all sessions there are, and takes the place of the
line before; it is answered with an empty line. What stands in it is looked at when the host has died, not earlier, so
as to stay small.

It is no child of the host for longer than it takes to start, as a host may wait for the end of all its children.
"""

from __future__ import annotations

import os
import select
import sys

from ..platform.process import ProcessWatch, start_time

_SOCKET = 0
_GRACE_SECONDS = 0.7  # for workers to leave by themselves; all has to be over within a second
_KILL_SECONDS = 2.0  # for the kernel to clear away what was killed
# A worker that was about to be started when the host died, and is not known, has the host's locks for a moment more.
_SWEEP_SECONDS = 1.0
_PAUSE_SECONDS = 0.02
_EXIT_MS = 5_000  # between the end of the host's descriptors and its own


def main() -> None:
    """Called with the host's pid and start time; leaves when the host has."""
    _close_inherited()
    child = os.fork()
    if child:
        os.setpgid(child, child)  # before the host kills what is left of this process's group
        os._exit(0)
    os.setpgid(0, 0)
    host = ProcessWatch(int(sys.argv[1]), sys.argv[2])
    line = _listen(host)
    # The host may have let go of its end and live, with another guardian or as another program.
    if host.gone(_EXIT_MS):
        _end(line, host)


def _listen(host: ProcessWatch) -> bytes:
    """What the host said last. Returns when it says no more."""
    os.set_blocking(_SOCKET, False)
    poll = select.poll()
    for descriptor in (_SOCKET, host.descriptor):
        if descriptor >= 0:
            poll.register(descriptor, select.POLLIN)
    last, rest = b"[]", b""
    while True:
        # The host's end of the socket may live on in a fork of the host, so its silence says nothing.
        dead = host.gone()
        try:
            data = os.read(_SOCKET, 65536)
        except BlockingIOError:
            if dead:
                return last
            poll.poll()
            continue
        except OSError:
            return last
        if not data:
            return last
        *lines, rest = (rest + data).split(b"\n")
        if lines:
            last = lines[-1]
            try:
                os.write(_SOCKET, b"\n" * len(lines))
            except OSError:
                continue  # It has died meanwhile, which the next round sees.


def _end(line: bytes, host: ProcessWatch) -> None:
    """Ends the workers that do not leave by themselves, and removes the directories that are left."""
    import json
    from time import monotonic, sleep

    sessions = json.loads(line)
    workers = [ProcessWatch(pid, started) for _, pid, started in sessions if pid and started]
    _wait_for(workers, _GRACE_SECONDS)
    for worker in workers:
        _kill_group(worker)
    _wait_for(workers, _KILL_SECONDS)

    from ..channel.session_dir import sweep

    left = [directory for directory, _, _ in sessions]
    deadline = monotonic() + _SWEEP_SECONDS
    while True:
        left = [path for path in left if os.path.lexists(path) and not sweep(path, host.pid, host.start_time)]
        if not left or monotonic() > deadline:
            break
        sleep(_PAUSE_SECONDS)


def _wait_for(workers: list[ProcessWatch], seconds: float) -> None:
    """Until all of them have ended, at most this long."""
    from time import monotonic

    deadline = monotonic() + seconds
    poll = select.poll()
    living = {index: worker for index, worker in enumerate(workers) if not worker.gone()}
    for worker in living.values():
        if worker.descriptor >= 0:
            poll.register(worker.descriptor, select.POLLIN)
    while living and (left := deadline - monotonic()) > 0:
        poll.poll(left * 1000)
        for index, worker in list(living.items()):
            if worker.gone():
                del living[index]
                if worker.descriptor >= 0:
                    poll.unregister(worker.descriptor)


def _kill_group(worker: ProcessWatch) -> None:
    """Ends the worker and what it has started, which may be there without it."""
    from signal import SIGKILL

    if start_time(worker.pid) not in ("", worker.start_time):
        return  # another process has its pid by now
    try:
        os.killpg(worker.pid, SIGKILL)
    except OSError:
        return  # All of them have left.


def _close_inherited() -> None:
    """Keeps open no file of the host's that it did not mean to pass on."""
    try:
        descriptors = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return
    for descriptor in descriptors:
        if descriptor > 2:
            try:
                os.close(descriptor)
            except OSError:
                continue  # The one that listed them.

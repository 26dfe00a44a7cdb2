"""The template worker: a process that has imported what workers need, and forks one in milliseconds (Linux).

Its standard input is a socket to the host, which carries a JSON object a line each way:

    <- {"ready": true}                                  or {"ready": false, "reason": …}
    -> {"fork": {"arguments": …, "environment": …, "working_directory": …, "output": …}}
    <- {"pid": 123}                                     or {"reason": …}
    -> {"reap": 123}
    <- {"status": 0}                                    as waitpid gives it

It never starts a thread, as a fork takes only the calling one along, nor touches a GPU. It leaves with its host.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import sys

from ..platform import library
from .script import run_as_main

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_HUP_AT_PARENTS_END = 1  # PR_SET_PDEATHSIG of prctl(2)

#: What every worker imports, so that none has to.
_OF_WORKERS = ("faulthandler", "pkgutil", *(f"tech_renaissance.{name}" for name in (
    "channel.mailbox_carrier", "channel.shared_tensor_store", "worker.runtime", "worker.server",
)))  # fmt: skip


def main() -> None:
    """Serves the host on descriptor 0; in a forked worker, runs its script."""
    channel = socket.socket(fileno=os.dup(0))
    _stdin_from_null()
    reason = _preload(sys.argv[1:])
    _send(channel, {"ready": not reason, "reason": reason})
    work = None if reason else _serve(channel)
    if work is not None:
        channel.close()
        _become_worker(work)


def _preload(modules: list[str]) -> str:
    """Imports them; why no worker can be forked afterwards, "" when one can."""
    for module in (*modules, *_OF_WORKERS):
        try:
            importlib.import_module(module)
        except Exception as error:
            return f"{module} cannot be imported by {sys.executable}: {type(error).__name__}: {error}"
    with contextlib.suppress(library.LibraryError):  # each worker says why there is none
        library.load()
    if "numpy" in sys.modules:
        importlib.import_module("numpy.random")  # which each worker gives a seed of its own
    gc.collect()
    gc.freeze()  # a collection in a worker would copy all that these have made
    # A fork takes along no thread but its own. A library that knows (OpenBLAS is one) ends its threads before a fork
    # and starts them again when it needs them; any other thread is one that a worker would miss.
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    try:
        threads = len(os.listdir("/proc/self/task"))
    except OSError:
        return "the number of threads cannot be told on this system"
    if threads != 1:
        return f"importing {', '.join(modules)} started {threads - 1} threads, which a fork would lose"
    return ""


def _serve(channel: socket.socket) -> dict[str, Any] | None:
    """Forks and reaps until the host is gone; in a worker, what that one is to do."""
    parent = os.getpid()
    for line in channel.makefile("r", encoding="utf-8"):
        question = json.loads(line)
        if "reap" in question:
            try:
                _send(channel, {"status": os.waitpid(int(question["reap"]), 0)[1]})
            except OSError as error:
                _send(channel, {"reason": str(error)})
            continue
        try:
            pid = os.fork()
        except OSError as error:
            _send(channel, {"reason": str(error)})
            continue
        if pid == 0:
            _end_with(parent)
            work: dict[str, Any] = question["fork"]
            return work
        with contextlib.suppress(OSError):  # it has done so itself, whichever side comes first
            os.setpgid(pid, pid)
        _send(channel, {"pid": pid})
    return None


def _become_worker(work: dict[str, Any]) -> None:
    """Makes this process what the interpreter would have been, started with these arguments, and runs the script."""
    output = os.open(work["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    os.fchmod(output, 0o600)  # whatever the umask
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    preloaded = os.environ.get("TR_LIBRARY")
    os.environ.clear()
    os.environ.update(entry.split("=", 1) for entry in work["environment"])
    if os.environ.get("TR_LIBRARY") != preloaded:
        library.module = None
    if work["working_directory"]:
        os.chdir(work["working_directory"])
    # NumPy draws its seed when it is imported: without this, all workers would draw the same numbers.
    if "numpy" in sys.modules:
        sys.modules["numpy.random"].seed()
    run_as_main(work["arguments"])


def _end_with(parent: int) -> None:
    """Has the kernel end this process with the template, as it ends that with the host."""
    os.setpgid(0, 0)
    ctypes.CDLL(None).prctl(_HUP_AT_PARENTS_END, signal.SIGHUP)
    if os.getppid() != parent:
        os._exit(127)


def _stdin_from_null() -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)


def _send(channel: socket.socket, message: dict[str, object]) -> None:
    channel.sendall(json.dumps(message).encode() + b"\n")

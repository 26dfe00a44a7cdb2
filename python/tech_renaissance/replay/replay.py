"""`python -m tech_renaissance replay`: runs a server again on what failed, without the program around it."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ..channel.doorbell import open_doorbell
from ..data.tsr import tsr_info
from ..errors import InputError, TRException
from ..platform.files import AtomicWriter, Place, read_small
from ..platform.process import start_time
from ..platform.waits import READABLE, new_wait
from ..protocol import messages
from ..protocol.json_object import MAX_MESSAGE_BYTES, encode_object, parse_object
from .kept import Kept

_PACKAGE = Path(__file__).resolve().parent.parent
_DEBUG = _PACKAGE / "scripts" / "debug.py"
_NO_DEBUGGER, _LEFT = 78, 79
_START_SECONDS = 60.0
_GRACE_SECONDS = 5.0
_PROBE = ".tmp-doorbell"

# How it ended, in words that are compared.
_EARLY, _BUSY, _IDLE = "before it was ready", "while it was at work on the request", "while it was idle"
_LATE_START, _LATE_ANSWER = "the worker was not ready in time", "there was no answer in time"
_NO_START = "the worker could not be started"

REPEATS, DIFFERS, IMPOSSIBLE = 0, 1, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Runs a server again on a request that failed, and says whether the failure repeats. Runs the interpreter and\n"
        "the script that failure.json in the directory names: look there first when somebody gave it to you."
    )
    parser.epilog = (
        "exit codes:\n"
        "  0  the failure repeats: the same error, the same death, or no answer in the same time\n"
        "  1  it does not: the request is answered, or something else happens\n"
        "  2  it could not be tried: the text says what is missing, damaged or refused, or that no server came up"
    )
    parser.add_argument("directory", type=Path, help="a directory kept_<id>_<milliseconds>")
    parser.add_argument("--python", help="interpreter of the worker; else the one it had")
    parser.add_argument("--script", help="server to run; else the one that failed")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="for the answer; else the request's own limit")
    debugger = parser.add_mutually_exclusive_group()
    debugger.add_argument("--pdb", action="store_true", help="stop where the request begins, and where it fails")
    debugger.add_argument("--debugpy", type=int, metavar="PORT", help="wait for a debugger on this port")


def replay(arguments: argparse.Namespace) -> int:
    """Runs it and says whether the failure repeats.

    Returns:
        0 when it does, 1 when it does not, or not in the same way, 2 when it could not be tried.
    """
    try:
        kept = Kept(arguments.directory)
        with tempfile.TemporaryDirectory(prefix="tr_replay_") as folder:
            directory = Path(folder) / f"tr_session_{kept.record['session_id']}"
            _lay_out(kept, directory)
            run = _Run(directory, kept, arguments)
            outcome = run.outcome()
        expected = _recorded(kept)
        print(f"recorded: {expected}")
        print(f"replayed: {outcome}", flush=True)
        if outcome == expected:
            print("the failure repeats")
            return REPEATS
        if _is_start(outcome) and not _is_start(expected):
            raise InputError(run.why or "the server did not come as far as the failure: see what it printed")
        if kept.doubt:
            raise InputError(f"what the server was given may be damaged: {kept.doubt}")
    except (InputError, OSError) as error:
        print(f"cannot replay {arguments.directory}: {error}", file=sys.stderr)
        return IMPOSSIBLE
    print("the failure does not repeat")
    return DIFFERS


def _command(worker: dict[str, Any], arguments: argparse.Namespace) -> list[str]:
    """What starts the worker: interpreter, script or -m and module, its arguments or else the session id."""
    python, *what = worker["command"]
    behind = len(what) - (worker.get("arguments", 0) or 1)
    what, own = what[:behind], what[behind:]
    python = arguments.python or python
    if arguments.script:
        what = [os.path.abspath(arguments.script)]
    if shutil.which(python) is None:
        raise InputError(f"the interpreter {python} is not an executable file: name another one with --python")
    if what[0] != "-m" and not os.path.isfile(what[0]):
        raise InputError(f"the server {what[0]} does not exist: name another one with --script")
    if arguments.pdb:
        what = [str(_DEBUG), "pdb", *what]
    elif arguments.debugpy is not None:
        what = [str(_DEBUG), str(arguments.debugpy), *what]
    return [python, *what, *own]


def _lay_out(kept: Kept, directory: Path) -> None:
    """A session directory as the worker found it."""
    directory.mkdir(mode=0o700)
    kept.lay_out(directory)
    session: dict[str, object] = {
        "protocol": messages.PROTOCOL_VERSION,
        "session_id": kept.record["session_id"],
        "host_pid": os.getpid(),
        "host_start_time": start_time(os.getpid()),
        "epoch": 1,
        "carriers": ["files"],
        "wake_up": "auto",
    }
    (directory / "session.json").write_bytes(encode_object(session))


class _Run:
    """The worker that runs again, and the waiting for what becomes of it.

    Attributes:
        why: it could not be started; empty when it was.
    """

    def __init__(self, directory: Path, kept: Kept, arguments: argparse.Namespace) -> None:
        self.why = ""
        self._directory = directory
        self._kept = kept
        self._arguments = arguments
        self._debugged = arguments.pdb or arguments.debugpy is not None
        self._seconds = arguments.timeout or self._recorded_limit()
        self._writer = AtomicWriter(str(directory), Place(str(directory)))
        names = ("response.json", "hello.json", _PROBE)
        self._doorbell, _ = open_doorbell("auto", str(directory), names, self._ring)

    def outcome(self) -> str:
        """How the request ended."""
        worker = self._kept.record["worker"]
        unset = [name for name in worker["environment"] if name not in os.environ]
        if unset:
            print(f"note: the session had set {', '.join(unset)}, which this environment has not")
        folder = worker["working_directory"] or None
        if folder and not os.path.isdir(folder):
            print(f"note: the working directory {folder} is gone; using this one")
            folder = None
        inherited = os.environ.get("PYTHONPATH")
        environment = {
            **os.environ,
            "TR_SESSION_DIR": str(self._directory),
            "TR_HOST_PID": str(os.getpid()),
            "TR_ARGUMENTS": str(worker.get("arguments", 0)),
            "TR_WAKEUP": "auto",
            "PYTHONPATH": os.pathsep.join(filter(None, (str(_PACKAGE.parent), inherited))),
            "PYTHONUNBUFFERED": "1",
        }
        stdin = None if self._debugged else subprocess.DEVNULL
        try:
            command = _command(worker, self._arguments)
            process = subprocess.Popen(command, env=environment, cwd=folder, stdin=stdin)
        except (InputError, OSError) as error:
            self.why = str(error)
            self._doorbell.close()
            return _NO_START
        with process:
            try:
                return self._follow(process)
            finally:
                _end(process)
                self._doorbell.close()

    def _follow(self, process: subprocess.Popen[bytes]) -> str:
        limit = None if self._debugged else _START_SECONDS
        if self._wait(process, "hello.json", limit) is None:
            return self._gone(process, _EARLY, _LATE_START)
        if self._kept.request is None:
            return "the worker was ready"
        while True:
            data = self._wait(process, "response.json", None if self._debugged else self._seconds)
            if data is None:
                return self._gone(process, _BUSY, _LATE_ANSWER)
            try:
                response = messages.parse_response(data)
            except TRException as error:
                return _error(error.code, "")
            if not response.more:
                return _answer(response, self._directory)
            os.unlink(self._directory / "response.json")
            self._writer.write(str(self._directory / "room"), b"")

    def _gone(self, process: subprocess.Popen[bytes], when: str, otherwise: str) -> str:
        code = process.poll()
        if code is None:
            return otherwise
        if code == _NO_DEBUGGER and self._debugged:
            raise InputError("the debugger did not start")
        if code == _LEFT and self._debugged:
            raise InputError("the debugger was left before the request came to its end")
        return _death(-code if code < 0 else None, code) + " " + when

    def _wait(self, process: subprocess.Popen[bytes], name: str, seconds: float | None) -> bytes | None:
        """The content of a file of the worker's; None when it died, or the time passed."""
        limit = None if not seconds else time.monotonic() + seconds
        poll = new_wait()
        if self._doorbell.descriptor >= 0:
            poll.register(self._doorbell.descriptor, READABLE)
        try:
            ended = os.pidfd_open(process.pid)
        except (AttributeError, OSError):
            ended = -1  # then its end is looked for at the doorbell's intervals
        else:
            poll.register(ended, READABLE)
        try:
            while True:
                self._doorbell.clear()
                dead = process.poll() is not None
                data = read_small(f"{self._directory}/{name}", MAX_MESSAGE_BYTES)
                left = 1.0 if limit is None else limit - time.monotonic()
                if data is not None or dead or left <= 0:
                    return data
                poll.poll(min(self._doorbell.timeout_ms(), left * 1000 + 1))
        finally:
            if ended >= 0:
                os.close(ended)

    def _recorded_limit(self) -> float:
        """As long as the host waited when that was the failure, else as long as it would have; 0: for ever."""
        if self._kept.request is None:
            return 0.0
        if self._kept.record["kind"] == "timeout":
            return max(float(self._kept.record["request"]["waited_ms"]) / 1000, 0.1)
        deadline = parse_object(self._kept.request, "request.json").get("deadline_ms", 0)
        return float(deadline) / 1000 if isinstance(deadline, int) else 0.0

    def _ring(self) -> None:
        path = f"{self._directory}/{_PROBE}"
        self._writer.write(path, b"probe")
        os.unlink(path)


def _recorded(kept: Kept) -> str:
    """The failure in the words of an outcome."""
    worker, error, asked = kept.record["worker"], kept.record["error"], kept.request is not None
    if kept.record["kind"] == "death":
        when = _EARLY if not kept.ready else _BUSY if asked else _IDLE
        return f"{_death(worker.get('signal'), worker.get('exit_code'))} {when}"
    if kept.record["kind"] == "timeout":
        return _LATE_ANSWER if kept.ready else _LATE_START
    return _error(error["code"], error["type"]) if kept.ready or asked else _NO_START


def _is_start(outcome: str) -> bool:
    """Whether it is the start that failed."""
    return outcome in (_NO_START, _LATE_START) or outcome.endswith(_EARLY)


def _answer(response: messages.Response, directory: Path) -> str:
    if response.failure is not None:
        return _error(response.failure.code, response.failure.type)
    for tag in response.tensors:
        try:
            tsr_info(directory / f"{tag}.tsr")
        except TRException as error:
            return _error(error.code, "")
    return "the request was answered"


def _error(code: str, kind: str) -> str:
    return f"the request failed with {code}" + (f", {kind}" if kind else "")


def _death(number: int | None, code: int | None) -> str:
    if number:
        try:
            return f"the worker was killed by {signal.Signals(number).name}"
        except ValueError:
            return f"the worker was killed by signal {number}"
    return f"the worker exited with code {code}"


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()

"""A minimal host of the old fashion: session files written and read with bare calls of the standard library.

It stands in for the C++ host in the tests of the worker, and does nothing to help it.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGE_DIR = Path(__file__).resolve().parents[2] / "python"
DEFAULT_SCRIPT = PACKAGE_DIR / "tech_renaissance" / "scripts" / "default.py"
SERVERS = Path(__file__).parent / "servers"
#: What a C++ host would name for its workers, which they do without when it is not built.
LIBRARY = (
    Path(os.environ.get("TR_BUILD_DIR") or PACKAGE_DIR.parent / "build" / "dev") / "lib" / "libtech_renaissance.so"
)
_MOVED_TO = 0x80


def start_time(pid: int) -> str:
    """Field 22 of /proc/<pid>/stat."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


class Watch:
    """Wakes when a file has appeared in a directory or a process has ended; a wait looks at the truth each time."""

    def __init__(self, directory: Path, pid: int) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._inotify = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self.add(directory)
        self._process = os.pidfd_open(pid)
        self._poll = select.poll()
        self._poll.register(self._inotify, select.POLLIN)
        self._poll.register(self._process, select.POLLIN)

    def add(self, directory: Path) -> None:
        """Wakes for another directory as well."""
        self._libc.inotify_add_watch(self._inotify, os.fsencode(directory), _MOVED_TO)

    def wait(self, deadline: float) -> bool:
        """Whether the process still runs; TimeoutError after the deadline (time.monotonic)."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        # Bounded, as some truths (a file removed, a line in the log) ring no bell.
        ready = [descriptor for descriptor, _ in self._poll.poll(min(left * 1000, 20))]
        if self._inotify in ready:
            os.read(self._inotify, 65536)
        return self._process not in ready

    def close(self) -> None:
        """Releases both descriptors."""
        os.close(self._inotify)
        os.close(self._process)


class Host:
    """One session and its worker.

    Args:
        workspace: folder to make the session in.
        script: the server; a Path, or arguments for the interpreter.
        python: the interpreter, with its options.
        legacy: say nothing that older hosts do not say: no environment, no session.json.
        environment: added to the worker's.
        record: changes to session.json.

    Attributes:
        start_seconds: what hello() has found the start to take, by which a test may judge what else is quick just now.
    """

    def __init__(
        self,
        workspace: Path,
        script: Path | list[str] = DEFAULT_SCRIPT,
        *,
        session_id: str = "test",
        python: list[str] | None = None,
        legacy: bool = False,
        environment: dict[str, str] | None = None,
        record: dict[str, object] | None = None,
        request: bytes | None = None,
    ) -> None:
        self.id = session_id
        self.directory = workspace / "python_session" / f"tr_session_{session_id}"
        self.directory.mkdir(parents=True, mode=0o700)
        (self.directory.parent / ".lock").touch(0o600)
        (self.directory / "session.lock").touch(0o600)
        self._next = 0
        self._temporary = 0
        settings = {key: value for key, value in os.environ.items() if not key.startswith(("TR_", "PYTHON"))}
        settings |= {"PYTHONPATH": str(PACKAGE_DIR), "PYTHONUNBUFFERED": "1", "TR_WORKSPACE": str(workspace)}
        if not legacy:
            session = {
                "protocol": 1,
                "session_id": session_id,
                "host_pid": os.getpid(),
                "host_start_time": start_time(os.getpid()),
                "epoch": 3,
                "carriers": ["files"],
                "wake_up": "auto",
                "limits": {},
                "timestamp": 1,
            }
            self.write("session.json", json.dumps(session | (record or {})).encode())
            settings |= {"TR_SESSION_DIR": str(self.directory), "TR_HOST_PID": str(os.getpid())}
        if request is not None:
            self.write("request.json", request)
        self.prepare()
        arguments = [str(script)] if isinstance(script, Path) else script
        started = time.monotonic()
        with open(self.directory / "worker.log", "ab") as log:
            self.process = subprocess.Popen(
                [*(python or [sys.executable]), *arguments, session_id],
                env=settings | {"TR_LIBRARY": str(LIBRARY)} | (environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=workspace,
            )
        self.started = started
        self.watch = Watch(self.directory, self.process.pid)

    def prepare(self) -> None:
        """What else a host makes before it starts the worker."""

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the worker, the hard way when it has to be."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
                self.watch.close()
                raise AssertionError(f"the worker did not leave on SIGTERM; its log: {self.log()}") from None
        self.watch.close()

    def write(self, name: str, data: bytes) -> None:
        """Puts a file into the session directory, whole."""
        self._temporary += 1
        temporary = self.directory / f".tmp-{os.getpid()}-{self._temporary}"
        temporary.write_bytes(data)
        temporary.rename(self.directory / name)

    def read(self, name: str) -> bytes | None:
        """A file of the session directory, None when it is not there."""
        try:
            return (self.directory / name).read_bytes()
        except FileNotFoundError:
            return None

    def wait_for(self, name: str, timeout: float = 20) -> bytes:
        """A file once it is there."""
        deadline = time.monotonic() + timeout
        while True:
            data = self.read(name)
            if data is not None:
                return data
            try:
                alive = self.watch.wait(deadline)
            except TimeoutError:
                seen = f"status {self.status!r}; log:\n{self.log()}"
                raise AssertionError(f"no {name} within {timeout} s; {seen}") from None
            if not alive and self.read(name) is None:
                raise AssertionError(f"the worker died, exit code {self.process.wait()}; log:\n{self.log()}")

    def wait_until(self, truth: object, timeout: float = 20) -> None:
        """Until a callable says so."""
        deadline = time.monotonic() + timeout
        while not truth():  # type: ignore[operator]
            try:
                self.watch.wait(deadline)
            except TimeoutError:
                raise AssertionError(f"not within {timeout} s; status {self.status!r}; log:\n{self.log()}") from None

    def hello(self, timeout: float = 20) -> dict[str, object]:
        """What the worker says of itself."""
        self.wait_for("status.txt", timeout)
        self.start_seconds = time.monotonic() - self.started
        return json.loads(self.wait_for("hello.json", 0.1))  # type: ignore[no-any-return]

    def send(self, command: str, parameters: str = "", *, old: bool = False, **more: object) -> int:
        """Publishes a request; its id."""
        self._next += 1
        if old:
            message: dict[str, object] = {"cmd": command, "params": parameters}
        else:
            message = {"id": self._next, "command": command, "parameters": parameters, "timestamp": 1}
        self.write("request.json", json.dumps(message | more).encode())
        return self._next

    def receive(self, timeout: float = 20) -> dict[str, object]:
        """The response, read and burnt."""
        data = self.wait_for("response.json", timeout)
        (self.directory / "response.json").unlink()
        return json.loads(data)  # type: ignore[no-any-return]

    def ask(self, command: str, parameters: str = "", *, old: bool = False, timeout: float = 20) -> dict[str, object]:
        """Sends a request and gives its response."""
        self.send(command, parameters, old=old)
        return self.receive(timeout)

    def exit_code(self, timeout: float = 10) -> int:
        """Waits for the worker's end."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the worker still runs; status {self.status!r}; log:\n{self.log()}") from None

    @property
    def status(self) -> str:
        """What status.txt says."""
        return (self.read("status.txt") or b"").decode()

    def log(self) -> str:
        """What the worker has printed."""
        return (self.read("worker.log") or b"").decode(errors="replace")


@contextmanager
def temporary_workspace() -> Iterator[Path]:
    """A folder on tmpfs where there is one, as hosts choose it."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    path = Path(tempfile.mkdtemp(prefix="tr-test-", dir=place))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@contextmanager
def running(server: str | None = None, **options: object) -> Iterator[Host]:
    """One session, for the fixtures that tests share."""
    if server is not None:
        options["script"] = SERVERS / f"{server}.py"
    with temporary_workspace() as path, Host(path, **options) as host:  # type: ignore[arg-type]
        yield host


def main() -> None:
    """A host that is there to be killed: `host.py WORKSPACE COMMAND`.

    Starts a probe server, puts it to work on COMMAND when that is not empty, prints its pid, and waits for death.
    """
    workspace, command = sys.argv[1:]
    host = Host(Path(workspace), SERVERS / "probe.py")
    with open(host.directory / "session.lock", "r+") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        host.hello()
        if command:
            host.send(command)
            host.wait_for("started")
        print(host.process.pid, flush=True)
        signal.pause()


if __name__ == "__main__":
    main()

"""What is compared: one row for each way to reach a Python worker."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

from hosts import Absent, Host

HERE = Path(__file__).resolve().parent


def package_folder(programs: Path) -> Path:
    """Where the Python package of these programs' build lies, with its compiled module."""
    built = programs.parent / "python"
    return built if (built / "tech_renaissance" / "__init__.py").exists() else HERE.parents[1] / "python"


@dataclass(frozen=True)
class Row:
    """One way.

    Attributes:
        key: its name in results.json.
        title: its name in tables.
        kind: "floor", "ours", "rival" or "python" (rivals whose host is Python).
        program: of the host; "pairs" and "function_calls" are Python's.
        transport: first argument of the host.
        options: further arguments.
        needs: Python modules without which there is nothing to measure.
        tensors: it takes part in the tables about tensors.
        text: it takes part in those about text.
        slow: milliseconds even for text, so it gets fewer rounds.
        own_interpreter: it has one of its own, from setup_rivals, and is measured in whole runs alone.
    """

    key: str
    title: str
    kind: str
    program: str
    transport: str = "-"
    options: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    tensors: bool = True
    text: bool = True
    slow: bool = False
    own_interpreter: bool = False

    def open(self, programs: Path, *more: str) -> Host:
        """Starts its host.

        Raises:
            Absent: something it needs is not installed.
        """
        for module in self.needs:
            if importlib.util.find_spec(module) is None:
                raise Absent(f"the Python package {module} is not installed")
        installed = programs.parent / "installed" / "lib"
        environment = {"PYTHONPATH": str(programs / "modules"), "LD_LIBRARY_PATH": str(installed)}
        script = HERE / "host" / f"{self.program}.py"
        if script.exists():
            environment["PYTHONPATH"] += f":{package_folder(programs)}"
            return Host([self._interpreter(programs), str(script), self.transport, *self.options, *more], environment)
        path = programs / f"bench_{self.program}"
        if not path.exists():
            raise Absent(f"{path.name} was not built: its C++ library is not installed")
        return Host(
            [str(path), self.transport, sys.executable, str(HERE / "workers"), *self.options, *more], environment
        )

    def _interpreter(self, programs: Path) -> str:
        if not self.own_interpreter:
            return sys.executable
        folder = programs.parent / "rivals" / self.transport
        if not (folder / "installed").exists():
            raise Absent(f"setup_rivals has not installed it in {folder}")
        return str(folder / "bin" / "python")


def _function(key: str, title: str, kind: str, own_interpreter: bool = False) -> Row:
    return Row(key, title, kind, "function_calls", key.rpartition(".")[2], own_interpreter=own_interpreter)


def _ours(key: str, title: str, wake_up: str, *more: str, slow: bool = False, tensors: bool = True) -> Row:
    return Row(key, title, "ours", "session", options=(f"wake_up={wake_up}", *more), slow=slow, tensors=tensors)


ROWS = [
    Row("memcpy", "memcpy, no worker", "floor", "bare", "memcpy"),
    Row("futex", "bare futex, compiled module", "floor", "bare", "futex"),
    Row("futex_ctypes", "bare futex, ctypes", "floor", "bare", "futex_ctypes", tensors=False),
    Row("socket", "bare Unix socket", "floor", "bare", "socket"),
    Row(
        "socket_torch",
        "bare Unix socket, PyTorch tensors",
        "floor",
        "bare",
        "socket_torch",
        needs=("torch",),
        text=False,
    ),
    Row("bare_files", "bare files + inotify", "floor", "bare", "files", tensors=False),
    _ours("mailbox", "mailbox", "futex"),
    _ours("mailbox_sleeps", "mailbox, `busy_wait_us` 0", "futex", "busy_wait_us=0"),
    _ours("mailbox_python", "mailbox, pure Python worker", "futex", "environment=TR_LIBRARY:"),
    _ours("inotify", "files + inotify", "inotify"),
    _ours("polling", "files + polling", "polling", slow=True),
    Row("zeromq", "ZeroMQ REQ/REP, ipc://", "rival", "zeromq", needs=("zmq",)),
    Row(
        "grpc",
        "gRPC unary, blocking stub, thread pool of 1",
        "rival",
        "grpc",
        options=("client=stub", "server=threads"),
        needs=("grpc", "messages_pb2_grpc"),
    ),
    Row(
        "grpc_async",
        "gRPC unary, completion queue, asyncio",
        "rival",
        "grpc",
        options=("client=queue", "server=asyncio"),
        needs=("grpc", "messages_pb2_grpc"),
    ),
    Row("pipe", "multiprocessing.Pipe", "python", "pairs", "pipe"),
    Row("shared_memory", "shared_memory + Pipe", "python", "pairs", "shared_memory"),
    Row("torch", "torch.multiprocessing", "python", "pairs", "torch", needs=("torch",)),
    Row("iceoryx2", "iceoryx2, events + timed wait", "python", "pairs", "iceoryx2", needs=("iceoryx2",)),
    Row("appose", "Appose, task + NDArray", "python", "pairs", "appose", needs=("appose",), slow=True),
    Row("python_mailbox", "mailbox, Python host", "python", "pairs", "session", ("wake_up=futex",)),
]
# One function, called from Python; and many calls that compute, by several workers.
FUNCTION_ROWS = [
    _function("call.pool", "Pool, Python", "ours"),
    _function("call.multiprocessing", "multiprocessing.Pool", "python"),
    _function("call.futures", "concurrent.futures.ProcessPoolExecutor", "python"),
    _function("call.ray", "Ray Serve, handle", "rival", own_interpreter=True),
    _function("call.litserve", "LitServe, HTTP", "rival", own_interpreter=True),
    _function("call.mlserver", "MLServer, HTTP", "rival", own_interpreter=True),
    _function("call.dynamo", "Dynamo runtime, TCP", "rival", own_interpreter=True),
]
ALONE = _function("call.alone", "processes that compute, asked once", "floor")
# Endpoints, pools and graphs beside the same without them, in one C++ program.
SERVICES = Row("services", "Pool, C++", "ours", "services")
KEYS = {row.key: row for row in [*ROWS, *FUNCTION_ROWS, ALONE, SERVICES]}

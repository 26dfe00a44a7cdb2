"""Python hosts of Python workers, with the commands of host/program.cpp.

Argument: "pipe", "shared_memory", "torch", "iceoryx2", "appose" or "session", then for a session options `key=value`.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing import shared_memory
from pathlib import Path
from typing import Any, Callable

from commands import AbsentError, measure, obey_all
from pair_workers import WORKERS_BYTE, serve_iceoryx2, serve_pipe, serve_shared_memory, serve_torch

MESSAGE = b"hello to_the_other_end"


class Pair:
    """A worker, and what one round trip to it is. Operations are methods; `size` and `source` say what to send."""

    size = -1
    source = b""
    worker_pid = 0
    directory = ""

    def prepare(self, operation: str, size: int) -> Callable[[], Any]:
        run = getattr(self, operation, None)
        if run is None:
            raise AbsentError("not an operation of this row")
        if operation != "text" and size != self.size:
            self.size = size
            self.source = bytes(bytearray(i * 31 % 256 for i in range(256)) * (size // 256))
            self.resized()
        return run

    def resized(self) -> None:
        """After `size` and `source` have changed."""

    def close(self) -> None:
        """Ends the worker."""


class Pipe(Pair):
    """multiprocessing.Pipe, with send_bytes and recv_bytes."""

    def __init__(self, serve: Callable[..., None] | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve or serve_pipe, args=(other,), daemon=True)
        self.process.start()
        self.worker_pid = self.process.pid or 0
        self.pipe.recv_bytes()

    def _ask(self, what: bytes, data: bytes) -> bytes:
        self.pipe.send_bytes(what)
        self.pipe.send_bytes(data)
        return self.pipe.recv_bytes()

    def text(self) -> None:
        self.pipe.send_bytes(MESSAGE)
        if self.pipe.recv_bytes() != MESSAGE:
            raise RuntimeError("a wrong answer")

    def echo(self) -> bytes:
        return self._ask(b"e", self.source)

    def out(self) -> bytes:
        return self._ask(b"o", str(self.size).encode())

    # A keyword cannot be defined as a method; see below.
    def take(self) -> None:
        self._ask(b"i", self.source)

    def close(self) -> None:
        self.process.kill()


class SharedMemory(Pipe):
    """A multiprocessing.shared_memory block that both keep, and a pipe that says what to do with it.

    The worker copies what it reads out of the block and its answer into it, as users have to who keep a tensor.
    """

    block: shared_memory.SharedMemory | None = None

    def __init__(self) -> None:
        super().__init__(serve_shared_memory)

    def resized(self) -> None:
        self._free()
        self.block = shared_memory.SharedMemory(create=True, size=max(1, self.size))
        self.target = bytearray(self.size)
        self.pipe.send_bytes(b"m" + f"{self.block.name} {self.size}".encode())
        self.pipe.recv_bytes()

    def _copy_in(self) -> None:
        assert self.block is not None
        self.block.buf[: self.size] = self.source

    def _copy_out(self) -> bytearray:
        assert self.block is not None
        self.target[:] = self.block.buf[: self.size]
        return self.target

    def _ring(self, what: bytes) -> None:
        self.pipe.send_bytes(what)
        self.pipe.recv_bytes()

    def echo(self) -> Any:
        self._copy_in()
        self._ring(b"e")
        return self._copy_out()

    def out(self) -> Any:
        self._ring(b"o")
        return self._copy_out()

    def take(self) -> None:
        self._copy_in()
        self._ring(b"i")

    def in_place(self) -> None:
        self._ring(b"p")

    def _free(self) -> None:
        if self.block is not None:
            self.block.close()
            self.block.unlink()
            self.block = None

    def close(self) -> None:
        super().close()
        self._free()


class Torch(Pipe):
    """torch.multiprocessing: tensors through a pipe as handles of shared memory (its default, file descriptors)."""

    def __init__(self) -> None:
        import torch
        import torch.multiprocessing as torch_multiprocessing

        self._torch = torch
        torch.set_num_threads(1)  # its documentation: cores over processes
        context = torch_multiprocessing.get_context("spawn")
        self.to_worker, self.from_worker = context.SimpleQueue(), context.SimpleQueue()
        self.process = context.Process(target=serve_torch, args=(self.to_worker, self.from_worker), daemon=True)
        self.process.start()
        self.worker_pid = self.process.pid or 0
        self.from_worker.get()

    def resized(self) -> None:
        self.tensor = self._torch.frombuffer(bytearray(self.source or b"\0"), dtype=self._torch.uint8)[: self.size]
        self.target = self._torch.empty_like(self.tensor)
        self.shared = self.tensor.clone().share_memory_()

    def _put(self, what: str, value: Any) -> Any:
        self.to_worker.put((what, value))
        return self.from_worker.get()

    def text(self) -> None:
        self._put("text", MESSAGE)

    def echo(self) -> Any:
        # Ordinary memory is copied into shared memory by put(); the tensor given stays as it is, so it is cloned.
        self.target.copy_(self._put("echo", self.tensor.clone()))
        return self.target.numpy()

    def out(self) -> Any:
        return self._put("out", self.size).numpy()

    def take(self) -> None:
        self._put("in", self.tensor.clone())

    def in_place(self) -> None:
        self._put("in_place", self.shared)


class Iceoryx2(Pipe):
    """iceoryx2: request and response as slices of bytes, and an event service for each direction to wait on."""

    def __init__(self) -> None:
        from iceoryx2_ports import Ports

        super().__init__(serve_iceoryx2)
        self.ports = Ports(f"tr_bench_{self.worker_pid}", server=False)

    def resized(self) -> None:
        self.target = bytearray(max(1, self.size))

    def _ask(self, what: bytes, data: bytes) -> Any:
        self.ports.ask(what, data, self.target)
        return memoryview(self.target)[: self.size]

    def text(self) -> None:
        answer = bytearray(len(MESSAGE))
        self.ports.ask(b"e", MESSAGE, answer)
        if answer != MESSAGE:
            raise RuntimeError("a wrong answer")


class Appose(Pair):
    """Appose: a task for each call, tensors in an NDArray that both have."""

    def __init__(self) -> None:
        import appose

        self._appose = appose
        code = "from appose.python_worker import main; main()"
        self.service = appose.system().service([sys.executable], "-c", code)
        self.text()
        self.array: Any = None

    def resized(self) -> None:
        import numpy

        self.source_array = numpy.frombuffer(self.source, numpy.uint8)
        self.target = numpy.empty_like(self.source_array)
        self._free()
        self.array = self._appose.NDArray("uint8", [max(1, self.size)])

    def _free(self) -> None:
        if self.array is not None:
            self.array.shm.dispose()

    def text(self) -> None:
        task = self.service.task("message", {"message": MESSAGE.decode()}).wait_for()
        if task.outputs["result"] != MESSAGE.decode():
            raise RuntimeError("a wrong answer")

    def echo(self) -> Any:
        shared = self.array.ndarray()[: self.size]
        shared[:] = self.source_array
        self.service.task("v = a.ndarray()\nv[:] = v.copy()", {"a": self.array}).wait_for()
        self.target[:] = shared
        return self.target

    def in_place(self) -> None:
        self.service.task("a.ndarray()[0] = 1", {"a": self.array}).wait_for()

    def close(self) -> None:
        self._free()
        self.service.close()


class Session(Pair):
    """This project, with a Python host."""

    def __init__(self, options: dict[str, str]) -> None:
        from tech_renaissance import PythonSession, SessionOptions

        server = Path(__file__).resolve().parents[1] / "workers" / "session_server.py"
        self.session = PythonSession(SessionOptions(script=server, quiet=True, wake_up=options["wake_up"]))
        self.session.start()
        self.session.wait_until_ready()
        stats = self.session.stats()
        if stats.worker_wake_up != options["wake_up"]:
            raise AbsentError(f"asked for {options['wake_up']}, got {stats.worker_wake_up}: {stats.fallback}")
        self.worker_pid = stats.worker_pid
        self.directory = self.session.session_dir()

    def resized(self) -> None:
        import numpy

        self.tensor = numpy.frombuffer(self.source, numpy.float32)
        self.target = numpy.empty_like(self.tensor)

    def text(self) -> None:
        if self.session.fetch_response(MESSAGE.decode()) != MESSAGE.decode():
            raise RuntimeError("a wrong answer")

    def echo(self) -> Any:
        self.target[:] = self.session.calculate("echo", self.tensor)
        return self.target.view("uint8")

    def out(self) -> Any:
        return self.session.fetch_tensor(f"out {len(self.tensor)}").view("uint8")

    def take(self) -> None:
        self.session.send_tensor(self.tensor, "a")
        self.session.fetch_response("in a")

    def close(self) -> None:
        self.session.close()


# `in` is the name of the operation, and a keyword.
setattr(Pipe, "in", Pipe.take)
setattr(SharedMemory, "in", SharedMemory.take)
setattr(Torch, "in", Torch.take)
setattr(Session, "in", Session.take)


def check(pair: Pair, operation: str, result: Any) -> None:
    """Raises RuntimeError when an echo, or what the worker sent, is not what it should be."""
    if operation not in ("echo", "out") or not pair.size:
        return
    wanted = pair.source if operation == "echo" else WORKERS_BYTE * pair.size
    if bytes(memoryview(result).cast("B")) != wanted:
        raise RuntimeError("the bytes that came back are not those that should have")


def obey(pair: Pair, words: list[str]) -> dict[str, Any]:
    if words[0] == "measure":
        operation, numbers = words[1], list(map(int, words[2:]))
        run = pair.prepare(operation, numbers[0])
        return measure(run, lambda result: check(pair, operation, result), *numbers[1:])
    if words[0] == "info":
        return {"host_pid": os.getpid(), "worker_pid": pair.worker_pid, "directory": pair.directory, "description": ""}
    raise AbsentError("measured for C++ hosts alone")


def main() -> None:
    options = dict(word.split("=", 1) for word in sys.argv[2:])
    kinds: dict[str, Callable[[], Pair]] = {
        "pipe": Pipe,
        "shared_memory": SharedMemory,
        "torch": Torch,
        "iceoryx2": Iceoryx2,
        "appose": Appose,
        "session": lambda: Session(options),
    }
    pair: Pair | None = None

    def obey_with(words: list[str]) -> dict[str, Any]:
        nonlocal pair
        if pair is None:
            pair = kinds[sys.argv[1]]()
        return obey(pair, words)

    obey_all(obey_with)
    if pair is not None:
        pair.close()


if __name__ == "__main__":
    main()

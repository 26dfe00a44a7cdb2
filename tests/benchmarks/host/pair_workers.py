"""Workers of the Python pairs in pairs.py; a module of their own, as a spawned process imports what it runs."""

from __future__ import annotations

from multiprocessing import shared_memory
from typing import Any

WORKERS_BYTE = b"\x3f"


def serve_pipe(pipe: Any) -> None:
    mine = b""
    pipe.send_bytes(b"ready")
    while True:
        what = pipe.recv_bytes()
        if len(what) > 1:
            pipe.send_bytes(what)
            continue
        data = pipe.recv_bytes()
        if what == b"i":
            pipe.send_bytes(data[-1:])
        elif what == b"o":
            if len(mine) != int(data):
                mine = WORKERS_BYTE * int(data)
            pipe.send_bytes(mine)
        else:
            pipe.send_bytes(data)


def serve_shared_memory(pipe: Any) -> None:
    block: Any = None
    size = 0
    view = memoryview(b"")
    tensor: Any = None
    memory = bytearray()
    mine = b""
    pipe.send_bytes(b"ready")
    while True:
        what = pipe.recv_bytes()
        kind = what[:1]
        if kind == b"m":
            tensor = None
            view.release()
            if block is not None:
                block.close()
            name, length = what[1:].decode().split()
            size = int(length)
            block = shared_memory.SharedMemory(name)
            view = block.buf[:size]
            memory, mine = bytearray(size), WORKERS_BYTE * size
        elif kind == b"e":
            memory[:] = view
            view[:] = memory
        elif kind == b"i":
            memory[:] = view
        elif kind == b"o":
            view[:] = mine
        elif kind == b"p" and size > 0:  # what session_server.py does with its tensors
            if tensor is None:
                import torch

                tensor = torch.frombuffer(view, dtype=torch.float32)
            tensor[:1] = tensor[:1]
        pipe.send_bytes(what)


def serve_torch(requests: Any, answers: Any) -> None:
    import torch

    torch.set_num_threads(1)
    mine = torch.empty(0)
    answers.put("ready")
    while True:
        what, value = requests.get()
        if what == "in":
            answers.put(int(value[-1]) if len(value) else 0)
        elif what == "out":
            if mine.numel() != value:
                mine = torch.full((value,), WORKERS_BYTE[0], dtype=torch.uint8)
            answers.put(mine.clone())
        else:
            answers.put(value.clone() if what == "echo" else value)


def serve_iceoryx2(pipe: Any) -> None:
    import os

    from iceoryx2_ports import Ports

    ports = Ports(f"tr_bench_{os.getpid()}", server=True)
    mine = b""
    pipe.send_bytes(b"ready")
    while True:
        request, what, data = ports.receive()
        if what == b"o":
            if len(mine) != int(bytes(data)):
                mine = WORKERS_BYTE * int(bytes(data))
            data = memoryview(mine)
        elif what == b"i":
            data = data[-1:]
        ports.answer(request, data)

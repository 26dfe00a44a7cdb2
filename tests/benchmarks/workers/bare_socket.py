"""Worker of the bare Unix socket; arguments: its path, and "torch" when it is to echo tensors of PyTorch.

Messages are as in host/bare.cpp.
"""

from __future__ import annotations

import socket
import struct
import sys

WORKERS_BYTE = b"\x3f"


def receive_into(connection: socket.socket, view: memoryview) -> None:
    done = 0
    while done < len(view):
        part = connection.recv_into(view[done:])
        if not part:
            raise SystemExit
        done += part


def send(connection: socket.socket, data: memoryview | bytes) -> None:
    sent = connection.sendmsg((struct.pack("QQ", ord("a"), len(data)), data)) - 16
    if sent < len(data):
        connection.sendall(memoryview(data)[sent:])


def through_torch(data: memoryview) -> memoryview:
    """As a server has it that computes: a tensor that it may keep, and the bytes of one that it has."""
    import torch

    if not data:
        return memoryview(torch.empty(0).numpy())
    return memoryview(torch.frombuffer(bytearray(data), dtype=torch.float32).numpy()).cast("B")


def serve(path: str, torch: bool) -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(1)
    print("ready", flush=True)
    connection, _ = listener.accept()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    memory = bytearray(1 << 16)  # Kept, so that large messages land in warm memory.
    mine = b""
    while True:
        # Header and short messages come in one go.
        size = connection.recv_into(memory, 1 << 16)
        if not size:
            return
        if size < 16:
            raise SystemExit("a header in two parts")
        what, length = struct.unpack_from("QQ", memory)
        total = 16 + length
        if len(memory) < total:
            memory += bytes(total - len(memory))
        view = memoryview(memory)[:total]
        if size < total:
            receive_into(connection, view[size:])
        if what == ord("i"):
            send(connection, view[-1:])
        elif what == ord("o"):
            (wanted,) = struct.unpack_from("Q", view, 16)
            if len(mine) != wanted:
                mine = WORKERS_BYTE * wanted
            send(connection, mine)
        elif torch and what == ord("e"):
            send(connection, through_torch(view[16:]))
        else:
            send(connection, view[16:])
        view.release()


if __name__ == "__main__":
    serve(sys.argv[1], "torch" in sys.argv[2:])

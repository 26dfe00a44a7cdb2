"""Worker of ZeroMQ, a REP socket; argument: the path of its ipc:// endpoint."""

from __future__ import annotations

import struct
import sys

import zmq

WORKERS_BYTE = b"\x3f"
# pyzmq copies messages below this length, which is quicker than sharing them.
ZERO_COPY = 64 << 10


def serve(path: str) -> None:
    socket = zmq.Context(io_threads=1).socket(zmq.REP)
    socket.bind(f"ipc://{path}")
    mine = b""
    print("ready", flush=True)
    while True:
        what = socket.recv()
        frame = socket.recv(copy=False)
        if what == b"i":
            socket.send(frame.buffer[-1:].tobytes() or b"\0")
        elif what == b"o":
            (wanted,) = struct.unpack("Q", frame.buffer)
            if len(mine) != wanted:
                mine = WORKERS_BYTE * wanted
            socket.send(mine, copy=wanted < ZERO_COPY)
        elif len(frame) < ZERO_COPY:
            socket.send(frame.bytes)
        else:
            socket.send(frame, copy=False)


if __name__ == "__main__":
    serve(sys.argv[1])

"""Worker of gRPC; arguments: path of its Unix socket, "threads" or "asyncio".

Its documentation recommends asyncio, and for the other kind as few threads as there are calls at a time.
"""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from messages_pb2 import Payload, Size
from messages_pb2_grpc import WorkerServicer, add_WorkerServicer_to_server

WORKERS_BYTE = b"\x3f"
OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.optimization_target", "latency"),
]


class Answers:
    """What both kinds of server answer."""

    _mine: Any = Payload()

    def echo(self, request: Any) -> Any:
        return request

    def take(self, request: Any) -> Any:
        data = request.data
        return Size(bytes=data[-1] if data else 0)

    def give(self, request: Any) -> Any:
        if len(self._mine.data) != request.bytes:
            self._mine = Payload(data=WORKERS_BYTE * request.bytes)
        return self._mine


class Blocking(Answers, WorkerServicer):  # type: ignore[misc]
    """For the threads."""

    def Echo(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's names
        return self.echo(request)

    def In(self, request: Any, context: Any) -> Any:  # noqa: N802
        return self.take(request)

    def Out(self, request: Any, context: Any) -> Any:  # noqa: N802
        return self.give(request)


class Async(Answers, WorkerServicer):  # type: ignore[misc]
    """For asyncio."""

    async def Echo(self, request: Any, context: Any) -> Any:  # noqa: N802
        return self.echo(request)

    async def In(self, request: Any, context: Any) -> Any:  # noqa: N802
        return self.take(request)

    async def Out(self, request: Any, context: Any) -> Any:  # noqa: N802
        return self.give(request)


def serve_threads(address: str) -> None:
    server = grpc.server(ThreadPoolExecutor(max_workers=1), options=OPTIONS)
    add_WorkerServicer_to_server(Blocking(), server)
    server.add_insecure_port(address)
    server.start()
    print("ready", flush=True)
    server.wait_for_termination()


async def serve_asyncio(address: str) -> None:
    server = grpc.aio.server(options=OPTIONS)
    add_WorkerServicer_to_server(Async(), server)
    server.add_insecure_port(address)
    await server.start()
    print("ready", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    endpoint = f"unix:{sys.argv[1]}"
    if sys.argv[2] == "asyncio":
        asyncio.run(serve_asyncio(endpoint))
    else:
        serve_threads(endpoint)

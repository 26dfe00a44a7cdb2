"""Frameworks that serve a function, called from Python as their users call them; see function_calls.py.

Each has an interpreter of its own, which setup_rivals makes.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import numpy
from function import WORKERS, Function

_PATIENCE_S = 60


def free_port() -> int:
    """One that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Server:
    """A server process, with a folder that goes with it.

    Attributes:
        folder: its own.
    """

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self._temporary.name)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, command: list[str], environment: dict[str, str]) -> None:
        """Starts it, as the leader of its group."""
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "log").open("wb"),
            env={**os.environ, **environment},
            cwd=self.folder,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )

    def wait_for(self, is_there: Any) -> None:
        """Until `is_there()` raises nothing."""
        assert self._process is not None
        end = time.monotonic() + _PATIENCE_S
        while True:
            try:
                is_there()
                return
            except Exception as error:
                if self._process.poll() is not None or time.monotonic() > end:
                    last = (self.folder / "log").read_text(errors="replace").strip().splitlines()[-1:]
                    self.close()
                    raise RuntimeError(f"the server does not answer: {error}; {' '.join(last)}") from None
            time.sleep(0.1)

    def close(self) -> None:
        """Ends it with all that it has started."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(3)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._temporary.cleanup()


class Ray(Function):
    """Ray Serve: a deployment with one replica, called through its handle."""

    def __init__(self) -> None:
        import logging

        import ray
        from ray import serve

        self._ray, self._serve = ray, serve
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=256 << 20,
        )
        serve.start(proxy_location="Disabled")

        @serve.deployment(num_replicas=1)
        class Double:
            def __call__(self, value: Any) -> Any:
                return value * 2

        self._handle = serve.run(Double.bind())

    def value_call(self, value: Any) -> Any:
        return self._handle.remote(value).result()

    def close(self) -> None:
        self._ray.shutdown()


class Http(Function):
    """JSON over one connection that is kept, as orjson writes it."""

    def __init__(self, command: list[str], environment: dict[str, str], server: Server, port: int, path: str) -> None:
        import orjson

        self._json = orjson
        self._server = server
        self._path = path
        server.start(command, environment)
        self._connection = HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)
        server.wait_for(lambda: self.value_call(1.0))

    def post(self, content: dict[str, Any]) -> Any:
        """The answer to one request. Servers close connections that are idle for some seconds."""
        text = self._json.dumps(content, option=self._json.OPT_SERIALIZE_NUMPY)
        try:
            answer = self._exchange(text)
        except (OSError, HTTPException):
            self._connection.close()
            answer = self._exchange(text)
        return self._json.loads(answer)

    def _exchange(self, text: bytes) -> bytes:
        self._connection.request("POST", self._path, text, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {answer[:200]!r}")
        return answer

    def close(self) -> None:
        self._server.close()


class LitServe(Http):
    """LitServe; an array as base64 of its bytes."""

    def __init__(self) -> None:
        import litserve  # noqa: F401 - that it is there

        port = free_port()
        command = [sys.executable, str(WORKERS / "litserve_server.py"), str(port)]
        super().__init__(command, {}, Server(), port, "/predict")

    def value_call(self, value: Any) -> Any:
        return self.post({"value": value})["value"]

    def array_call(self, array: Any) -> Any:
        text = self.post({"array": base64.b64encode(array).decode()})["array"]
        return numpy.frombuffer(base64.b64decode(text), numpy.float32)


class MlServer(Http):
    """MLServer: the Open Inference Protocol; an array as numbers, as it takes no bytes behind the header."""

    def __init__(self) -> None:
        import mlserver  # noqa: F401 - that it is there

        server = Server()
        port, rest = free_port(), [free_port(), free_port()]
        model = {"name": "double", "implementation": "mlserver_model.Double"}
        settings = {"http_port": port, "grpc_port": rest[0], "metrics_port": rest[1], "host": "127.0.0.1"}
        (server.folder / "model-settings.json").write_text(json.dumps(model), encoding="utf-8")
        (server.folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
        command = [str(Path(sys.executable).parent / "mlserver"), "start", str(server.folder)]
        super().__init__(command, {"PYTHONPATH": str(WORKERS)}, server, port, "/v2/models/double/infer")

    def value_call(self, value: Any) -> Any:
        return self._infer("FP64", [1], [value])[0]

    def array_call(self, array: Any) -> Any:
        return numpy.array(self._infer("FP32", list(array.shape), array), numpy.float32)

    def _infer(self, kind: str, shape: list[int], data: Any) -> Any:
        answer = self.post({"inputs": [{"name": "x", "shape": shape, "datatype": kind, "data": data}]})
        return answer["outputs"][0]["data"]


class Dynamo(Function):
    """Dynamo's runtime: requests over TCP, found through a folder; what is sent is JSON, an array base64 in it."""

    def __init__(self) -> None:
        from dynamo.runtime import DistributedRuntime, UnaryClient

        self._server = Server()
        os.environ.update(DYN_FILE_KV=str(self._server.folder / "places"), DYN_LOG="error")
        self._server.start([sys.executable, str(WORKERS / "dynamo_server.py")], {})
        self._loop = asyncio.new_event_loop()

        async def connected() -> Any:
            runtime = DistributedRuntime(asyncio.get_running_loop(), "file", "tcp")
            client = await runtime.endpoint("bench.worker.double").client()
            await asyncio.wait_for(client.wait_for_instances(), _PATIENCE_S)
            return runtime, UnaryClient(client)

        self._runtime, self._client = self._loop.run_until_complete(connected())

    def _complete(self, content: Any) -> Any:
        return self._loop.run_until_complete(self._client.complete(content))

    def value_call(self, value: Any) -> Any:
        return self._complete({"value": value})["value"]

    def array_call(self, array: Any) -> Any:
        text = self._complete({"array": base64.b64encode(array).decode()})["array"]
        return numpy.frombuffer(base64.b64decode(text), numpy.float32)

    def close(self) -> None:
        self._runtime.shutdown()
        self._server.close()


RIVALS = {"ray": Ray, "litserve": LitServe, "mlserver": MlServer, "dynamo": Dynamo}

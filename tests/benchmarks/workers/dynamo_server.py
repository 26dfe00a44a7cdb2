"""Dynamo's endpoint of `double`; $DYN_FILE_KV says where it is to be found."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import numpy
from dynamo.runtime import DistributedRuntime, serve_unary_endpoint
from functions import double


async def handle(request: Any, *, context: Any) -> Any:
    """A number, or the bytes of an array in base64."""
    if "value" in request:
        return {"value": double(request["value"])}
    array = numpy.frombuffer(base64.b64decode(request["array"]), numpy.float32)
    return {"array": base64.b64encode(double(array)).decode()}


async def main() -> None:
    """Serves until it is ended."""
    runtime = DistributedRuntime(asyncio.get_running_loop(), "file", "tcp")
    await serve_unary_endpoint(runtime.endpoint("bench.worker.double"), handle)


if __name__ == "__main__":
    asyncio.run(main())

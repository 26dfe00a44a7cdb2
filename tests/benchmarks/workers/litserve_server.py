"""LitServe's server of `double`. Argument: the port."""

from __future__ import annotations

import base64
import sys
from typing import Any

import litserve
import numpy
from functions import double


class Double(litserve.LitAPI):
    """A number, or the bytes of an array in base64."""

    def setup(self, device: str) -> None:
        """Nothing to load."""

    def decode_request(self, request):  # type: ignore[no-untyped-def] # an annotation would be read
        """What came, as Python has it."""
        if "value" in request:
            return request["value"]
        return numpy.frombuffer(base64.b64decode(request["array"]), numpy.float32)

    def predict(self, value: Any) -> Any:
        """The function."""
        return double(value)

    def encode_response(self, output: Any) -> Any:
        """What goes back."""
        if isinstance(output, numpy.ndarray):
            return {"array": base64.b64encode(output).decode()}
        return {"value": output}


if __name__ == "__main__":
    server = litserve.LitServer(Double(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="error")

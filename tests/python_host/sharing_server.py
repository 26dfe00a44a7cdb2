"""The server of the tests of shared memory and streams."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from host_server import HostServer

from tech_renaissance import Cancelled
from tech_renaissance.platform import stop_signals
from tech_renaissance.worker.context import find_call

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tech_renaissance.protocol import Response


class SharingServer(HostServer):
    """Keeps inputs, makes results in shared memory, and streams."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[NDArray[np.float64]] = []
        self.sent = 0
        self.end = ""

    def main_logic(self, command: str, parameters: str) -> bool:
        """Serves one request."""
        if command == "keep":
            self.keep(parameters)
        elif command == "keep_and_send_back":
            self.kept.append(self.get_tensors(parameters))
            self.send_tensors(self.kept[-1])
        elif command == "changed":
            changed = [i for i, array in enumerate(self.kept) if not (array == i).all()]
            self.write_response(command, f"{len(changed)} of {len(self.kept)}")
            self.kept.clear()
        elif command == "sum":
            self.send_tensors(self.get_tensors(parameters).sum())
        elif command == "twice":
            tensor = self.get_tensors(parameters)
            self.send_tensors(one=tensor, other=tensor)
        elif command == "write_to":
            self.get_tensors(parameters)[...] = 42
        elif command == "made_here":
            self.send_tensors(self.filled(*map(int, parameters.split())))
        elif command == "bools":
            self.send_tensors(self.empty((int(parameters),), "bool"))
        elif command == "stream":
            self.stream(*parameters.split())
        elif command == "stream_back":
            for array in self.get_tensors(parameters, -1):
                self.stream_tensors(array)
        elif command == "stream_and_be_stopped":
            self.be_stopped_in_the_first_part(parameters)
            self.stream("2")
        elif command == "how_it_went":
            self.write_response(command, f"{self.sent} {self.end}")
        else:
            return super().main_logic(command, parameters)
        return True

    def keep(self, tag: str) -> None:
        """Keeps an input, and sends it times ten, in turn from memory of each kind."""
        array = self.get_tensors(tag)
        self.kept.append(array)
        result = self.empty(array.shape, array.dtype) if len(self.kept) % 2 else np.empty_like(array)
        result[...] = array * 10
        self.send_tensors(result)

    def filled(self, value: int, size: int) -> NDArray[np.float64]:
        """An array in shared memory."""
        out: NDArray[np.float64] = self.empty((size,), "float64")
        out[...] = value
        return out

    def stream(self, count: str, size: str = "3", fifo: str = "", end: str = "") -> None:
        """Streams 0, 1, ...; after the first, waits until the FIFO has been written."""
        self.sent, self.end = 0, "running"
        try:
            for i in range(int(count)):
                self.stream_tensors(self.filled(i, int(size)))
                self.sent += 1
                if i == 0 and fifo:
                    Path(fifo).read_text()
        except Cancelled as error:
            self.end = error.code
            raise
        if end:
            raise ValueError(end)
        self.end = "finished"

    def be_stopped_in_the_first_part(self, patience: str) -> None:
        """Has a signal come in the moment in which the part is out, and nothing else of it has been done."""
        stop_signals._LAST_SECONDS = float(patience)
        carrier = find_call().channel.carrier  # type: ignore[union-attr]
        publish = carrier.publish_part

        def publish_and_be_stopped(response: Response) -> None:
            publish(response)
            os.kill(os.getpid(), signal.SIGTERM)

        carrier.publish_part = publish_and_be_stopped  # type: ignore[method-assign]


if __name__ == "__main__":
    SharingServer().run()

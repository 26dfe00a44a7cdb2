"""The host's end of one channel of a server in the same process."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from ..channel.doorbell import open_doorbell
from ..channel.tensor_store import TensorStore
from ..errors import (
    CANCELLED,
    CONFLICT,
    INVALID_REQUEST,
    NOT_FOUND,
    OVERLOADED,
    PERMISSION_DENIED,
    QUOTA_EXHAUSTED,
    REQUEST_TOO_LARGE,
    SERVER_ERROR,
    TIMEOUT,
    InputError,
    NotFoundError,
    RemoteError,
    RestartError,
    RetryError,
    TRException,
)
from ..errors import TimeoutError as LimitPassed
from ..platform.files import AtomicWriter, Place, read_small
from ..platform.waits import READABLE, new_wait
from ..protocol import messages
from ..protocol.json_object import MAX_MESSAGE_BYTES, encode_object

if TYPE_CHECKING:
    from .in_process import InProcess

_PROBE = ".tmp-doorbell"
_CLASSES: dict[str, type[TRException]] = {
    INVALID_REQUEST: InputError,
    PERMISSION_DENIED: InputError,
    REQUEST_TOO_LARGE: InputError,
    NOT_FOUND: NotFoundError,
    OVERLOADED: RetryError,
    CONFLICT: RetryError,
    CANCELLED: RetryError,
    TIMEOUT: LimitPassed,
    QUOTA_EXHAUSTED: RestartError,
    SERVER_ERROR: RestartError,
}


class Line:
    """Sends requests one after the other, and waits for their answers. One thread at a time.

    Args:
        directory: of the channel.
        server: that answers there.

    Attributes:
        busy: a request has been sent, and its answer has not come.
    """

    def __init__(self, directory: str, server: InProcess) -> None:
        self._directory = directory
        self._server = server
        self._place = Place(directory)
        self._writer = AtomicWriter(directory, self._place)
        self.tensors = TensorStore(directory, self._writer)
        self._doorbell, _ = open_doorbell("auto", directory, ("response.json", _PROBE), self._ring)
        self.busy = False
        self._request = 0
        self._command = ""
        self._sent = 0.0

    def send(self, request: int, message: dict[str, object], timeout_ms: int) -> None:
        """Sends a request, after whatever tensors it names."""
        self._request = request
        self._command = str(message["command"])
        message = {**message, "id": request, "timestamp": messages.now_ms()}
        if timeout_ms:
            message["deadline_ms"] = timeout_ms
        data = encode_object(message)
        if len(data) > MAX_MESSAGE_BYTES:
            raise InputError(
                f"a request of {len(data)} bytes is over the limit of {MAX_MESSAGE_BYTES}; "
                "send data of this size as a tensor",
                REQUEST_TOO_LARGE,
            )
        self._sent = time.monotonic()
        self.busy = True
        self._writer.write(f"{self._directory}/request.json", data)

    def receive(self, deadline: float | None) -> messages.Response:
        """The answer, or a part of it: as long as its `more` says so, there are others.

        Raises:
            TimeoutError: the deadline (time.monotonic) has passed.
            RestartError: the server has ended.
            TRException: what the answer carries.
        """
        while True:  # what does not belong to this request is none of its answers
            response = messages.parse_response(self._take(deadline))
            os.unlink(f"{self._directory}/response.json")
            if response.id == self._request:
                break
        self.busy = response.more
        if response.failure is not None:
            raise _error(self._command, response.failure)
        return response

    def took_part(self) -> None:
        """The tensors of a part have been loaded: the server may put others in their place."""
        self._writer.write(f"{self._directory}/room", b"")

    def cancel(self) -> None:
        """Tells the server, if it is still there, that nobody waits for the answer."""
        with contextlib.suppress(FileNotFoundError):
            self._writer.write(f"{self._directory}/cancel.json", encode_object({"id": self._request}))

    def drain(self) -> None:
        """Takes what the answer to that request still has, until it has come to its end, or the server to its own."""
        with contextlib.suppress(TRException, OSError):
            while self.receive(None).more:
                self.took_part()

    def close(self) -> None:
        """Releases what it holds."""
        self._doorbell.close()
        self._place.close()

    def _take(self, deadline: float | None) -> bytes:
        poll = new_wait()
        for descriptor in (self._doorbell.descriptor, self._server.ended):
            if descriptor >= 0:
                poll.register(descriptor, READABLE)
        while True:
            self._doorbell.clear()
            runs = self._server.runs()
            data = read_small(f"{self._directory}/response.json", MAX_MESSAGE_BYTES)
            if data is not None:
                return data
            if not runs:
                raise RestartError(
                    f"the server has ended while it was at work on '{self._command}'"
                    + (f": {self._server.error!r}" if self._server.error is not None else "")
                ) from self._server.error
            limit: float = self._doorbell.timeout_ms()
            if deadline is not None:
                left = (deadline - time.monotonic()) * 1000
                if left <= 0:
                    raise self._late()
                limit = min(limit, left + 1)
            poll.poll(limit)

    def _late(self) -> LimitPassed:
        place, stack = self._server.where(self._request)
        at_work = (
            f"the time limit passed while waiting for an answer: the server is at work on '{self._command}' since "
            f"{int((time.monotonic() - self._sent) * 1000)} ms"
        )
        return LimitPassed(at_work + (f", its code stands at {place}" if place else ""), traceback=stack)

    def _ring(self) -> None:
        path = f"{self._directory}/{_PROBE}"
        self._writer.write(path, b"probe")
        os.unlink(path)


def _error(command: str, failure: messages.Failure) -> TRException:
    """What a session throws for it: `throw_failure` of the C++ library says it in the same words."""
    kind = f"{failure.type}: " if failure.type else ""
    message = f"'{command}' failed in the worker: {kind}{failure.message}"
    found = _CLASSES.get(failure.code, RemoteError)
    if found is RestartError:
        return RestartError(message, failure.code)
    if found is RemoteError:
        message += f"\n{failure.traceback}" if failure.traceback else ""
        return RemoteError(message, "", failure.type, failure.traceback)
    return found(message, failure.code, failure.type, failure.traceback)

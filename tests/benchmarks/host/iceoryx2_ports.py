"""One side of a request-response service of iceoryx2, which has no blocking receive: events tell that there is news."""

from __future__ import annotations

import ctypes
from typing import Any

import iceoryx2


class Ports:
    """A client or a server, and the events of both directions. A message is a letter, what to do, and bytes."""

    def __init__(self, name: str, *, server: bool) -> None:
        iceoryx2.set_log_level(iceoryx2.LogLevel.Error)
        self._node = iceoryx2.NodeBuilder.new().create(iceoryx2.ServiceType.Ipc)
        data = iceoryx2.Slice[ctypes.c_uint8]
        service = self._service(name).request_response(data, data).open_or_create()
        events = [self._service(f"{name}/{side}").event().open_or_create() for side in ("to_worker", "to_host")]
        hear, tell = events if server else reversed(events)
        self._listener, self._notifier = hear.listener_builder().create(), tell.notifier_builder().create()
        builder = service.server_builder() if server else service.client_builder()
        builder = builder.initial_max_slice_len(4096).allocation_strategy(iceoryx2.AllocationStrategy.PowerOfTwo)
        self._port = builder.create()
        self._limit = iceoryx2.Duration.from_secs(1)

    def _service(self, name: str) -> Any:
        return self._node.service_builder(iceoryx2.ServiceName.new(name))

    def ask(self, what: bytes, data: bytes, target: bytearray) -> None:
        """One round trip; the answer is copied into `target`."""
        request = self._port.loan_slice_uninit(1 + len(data))
        start = request.payload().as_ptr()
        ctypes.memmove(start, what, 1)
        ctypes.memmove(start + 1, data, len(data))
        pending = request.assume_init().send()
        self._notifier.notify()
        while (response := pending.receive()) is None:
            self._listener.timed_wait(self._limit)
        payload = response.payload()
        length = payload.len() - 1
        ctypes.memmove((ctypes.c_char * len(target)).from_buffer(target), payload.as_ptr() + 1, length)
        response.delete()
        pending.delete()

    def receive(self) -> tuple[Any, bytes, memoryview]:
        """The next request, waited for."""
        while (request := self._port.receive()) is None:
            self._listener.timed_wait(self._limit)
        view = request.payload().as_memory_view().cast("B")
        return request, bytes(view[:1]), view[1:]

    def answer(self, request: Any, data: memoryview) -> None:
        """Copies the bytes into the response and sends it."""
        response = request.loan_slice_uninit(1 + len(data))
        view = response.payload().as_memory_view().cast("B")
        view[1:] = data
        response.assume_init().send()
        self._notifier.notify()
        request.delete()

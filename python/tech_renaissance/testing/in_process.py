"""A server at work in this process, on a thread of its own: all that a worker is but for the process."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from typing import TYPE_CHECKING

from ..errors import Cancelled
from ..platform import waits
from ..platform.files import AtomicWriter, Place
from ..platform.process import start_time
from ..platform.stop_signals import StopSignals
from ..protocol import messages
from ..protocol.json_object import encode_object
from ..worker.context import follow_threads
from ..worker.failure import place_of, stack_of
from ..worker.runtime import Runtime

if TYPE_CHECKING:
    from typing import Any

    from ..channel.channel import Channel
    from ..worker.server import TechRenaissanceServer


def write_record(directory: str, session_id: str, tags_of: str | None = None) -> None:
    """What a host says of a channel, for a worker in the same process."""
    record: dict[str, object] = {
        "protocol": messages.PROTOCOL_VERSION,
        "session_id": session_id,
        "host_pid": os.getpid(),
        "host_start_time": start_time(os.getpid()),
        "epoch": 1,
        "carriers": ["files"],
        "wake_up": "auto",
    }
    if tags_of is not None:
        record["tags_of"] = tags_of
    AtomicWriter(directory, Place(directory)).write(f"{directory}/session.json", encode_object(record))


class _Stop(StopSignals):
    """Asked by a method instead of a signal, as signals are for the process, which is not the server's own."""

    def open(self) -> None:
        self.descriptor, self._relay = waits.pipe()
        self._thread = threading.get_ident()

    def request(self) -> None:
        self.requested = True
        self.wake()

    def close(self) -> None:
        for descriptor in (self.descriptor, self._relay):
            waits.close(descriptor)
        self.descriptor = self._relay = -1


class _Guard:
    """Of a host that is this process, whose death ends the server too."""

    serving = 0

    def watch(self, others: list[Any], tell: Any) -> None:
        pass


class InProcess(Runtime):
    """Serves on a thread that ends with the process.

    Args:
        server: to serve with; it is in use until `stop`.
        directory: of the session; write_record has been called for it.
        session_id: its name.

    Attributes:
        ended: readable when the server has ended.
        error: why it has, where it was not asked to.
    """

    def __init__(self, server: TechRenaissanceServer, directory: str, session_id: str) -> None:
        self.directory, self.session_id = directory, session_id
        stop = self._stopping = _Stop()
        self._open(server, stop)
        self._guard = _Guard()  # type: ignore[assignment]
        self.ended, self._tell_end = waits.pipe()
        self.error: BaseException | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(server,), name=type(server).__name__, daemon=True)

    def start(self) -> None:
        """Returns when it takes requests, or has ended before."""
        follow_threads()
        self._thread.start()
        self._ready.wait()

    def stop(self, seconds: float) -> bool:
        """Has it end when it can; whether it has within this time. Either way, nobody waits for it any longer."""
        self._stopping.request()
        self._thread.join(seconds)
        waits.ring(self._tell_end)
        return not self._thread.is_alive()

    def close(self) -> None:
        """Releases what it holds, once it has ended."""
        waits.close(self.ended)
        waits.close(self._tell_end)

    def runs(self) -> bool:
        """It has not ended."""
        return not waits.is_readable(self.ended, 0)

    def serve(self) -> None:
        """See Runtime."""
        self._stopping.open()
        self._guard.serving = threading.get_ident()
        try:
            self._serve()
        except Cancelled:
            pass
        finally:
            self._write_last_status(messages.EXITING)
            for channel in self._channels.all() if self._channels else ():
                channel.place.close()
            self._stopping.close()

    def where(self, request: int) -> tuple[str, str]:
        """Place and stack of the code that runs for a request; "" where that cannot be told."""
        calls = [call for call in self._calls_at_work() if call.request.id == request]
        if not calls or self._dispatcher is None:
            return "", ""
        frames = self._dispatcher.frames_of(calls[0], sys._current_frames(), self._guard.serving)
        return place_of(frames), stack_of(frames)

    def _announce(self, channel: Channel, refused: str) -> None:
        super()._announce(channel, refused)
        if not channel.name:
            self._ready.set()

    def _run(self, server: Any) -> None:
        try:
            server._TechRenaissanceServer__serve(self)
            if self._dispatcher is not None:
                self.error = self._dispatcher.exit
        except BaseException as error:  # which nobody else would see, as this is the thread's end
            self.error = error
            traceback.print_exc()
        finally:
            waits.ring(self._tell_end)
            self._ready.set()

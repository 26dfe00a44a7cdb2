"""The files carrier: requests and responses as files in the session directory.

What another carrier has to offer is `Carrier`; tensors travel apart from it (`storage.py`).
"""

from __future__ import annotations

import errno
import os
import select

from ..errors import InputError, RestartError
from ..platform.files import AtomicWriter, Place, read_small, remove
from ..platform.place import is_full
from ..protocol import messages
from ..protocol.json_object import MAX_MESSAGE_BYTES, parse_object
from .doorbell import Doorbell, open_doorbell
from .status import StatusKeeper

# Put in place for a moment, to see whether the doorbell rings.
_PROBE = ".tmp-doorbell"
_PAUSE_MS = 100

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..platform.process import ProcessWatch
    from ..platform.stop_signals import StopSignals


class Carrier:
    """Moves messages between a worker and its host.

    Attributes:
        name: of the carrier, in hello.json.
        wake_up: tier of its doorbell.
        fallback: why a better tier is not in use; "" when nothing was given up.
    """

    name = ""
    wake_up = ""
    fallback = ""

    def receive(self) -> messages.Request | None:
        """Waits for a request; it is the worker's until it is answered.

        None when there will be none: the worker was told to stop, or its host or directory is gone. A request that
        cannot be understood has a `problem`.
        """
        raise NotImplementedError

    def publish(self, response: messages.Response, status: str) -> None:
        """Answers the request that was received last. The host sees `status` when it sees the response.

        Raises:
            InputError: the response is too long (E1005). Nothing was published.
            OSError: there is no room. Nothing was published.
        """
        raise NotImplementedError

    def publish_part(self, response: messages.Response) -> None:
        """Sends a part of the answer, other parts of which follow. Errors as in `publish`."""
        raise NotImplementedError

    def wait_for_room(self, id: int | None) -> bool:  # noqa: A002 - of the request, its name on the wire
        """Waits until the host has taken the part sent last.

        Returns:
            False when there is no use in another: the host has cancelled the request of this id, or is gone, or the
            worker was told to stop. With None for the answer itself, for which a moment is left after that.
        """
        raise NotImplementedError

    def status(self, text: str) -> None:
        """Tells what the worker is doing, to whoever looks."""
        raise NotImplementedError

    def pause(self) -> bool:
        """Waits a moment for the system to be able to do what it has refused; False when there is no use in that."""
        raise NotImplementedError

    def close(self) -> None:
        """Releases what it holds."""


class FilesCarrier(Carrier):
    """`request.json`, `response.json` and `status.txt`.

    Attributes:
        place: the directory that they are in.
    """

    name = "files"

    def __init__(
        self, place: Place, writer: AtomicWriter, wake_up: str, stop: StopSignals, host: ProcessWatch, *, loose: bool
    ) -> None:
        self.place = place
        directory = place.directory
        self._request = f"{directory}/request.json"
        self._response = f"{directory}/response.json"
        self._status = f"{directory}/status.txt"
        self._cancel = f"{directory}/cancel.json"
        self._writer = writer
        self._stop = stop
        self._host = host
        self._keeper: StatusKeeper | None = None  # where this is the carrier in use, and no other's helper
        self._doorbell: Doorbell
        self._doorbell, self.fallback = open_doorbell(
            wake_up, directory, ("request.json", "room", _PROBE), self._ring_for_probe, loose=loose
        )
        self.wake_up = self._doorbell.tier
        self._poll = select.poll()
        for descriptor in (self._doorbell.descriptor, stop.descriptor, host.descriptor):
            if descriptor >= 0:
                self._poll.register(descriptor, select.POLLIN)

    def receive(self) -> messages.Request | None:
        """See Carrier."""
        doorbell, stop, host = self._doorbell, self._stop, self._host
        if self._keeper is None:
            self._keeper = StatusKeeper(self._write_status)
        waited = False
        while True:
            doorbell.clear()
            if stop.requested:
                return None
            request = self.take()
            if request is not None:
                if not self.place.is_there():
                    return None  # it is for the worker of the session that has this place now
                doorbell.expect()
                self._keeper.begin()
                return request
            # Looked at on every way round but the first, as the end of the directory may be what rang.
            if waited and not self.place.is_there():
                return None
            ready = self._poll.poll(doorbell.timeout_ms())
            waited = True
            if len(ready) == 1 and ready[0][0] == doorbell.descriptor:
                continue
            stop.clear()
            if host.gone():
                return None

    def take(self) -> messages.Request | None:
        """The request that lies in the directory, without waiting."""
        try:
            data = read_small(self._request, MAX_MESSAGE_BYTES)
            return None if data is None else messages.read_request(data)
        except InputError as error:
            return messages.unreadable(error)
        except OSError:
            return None  # Out of descriptors or memory for the moment: looked at again before long.

    def publish(self, response: messages.Response, status: str) -> None:
        """See Carrier."""
        self.publish_file(messages.encode_response(response), status)

    def publish_file(self, data: bytes, status: str | None = None) -> None:
        """Puts a response into the directory; see `publish` of Carrier. Without a status, that is left alone.

        The request goes first, so that the host may send the next once it has the response.
        """
        try:
            prepared = self._prepare(data)
        except OSError as error:
            if not is_full(error):
                raise
            self.remove_request()  # which leaves room for a short answer
            prepared = self._prepare(data)
        try:
            self.remove_request()
            if status is not None:
                self.status(status)
            os.rename(prepared, self._response)
        except BaseException:
            remove(prepared)
            raise

    def _prepare(self, data: bytes) -> str:
        if len(data) > MAX_MESSAGE_BYTES:
            raise InputError(
                f"the response is {len(data)} bytes long, over the limit of {MAX_MESSAGE_BYTES}: "
                "send data of this size as a tensor",
                "E1005",
            )
        return self._writer.prepare(data)

    def publish_part(self, response: messages.Response) -> None:
        """See Carrier. The request stays until the answer is whole."""
        os.rename(self._prepare(messages.encode_response(response)), self._response)

    def wait_for_room(self, id: int | None) -> bool:  # noqa: A002 - see Carrier
        """See Carrier."""
        doorbell = self._doorbell
        doorbell.expect()
        while True:
            doorbell.clear()
            if self.no_more(id):
                return False
            if not self.response_pending():
                return True
            limit = self._stop.patience_ms(doorbell.timeout_ms())
            self._poll.poll(limit)
            if limit == 0 or self._host.gone() or not self.place.is_there():
                return False

    def response_pending(self) -> bool:
        """The host has not taken the response in the directory."""
        return os.path.lexists(self._response)

    def no_more(self, id: int | None) -> bool:  # noqa: A002 - see Carrier
        """No other part is wanted of the request of this id: the host says so, or the worker was told to stop."""
        if id is None:
            return False
        if self._stop.requested:
            return True
        try:
            data = read_small(self._cancel, MAX_MESSAGE_BYTES)
            return data is not None and parse_object(data, "cancel.json").get("id") == id
        except (InputError, OSError):
            return False

    def remove_request(self) -> None:
        """Removes the request file, whatever it is."""
        try:
            os.unlink(self._request)
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno not in (errno.EISDIR, errno.EPERM):
                raise
            try:
                os.rmdir(self._request)
            except OSError:
                raise RestartError(f"{self._request} is a directory that cannot be removed") from None

    def status(self, text: str) -> None:
        """See Carrier."""
        if self._keeper is None:
            self._write_status(text)
        else:
            self._keeper.settle(text)

    def _write_status(self, text: str) -> None:
        """Never fails: a status that cannot be written is removed, as it would be untrue."""
        try:
            self._writer.write(self._status, text.encode("utf-8", "replace"))
        except FileNotFoundError:
            return  # What may be there now is another session's.
        except OSError:
            remove(self._status)

    def pause(self) -> bool:
        """See Carrier."""
        self._doorbell.clear()
        self._poll.poll(_PAUSE_MS)
        return not self._stop.requested and not self._host.gone() and self.place.is_there()

    def _ring_for_probe(self) -> None:
        path = f"{self.place.directory}/{_PROBE}"
        self._writer.write(path, b"probe")
        os.unlink(path)

    def close(self) -> None:
        """See Carrier."""
        if self._keeper is not None:
            self._keeper.close()
        self._doorbell.close()

"""The files carrier: requests and responses as files in the directory of a channel.

What another carrier has to offer is `Carrier`; tensors travel apart from it (`tensor_store.py`), and what it
waits on is a `Bell`.
"""

from __future__ import annotations

import errno
import os
import time

from ..errors import InputError, RestartError
from ..platform import steps
from ..platform.files import AtomicWriter, Place, read_small, remove, rename, unlink
from ..platform.place import is_full
from ..protocol import messages
from ..protocol.json_object import MAX_MESSAGE_BYTES, parse_object
from .status import StatusLine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .status import StatusKeeper

_NEWS_NS = 10_000_000


class Carrier:
    """Moves messages between a worker and a host.

    Attributes:
        name: of the carrier, in hello.json.
        news_is_exact: `news` changes at once.
        idle: there is no request that has been taken and not answered. True from just before the answer is out, so
            that no request is missed that comes at once.
    """

    name = ""
    news_is_exact = False
    idle = True

    def ready_since(self) -> int:
        """When the request that lies ready was sent, in nanoseconds of a clock that all channels share; 0 for none."""
        raise NotImplementedError

    def take(self, timeout_ms: int = 0) -> messages.Request | None:
        """That request, which is the worker's until it is answered; with a mailbox, one that comes within the time.

        One that cannot be understood has a `problem`.
        """
        raise NotImplementedError

    def doubt(self) -> None:
        """Time has passed without a request: has the next look ask for what no ring tells of."""

    def publish(self, response: messages.Response, status: str) -> None:
        """Answers the request that was taken last. The host sees `status` when it sees the response.

        Raises:
            InputError: the response is too long (E1005). Nothing was published.
            OSError: there is no room. Nothing was published.
        """
        raise NotImplementedError

    def answer(
        self,
        id: int,  # noqa: A002 - as on the wire
        command: str,
        result: str,
        tensors: Sequence[str],
        buffers: str,
        values: dict[str, object],
    ) -> bool:
        """The same for a request that succeeded, where it can be done in a shorter way; else False.

        Raises:
            InputError: a value cannot be sent.
        """
        return False

    def publish_part(self, response: messages.Response) -> None:
        """Sends a part of the answer, other parts of which follow. Errors as in `publish`."""
        raise NotImplementedError

    def is_dismissed(self) -> bool:
        """The host has asked the worker to end by a file, as older ones do."""
        return False

    def has_room(self) -> bool:
        """The host has taken the part sent last."""
        raise NotImplementedError

    def news(self) -> int:
        """The same as before, as long as the host can have cancelled nothing since, or not for long."""
        raise NotImplementedError

    def is_cancelled(self, id: int) -> bool:  # noqa: A002 - of a request, its name on the wire
        """The host wants no more of it."""
        raise NotImplementedError

    def fresh(self) -> int:
        """`news` as of which the request that was taken last has not been cancelled; -1 where that is to be looked for.

        To be asked once for each request, or what it says is -1 for the next.
        """
        return -1

    def status(self, text: str) -> None:
        """Tells what the worker is doing, to whoever looks."""
        raise NotImplementedError

    def greet(self) -> None:
        """Tells the host of the channel that the worker has come to it."""

    def close(self) -> None:
        """Its status is nobody's concern any more."""


class FilesCarrier(Carrier):
    """`request.json`, `response.json` and `status.txt`.

    Args:
        place: the directory that they are in.
        writer: of the files in it.
        keeper: of the worker's status lines; None where this is another carrier's helper.
    """

    name = "files"

    def __init__(self, place: Place, writer: AtomicWriter, keeper: StatusKeeper | None) -> None:
        directory = place.directory
        self._request = f"{directory}/request.json"
        self._response = f"{directory}/response.json"
        self._status = f"{directory}/status.txt"
        self._cancel = f"{directory}/cancel.json"
        self._place = place
        self._writer = writer
        self._line = StatusLine(keeper, self.write_status) if keeper else None

    def ready_since(self) -> int:
        """See Carrier."""
        try:
            return os.lstat(self._request).st_mtime_ns
        except OSError:
            return 0

    def take(self, timeout_ms: int = 0) -> messages.Request | None:
        """See Carrier."""
        try:
            data = read_small(self._request, MAX_MESSAGE_BYTES)
            request = None if data is None else messages.read_request(data)
        except InputError as error:
            request = messages.unreadable(error)
        except OSError:
            return None  # Out of descriptors or memory for the moment: looked at again before long.
        if request is not None and self._line is not None:
            if not self._place.is_there():
                return None  # it is for the worker of the session that has this place now
            self._line.begin()
            if steps.hook:
                steps.hook("request taken")
            self.idle = False
        return request

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
            self.idle = True
            rename(prepared, self._response)
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
        return self._writer.prepare(self._response, data)

    def publish_part(self, response: messages.Response) -> None:
        """See Carrier. The request stays until the answer is whole."""
        rename(self._prepare(messages.encode_response(response)), self._response)

    def has_room(self) -> bool:
        """See Carrier."""
        return not os.path.lexists(self._response)

    def news(self) -> int:
        """See Carrier."""
        return time.monotonic_ns() // _NEWS_NS

    def is_cancelled(self, id: int) -> bool:  # noqa: A002 - see Carrier
        """See Carrier."""
        try:
            data = read_small(self._cancel, MAX_MESSAGE_BYTES)
            return data is not None and parse_object(data, "cancel.json").get("id") == id
        except (InputError, OSError):
            return False

    def remove_request(self) -> None:
        """Removes the request file, whatever it is."""
        try:
            unlink(self._request)
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
        if self._line is None:
            self.write_status(text)
        else:
            self._line.settle(text)

    def write_status(self, text: str) -> None:
        """Never fails: a status that cannot be written is removed, as it would be untrue."""
        try:
            self._writer.write(self._status, text.encode("utf-8", "replace"))
        except FileNotFoundError:
            return  # What may be there now is another session's.
        except OSError:
            remove(self._status)

    def close(self) -> None:
        """See Carrier."""
        if self._line is not None:
            self._line.close()


class OlderFilesCarrier(FilesCarrier):
    """The same under a host of the older bridge, which ends its worker by a file as well."""

    def is_dismissed(self) -> bool:
        """See Carrier. The host has written "exit" to `status.txt`, or put `exit.flag` in place."""
        if os.path.lexists(f"{self._place.directory}/exit.flag"):
            return True
        try:
            status = read_small(self._status, MAX_MESSAGE_BYTES)
        except (InputError, OSError):
            return False
        return status is not None and status.strip() == b"exit"

    def publish(self, response: messages.Response, status: str) -> None:
        """See Carrier. To this host a line that begins with "error:" says that its worker has ended."""
        if response.failure is not None:
            status = "failed" + status.removeprefix("error")
        super().publish(response, status)

    def write_status(self, text: str) -> None:
        """See FilesCarrier. What the host has written stays until it has been heeded."""
        if not self.is_dismissed():
            super().write_status(text)

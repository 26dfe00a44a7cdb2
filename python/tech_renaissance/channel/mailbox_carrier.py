"""The mailbox carrier: requests and responses through mapped memory, woken by a futex."""

from __future__ import annotations

from ..errors import InputError
from ..platform import steps
from ..protocol import messages
from .carrier import Carrier, FilesCarrier
from .status import StatusLine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .mailbox import Messages
    from .status import StatusKeeper


class MailboxCarrier(Carrier):
    """Messages in the mailbox. One too long for its slot goes through the files, announced by an empty message.

    Args:
        box: the mailbox of the channel.
        files: takes over for long messages, and for requests sent before the host knew of this carrier.
        keeper: of the worker's status lines.
    """

    name = "mailbox"
    news_is_exact = True

    def __init__(self, box: Messages, files: FilesCarrier, keeper: StatusKeeper) -> None:
        self._box: Any = box  # as mypy does not follow what `type(…) is` and `is_plain` rule out
        self._files = files
        self._by_file = False
        self._unsure = True  # there may be a request that nothing announces, as while this worker was starting
        self._rings = 0  # as they were when that was asked last
        self._line = StatusLine(keeper, self._write_status)
        self.news = box.rings  # type: ignore[method-assign]
        self.is_cancelled = files.is_cancelled  # type: ignore[method-assign]

    def doubt(self) -> None:
        """See Carrier. The file is the truth, whoever put it there."""
        self._unsure = True

    def ready_since(self) -> int:
        """See Carrier."""
        since: int = self._box.ready_since()
        if since == 0 and self._unsure:
            self._unsure = self._files.ready_since() != 0
            return 1 if self._unsure else 0
        return since

    def take(self, timeout_ms: int = 0) -> messages.Request | None:
        """See Carrier."""
        request = None
        if self._unsure:
            self._unsure = False
            request = self._from_file()
        if request is None:
            try:
                found = self._box.next(timeout_ms)
            except InputError as error:
                request = messages.unreadable(error)
            else:
                self._by_file = False
                if type(found) is tuple:
                    request = messages.Request(*found)
                elif found:
                    request = messages.read_request(found)
                elif found is None or (request := self._from_file()) is None:
                    return None
        self.idle = False
        self._line.set(messages.BUSY)
        if steps.hook:
            steps.hook("request taken")
        return request

    def fresh(self) -> int:
        """See Carrier. The host rings for a request, and then to cancel it: once means that it has not."""
        rings: int = self._box.rings()
        once = (rings - self._rings) & 0xFFFFFFFF == 1
        self._rings = rings
        return rings if once else -1

    def _from_file(self) -> messages.Request | None:
        request = self._files.take()
        self._by_file = request is not None
        return request

    def answer(
        self,
        id: int,  # noqa: A002 - see Carrier
        command: str,
        result: str,
        tensors: Sequence[str],
        buffers: str,
        values: dict[str, object],
    ) -> bool:
        """See Carrier."""
        if self._by_file:
            return False
        data = messages.encode_success(id, command, result, tensors, buffers, "", values) if values else b""
        self._line.finish(messages.OK)
        self.idle = True
        sent: bool = self._box.send(data) if data else self._box.answer(id, command, result, tensors, buffers)
        return sent

    def publish(self, response: messages.Response, status: str) -> None:
        """See Carrier."""
        self._line.finish(status)
        if self._by_file:
            self._files.remove_request()
            self._by_file = False
        self.idle = True
        data = messages.encode_response(response)
        if not self._box.send(data):
            self._files.publish_file(data)
            self._box.send(b"")

    def publish_part(self, response: messages.Response) -> None:
        """See Carrier."""
        data = messages.encode_response(response)
        if not self._box.send(data):
            self._files.publish_part(response)
            self._box.send(b"")

    def has_room(self) -> bool:
        """See Carrier."""
        return self._box.received_by_peer() and self._files.has_room()

    def status(self, text: str) -> None:
        """See Carrier."""
        self._line.tell(text)

    def _write_status(self, text: str) -> None:
        self._files.write_status(text)
        self._box.tell_status_changed()

    def greet(self) -> None:
        """See Carrier."""
        self._box.tell_status_changed()
        self._box.ring_peer()

    def close(self) -> None:
        """See Carrier."""
        self._line.close()

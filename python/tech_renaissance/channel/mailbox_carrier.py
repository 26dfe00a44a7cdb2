"""The mailbox carrier: requests and responses through mapped memory, woken by a futex."""

from __future__ import annotations

from ..errors import InputError
from ..protocol import messages
from .carrier import Carrier, FilesCarrier
from .status import StatusKeeper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..platform.process import ProcessWatch
    from ..platform.stop_signals import StopSignals
    from .mailbox import Messages

_RECHECK_MS = 1000


class MailboxCarrier(Carrier):
    """Messages in the mailbox. One too long for its slot goes through the files, announced by an empty message.

    Args:
        box: the mailbox of the session.
        note: why it is not the compiled module that does the work.
        files: takes over for long messages, and for requests sent before the host knew of this carrier.
    """

    name = "mailbox"
    wake_up = "futex"

    def __init__(self, box: Messages, note: str, files: FilesCarrier, stop: StopSignals, host: ProcessWatch) -> None:
        self._box: Any = box  # as mypy does not follow what `type(…) is` and `is_plain` rule out
        self.fallback = note
        self._files = files
        self._stop = stop
        self._host = host
        self._by_file = False
        self._first_look = True
        self._keeper = StatusKeeper(files.status)

    def receive(self) -> messages.Request | None:
        """See Carrier."""
        box = self._box
        request = self._from_file() if self._first_look else None  # sent while this worker was starting
        self._first_look = False
        while request is None:
            if self._stop.requested:
                return None
            try:
                found = box.next(_RECHECK_MS)
            except InputError as error:
                request = messages.Request("")
                request.problem = error
                break
            if found:
                request = messages.Request(*found) if type(found) is tuple else messages.read_request(found)
                self._by_file = False
            elif found is not None:
                request = self._from_file()
            elif self._host.gone() or not self._files.place.is_there():
                return None
            else:
                request = self._from_file()  # the file is the truth, whoever put it there
        self._keeper.set(messages.BUSY)
        return request

    def _from_file(self) -> messages.Request | None:
        request = self._files.take()
        self._by_file = request is not None
        return request

    def publish(self, response: messages.Response, status: str) -> None:
        """See Carrier."""
        self._keeper.finish(status)
        if self._by_file:
            self._files.remove_request()
            self._by_file = False
        box = self._box
        plain = response.id is not None and response.is_plain()
        if plain and box.answer(response.id, response.command, response.result, response.tensors):
            return
        data = messages.encode_response(response)
        if not box.send(data):
            self._files.publish_file(data)
            box.send(b"")

    def publish_part(self, response: messages.Response) -> None:
        """See Carrier."""
        data = messages.encode_response(response)
        if not self._box.send(data):
            self._files.publish_part(response)
            self._box.send(b"")

    def wait_for_room(self, id: int | None) -> bool:  # noqa: A002 - see Carrier
        """See Carrier."""
        while True:
            seen = self._box.bell()
            if self._files.no_more(id):
                return False
            if self._box.received_by_peer() and not self._files.response_pending():
                return True
            limit = self._stop.patience_ms(_RECHECK_MS)
            self._box.wait(seen, limit)
            if limit == 0 or self._host.gone() or not self._files.place.is_there():
                return False

    def status(self, text: str) -> None:
        """See Carrier."""
        self._keeper.tell(text)

    def pause(self) -> bool:
        """See Carrier."""
        return self._files.pause()

    def close(self) -> None:
        """Releases what it holds."""
        self._keeper.close()
        self._files.close()

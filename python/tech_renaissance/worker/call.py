"""One request and its one answer."""

from __future__ import annotations

from ..errors import CANCELLED, InputError, RetryError
from ..platform.output import log
from ..platform.place import place_error
from ..protocol import messages
from ..protocol.failure import failure_from
from ..protocol.messages import Failure, Request, Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..channel.carrier import Carrier
    from ..channel.storage import FileStorage
    from ..platform.stop_signals import StopSignals


# Of the message of a failure, where there is hardly room: it fits into what the request took.
_SHORT = 1000


class Turn:
    """Takes the tensors and the answer to a request and sees to it that there is exactly one answer.

    Attributes:
        answered: the answer is out.
        storage: of the session's tensors.
    """

    __slots__ = ("_carrier", "_parts", "_stop", "_tensors", "answered", "request", "storage")

    def __init__(self, request: Request, carrier: Carrier, storage: FileStorage, stop: StopSignals) -> None:
        self.request = request
        self.answered = False
        self._carrier = carrier
        self.storage = storage
        self._stop = stop
        self._tensors: list[str] = []
        self._parts = 0

    def stage(self, tensor: object) -> str:
        """Puts a tensor where the host will find it, to be announced by the answer; its tag."""
        if self._parts and not self._tensors:
            self._wait_for_room()  # or the tensors of the part before would be replaced before the host has them
        tag = f"result_{len(self._tensors)}"
        self.storage.store(tag, tensor)
        self._tensors.append(tag)
        return tag

    def send_part(self) -> None:
        """Sends the tensors staged so far as a part of the answer."""
        if self.request.legacy or self.request.id is None:
            raise InputError("the host of this session cannot take an answer in parts: it speaks the older protocol")
        if not self._tensors and self._parts:
            self._wait_for_room()
        response = Response(self.request.command, messages.OK, self.request.id, tensors=self._tensors)
        response.more = True
        armed, self._stop.armed = self._stop.armed, False
        try:
            self.storage.settle()
            self._carrier.publish_part(response)
            self._tensors = []
            self._parts += 1
        except OSError as error:
            raise self._unwritten(error) from None
        finally:
            if armed:
                self._stop.arm()

    def _wait_for_room(self) -> None:
        """Waits until the host has taken the part before. Raises RetryError (E4002) when it wants no more."""
        if not self._carrier.wait_for_room(self.request.id):
            raise RetryError(f"{self.request.command!r} was cancelled by the host", CANCELLED)

    def answer(self, result: str, command: str | None = None) -> None:
        """The answer of a request that succeeded, with the tensors staged so far."""
        request = self.request
        self._publish(Response(command or request.command, result, request.id, self._tensors), messages.OK)

    def status(self, text: str) -> None:
        """Tells how the request is coming on."""
        self._carrier.status(messages.one_line(text))

    def leave(self) -> None:
        """The answer to the request to exit."""
        self._publish(Response(self.request.command), messages.EXITING)

    def fail(self, failure: Failure, result: str = "error") -> None:
        """The answer of a request that failed; tensors staged so far are dropped."""
        for tag in self._tensors:
            self.storage.discard(tag)
        self._tensors = []
        self._publish(
            Response(self.request.command, result, message=failure.message, failure=failure),
            messages.error_status(failure.message or failure.type),
        )

    def _publish(self, response: Response, status: str) -> None:
        if self.answered:
            log(f"a second answer to {self.request.command!r} was dropped: a request has one answer")
            return
        response.id = self.request.id
        response.legacy = self.request.legacy
        # A signal must not end this halfway; it takes effect afterwards.
        stop = self._stop
        armed, stop.armed = stop.armed, False
        try:
            # Also of a stream that was cancelled: the host takes all its parts, and would burn this unread.
            if not self._parts or self._carrier.wait_for_room(None):
                self.storage.settle()
                self._carrier.publish(response, status)
                self.answered = True
            else:  # The host may be reading the part before, so this side may write nothing; its end will tell enough.
                log(f"{self.request.command!r} stays without an answer: the host has not taken the part before")
        except (InputError, OSError) as error:
            if response.failure is None:
                self.fail(failure_from(self._unwritten(error)))
            else:
                self._insist(response, status, error)
        if armed:
            stop.arm()

    def _insist(self, response: Response, status: str, error: InputError | OSError) -> None:
        """A failure has to be told: in short, and as soon as there is room for it."""
        failure = response.failure
        if failure is None or isinstance(error, InputError):
            raise error
        log(f"{self.request.command!r} cannot be answered yet: {self._unwritten(error)}")
        failure.message = response.message = failure.message[:_SHORT]
        failure.traceback = ""
        while self._carrier.pause():
            try:
                self._carrier.publish(response, status)
                self.answered = True
                return
            except OSError:
                continue
        raise error

    def _unwritten(self, error: InputError | OSError) -> Exception:
        if isinstance(error, InputError):
            return error
        return place_error(error, "writing the response", self.storage.directory)

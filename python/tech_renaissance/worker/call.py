"""One request and its one answer."""

from __future__ import annotations

import time

from ..channel.channel import Channel
from ..errors import CANCELLED, Cancelled, InputError
from ..platform import steps
from ..platform.output import log
from ..platform.place import place_error
from ..protocol import messages
from ..protocol.messages import Failure, Request, Response
from .context import too_late
from .failure import failure_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import Any

    from ..channel.carrier import Carrier
    from ..platform.stop_signals import StopSignals
    from .tally import Tally


# Of the message of a failure, where there is hardly room: it fits into what the request took.
_SHORT = 1000


class Call:
    """Takes the tensors and the answer to a request and sees to it that there is exactly one answer; for any thread.

    Attributes:
        request: what was asked.
        channel: where.
        answered: the answer is out, or about to be.
        over: `main_logic` has come to its end, so that nobody may do anything for this request any more.
        alone: no other thread can have it, so that nothing has to be locked.
        waiting: how many threads wait for it to be cancelled.
        thread: which runs it, of a server with `threads`.
        logic: the coroutine of its main_logic, where that is one.
        tally: of the class: counts calls, where somebody wants to know.
        hear: waits for the next time that the worker's event loop looks for news; None for a server without one.
    """

    # As a call begins. In the class, as most calls change hardly any of them.
    alone = answered = over = _cancelled = False
    hear: Callable[[], Awaitable[None]] | None = None
    waiting = thread = _parts = _since = 0
    logic: Any = None
    tally: Tally | None = None
    _news = -1
    _tensors: Sequence[str] = ()
    _names = ""  # of some of these, each behind its tag
    _values: dict[str, object] = {}  # noqa: RUF012 - never changed

    def __init__(self, request: Request, channel: Channel, stop: StopSignals) -> None:
        self.request = request
        self.channel = channel
        self._short = request.id is not None and not request.legacy  # an answer that needs no more than its texts
        self._stop = stop
        channel.call = self
        if self.tally is not None and self._is_counted():
            self._since = self.tally.begin()

    def is_for_main_logic(self) -> bool:
        """It can be read, and does not ask the worker to leave."""
        return self.request.problem is None and self.request.command != messages.EXIT_COMMAND

    # ------------------------------------------------------------------------------------------------------ tensors

    def load(self, tags: Sequence[str], framework: str) -> list[Any]:
        """The tensors under these tags. Raises RuntimeError when the host may be writing to them by now."""
        if self.alone:
            return self._load(tags, framework)
        with self.channel.lock:
            return self._load(tags, framework)

    def _load(self, tags: Sequence[str], framework: str) -> list[Any]:
        if self.answered or self.over:
            raise too_late(" ".join(tags))
        load, buffers = self.channel.load, self.request.buffers
        return [load(tag, framework, buffers) for tag in tags]

    def empty(self, shape: Sequence[int], dtype: object, framework: str) -> Any:
        """A tensor for the answer, not initialised; see TensorStore."""
        if self.alone:
            return self.channel.tensors.empty(shape, dtype, framework)
        with self.channel.lock:
            return self.channel.tensors.empty(shape, dtype, framework)

    def stage(self, tensors: tuple[object, ...], named: dict[str, object] | None = None) -> bool:
        """Puts tensors where the host will find them, to be announced by the answer; False when that is out."""
        if self.alone:
            return self._stage_named(tensors, named) if named else self._stage(tensors)
        with self.channel.lock:
            return self._stage_named(tensors, named) if named else self._stage(tensors)

    def _stage_named(self, tensors: tuple[object, ...], named: dict[str, object]) -> bool:
        for name in named:
            if messages.check_tag(name, "the name of a tensor") in self._names.split(" ")[1::2]:
                raise InputError(f"this answer has a tensor named {name!r} already: expected another name")
        if not self._stage((*tensors, *named.values())):
            return False
        tags = self._tensors[-len(named) :]
        self._names = " ".join(filter(None, (self._names, *(f"{tag} {name}" for tag, name in zip(tags, named)))))
        self._short = False
        return True

    def _stage(self, tensors: Sequence[object]) -> bool:
        if self.answered or self.over:
            return False
        for tensor in tensors:
            if self._parts and not self._tensors:
                self._wait_for_room()  # or this would replace what the host has yet to take
            tag = f"result_{len(self._tensors)}"
            self.channel.tensors.store(tensor, tag)
            self._tensors = [*self._tensors, tag]
            if steps.hook:
                steps.hook("result staged")
        return True

    # -------------------------------------------------------------------------------------------------------- parts

    def send_part(
        self,
        tensors: tuple[object, ...],
        named: dict[str, object] | None = None,
        values: dict[str, object] | None = None,
    ) -> bool:
        """Sends tensors, after those staged so far, as a part of the answer, and values with them.

        False when the answer is out.
        """
        with self.channel.lock:
            if not self.stage(tensors, named):
                return False
            request = self.request
            if request.legacy or request.id is None:
                raise InputError(
                    "the host of this session cannot take an answer in parts: it speaks the older protocol"
                )
            if steps.hook:
                steps.hook("part about to go out")
            if not self._tensors and self._parts:
                self._wait_for_room()
            response = Response(request.command, messages.OK, request.id, tensors=self._tensors)
            response.more = True
            response.names = self._names
            response.values = values or {}
            armed = self._stop.disarm()
            try:
                self.channel.tensors.settle()
                response.buffers = self.channel.tensors.places(self._tensors)
                self.channel.carrier.publish_part(response)
                self._tensors, self._names = (), ""
                self._parts += 1
                self._short = False
            except OSError as error:
                raise self._unwritten(error) from None
            finally:
                if armed:
                    self._stop.arm()
            if steps.hook:
                steps.hook("part out")
            return True

    def waits_for_room(self) -> bool:
        """The host has yet to take the part before."""
        return bool(self._parts) and not self.channel.carrier.has_room()

    def _wait_for_room(self) -> None:
        """Waits until the host has taken the part before. Raises Cancelled when it wants no more."""
        if steps.hook:
            steps.hook("waiting for room")
        if not self._has_room_in_time(self.look):
            raise Cancelled(f"{self.request.command!r} was cancelled by the host")
        if steps.hook:
            steps.hook("room for a part")

    def _has_room_in_time(self, given_up: Callable[[], bool]) -> bool:
        """Waits for it; False when it will not come: given up, the worker is to leave at once, or the host is gone."""
        channel, bell = self.channel, self.channel.bell
        bell.expect()
        while True:
            seen = bell.look()
            if given_up():
                return False
            if channel.carrier.has_room():
                return True
            limit = self._stop.patience_ms(bell.timeout_ms(at_work=True))
            bell.wait(seen, limit)
            if limit == 0 or channel.is_lost():
                return False

    # ----------------------------------------------------------------------------------------------------- cancelled

    def cancelled(self) -> bool:
        """Nobody wants the answer any more: the host says so, or the worker was told to stop, or the call is over."""
        if self._cancelled or self.over or self._stop.requested:
            return True
        carrier = self.channel.carrier
        news = carrier.news()
        if news != self._news:
            if self.request.id is not None and carrier.is_cancelled(self.request.id):
                self._cancelled = True
            self._news = news  # last: another thread that looks meanwhile is to look for itself
        return self._cancelled

    def trust(self, carrier: Carrier) -> None:
        """As it has just been taken, its carrier may know that it has not been cancelled yet."""
        self._news = carrier.fresh()

    def look(self) -> bool:
        """The same, for those who were woken: what has woken them may be the cancelling."""
        if not self.channel.carrier.news_is_exact:
            self._news = -1
        return self.cancelled()

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        self._cancelled = True
        self._short = False

    def wait_until_cancelled(self, timeout_ms: int | None) -> bool:
        """Blocks until that is so, at most this long; whether it is."""
        bell = self.channel.bell
        deadline = None if timeout_ms is None else time.monotonic() + timeout_ms / 1000
        self.waiting += 1  # which need not be exact
        try:
            while True:
                seen = bell.look()
                if self.look():
                    return True
                limit = bell.timeout_ms(at_work=True)
                if deadline is not None:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        return False
                    limit = min(limit, int(left * 1000) + 1)
                bell.wait(seen, limit)
        finally:
            self.waiting -= 1

    # -------------------------------------------------------------------------------------------------------- answer

    def answer(self, result: str, command: str | None = None) -> None:
        """The answer of a request that succeeded, with the tensors staged so far."""
        if steps.hook:
            steps.hook("answer about to go out")
        if self.alone:
            self._answer(result, command or self.request.command)
        else:
            with self.channel.lock:
                self._answer(result, command or self.request.command)
        if steps.hook:
            steps.hook("answer out")

    def _answer(self, result: str, command: str) -> None:
        if self._short and not (self.answered or self.over):  # as nearly all are
            stop, channel = self._stop, self.channel
            armed = stop.armed
            if self.alone:
                stop.armed = False
            elif armed:
                armed = stop.disarm()
            buffers = ""
            if self._tensors:
                channel.tensors.settle()
                buffers = channel.tensors.places(self._tensors)
            number = self.request.id or 0
            try:
                self.answered = channel.carrier.answer(number, command, result, self._tensors, buffers, self._values)
            except InputError:
                self.answered = False  # a value that cannot be sent, which is told below
            if buffers and channel.tensors.names_are_due():
                channel.name_tensors()
            if not self._tensors and channel.tensors.stored_at:
                channel.give_back()
            if self.answered and self.tally is not None:
                self._count(failed=False)
            if armed:
                stop.arm()
            if self.answered:
                return
        self._publish(Response(command, result, None, self._tensors), messages.OK)

    def answer_values(self, values: dict[str, object]) -> None:
        """The answer of a request that succeeded, with results that are no tensors, by name."""
        self._values = values
        self.answer(messages.OK)

    def status(self, text: str) -> None:
        """Tells how the request is coming on."""
        if not self.over:
            self.channel.carrier.status(messages.one_line(text))

    def leave(self) -> None:
        """The answer to the request to exit."""
        if steps.hook:
            steps.hook("exit requested")
        response = Response(self.request.command)
        response.leaving = True
        self._publish(response, messages.EXITING)
        if steps.hook:
            steps.hook("exit answered")

    def fail(self, failure: Failure, result: str = "error") -> None:
        """The answer of a request that failed; tensors staged so far are dropped."""
        with self.channel.lock:
            if not (self.answered or self.over):
                for tag in self._tensors:
                    self.channel.tensors.discard(tag)
                self._tensors, self._names = (), ""
            self._publish(
                Response(self.request.command, result, message=failure.message, failure=failure),
                messages.error_status(failure.message or failure.type),
            )

    def fail_as_cancelled(self) -> None:
        """The answer of a request that was cut short, if there is none yet."""
        if not self.answered:
            why = ": the worker was told to stop" if self._stop.requested else " by the host"
            self.fail(Failure(CANCELLED, f"{self.request.command!r} was cancelled{why}"))

    def close(self) -> None:
        """`main_logic` has come to its end, and its answer is out."""
        if self.alone:
            self._end()
        else:
            with self.channel.lock:
                self._end()
        if self.waiting:
            self.channel.bell.ring()

    def _end(self) -> None:
        self.over = True
        if self.channel.tensors.loans:
            self.channel.tensors.own_loans()

    def _publish(self, response: Response, status: str) -> None:
        if self.answered or self.over:
            log(f"a second answer to {self.request.command!r} was dropped: a request has one answer")
            return
        response.id = self.request.id
        response.legacy = self.request.legacy
        response.names = self._names
        if response.failure is None:
            response.values = self._values
        channel = self.channel
        # A signal must not end this halfway; it takes effect afterwards.
        stop = self._stop
        armed = stop.disarm()
        try:
            if channel.closed:
                self.answered = True  # to nobody
            # Also of a stream that was cancelled: the host takes all its parts, and would burn this unread.
            elif not self._parts or self._has_room_in_time(channel.is_lost):
                channel.tensors.settle()
                response.buffers = channel.tensors.places(self._tensors)
                self.answered = True
                channel.carrier.publish(response, status)
                if response.buffers and channel.tensors.names_are_due():
                    channel.name_tensors()
                if not self._tensors and channel.tensors.stored_at:
                    channel.give_back()
            else:  # The host may be reading the part before, so this side may write nothing; its end will tell enough.
                log(f"{self.request.command!r} stays without an answer: the host has not taken the part before")
        except (InputError, OSError) as error:
            self.answered = channel.is_given_up()
            if self.answered:
                log(f"{self.request.command!r} stays without an answer: channel {channel.name} is gone")
            elif response.failure is None:
                self.fail(failure_from(self._unwritten(error)))
            else:
                self._insist(response, status, error)
        if self.answered and self.tally is not None:
            self._count(failed=response.failure is not None)
        if armed:
            stop.arm()

    def _count(self, *, failed: bool) -> None:
        since, self._since = self._since, 0  # once
        if since and self.tally is not None:
            self.tally.end(since, failed)

    def _is_counted(self) -> bool:
        return self.request.problem is None and not self.request.command.startswith("__")  # those are the worker's own

    def _insist(self, response: Response, status: str, error: InputError | OSError) -> None:
        """A failure has to be told: in short, and as soon as there is room for it."""
        failure = response.failure
        if failure is None or isinstance(error, InputError):
            raise error
        log(f"{self.request.command!r} cannot be answered yet: {self._unwritten(error)}")
        failure.message = response.message = failure.message[:_SHORT]
        failure.traceback = ""
        channel = self.channel
        while not channel.closed:
            channel.bell.pause()
            if self._stop.requested or channel.is_lost():
                break
            try:
                self.answered = True
                channel.carrier.publish(response, status)
                return
            except OSError:
                self.answered = False
        raise error

    def _unwritten(self, error: InputError | OSError) -> Exception:
        if isinstance(error, InputError):
            return error
        return place_error(error, "writing the response", self.channel.directory)

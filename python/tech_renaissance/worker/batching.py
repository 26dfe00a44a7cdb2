"""Batches: calls of one endpoint that wait in several channels are joined, run once, and split again."""

from __future__ import annotations

import _thread
import math
import time

from ..errors import Cancelled, InputError, TRException
from ..platform.output import log
from ..protocol.json_object import encode_object
from . import answers
from .batch import Member, answer_all, joined
from .call import Call
from .context import current, main
from .dispatch import Dispatcher
from .endpoint_arguments import arguments_of
from .endpoints import refuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Union

    from ..channel.channel import Channel
    from ..endpoints.dims import Sizes
    from ..endpoints.signature import Signature
    from ..protocol.messages import Request

    Found = Union["tuple[Channel, Request]", "Member"]

_FILE = "batches.json"
_TELL_SECONDS = 0.2
_LATELY = 0.1  # seconds: who has not called for as long is not waited for


class Batching(Dispatcher):
    """One call at a time, but for endpoints with a `max_batch_size`: of these, as many as wait and fit together.

    A batch is closed when it is full, when the next call does not fit into it, when no channel is left that could send
    another one, and has sent some lately, or when `max_queue_delay_ms` have passed since its first call was taken up.
    """

    def serve(self) -> None:
        """See Dispatcher."""
        main.thread = _thread.get_ident()
        self._left: list[Found] = []  # was taken up, and did not fit into the batch before
        self._counts: dict[str, _Counts] = {}
        self._told, self._untold = 0.0, False
        self._channels.on_rest = self._tell
        endpoints = self._endpoints
        assert endpoints is not None
        while True:
            found: Any = self._left.pop(0) if self._left else self._channels.receive()
            if found is None:
                break
            if isinstance(found, Member):
                goes_on = self._serve_batch(found)
            else:
                it = endpoints.by_name.get(found[1].command)
                if it is None or it.max_batch_size == 1 or found[1].problem is not None:
                    goes_on = self._serve_one(*found)
                else:
                    member = self._admitted(it, *found)
                    goes_on = member is None or self._serve_batch(member)
            if self._untold and time.monotonic() - self._told > _TELL_SECONDS:
                self._tell()
            if not goes_on or self._stop.requested or self.exit is not None:
                break
        main.call = None
        self._tell()

    # ---------------------------------------------------------------------------------------------------- gathering

    def _admitted(self, it: Signature, channel: Channel, request: Request) -> Member | None:
        """A call that can be part of a batch; None for one that was answered, as it cannot."""
        channel.called_at = time.monotonic()
        call = Call(request, channel, self._stop)
        call.alone = True  # until the method runs, which others can run beside
        call.trust(channel.carrier)
        sizes: Sizes = {}
        try:
            if call.look():
                call.fail_as_cancelled()
            else:
                named = arguments_of(it, call, request.parameters, self._server, sizes)
                return Member(it, call, named, sizes)
        except InputError as error:
            refuse(call, error)
        except TRException as error:
            answers.raised(call, error)
        call.close()
        return None

    def _serve_batch(self, first: Member) -> bool:
        """Gathers what fits to the first one, and runs it; whether to go on serving."""
        members = [first]
        why = self._gather(first, members)
        rows = sum(one.rows for one in members)
        self._counts.setdefault(first.it.name, _Counts()).add(rows, len(members), why)
        if Call.tally is not None:
            Call.tally.add_batch(rows)
        self._run(members)
        self._untold = True
        return not self._stop.requested and self.exit is None

    def _gather(self, first: Member, members: list[Member]) -> str:
        """Adds what fits to the first one; why no more is waited for."""
        it, rows, most = first.it, first.rows, first.it.max_batch_size
        channels, bell = self._channels, self._channels.bell
        start = first.call.channel.called_at
        lately = start - max(_LATELY, it.max_queue_delay_ms / 1000)
        deadline = start + it.max_queue_delay_ms / 1000
        while rows < most:
            seen = bell.look()
            channels.look()
            found = channels.take()
            if found is not None:
                channel, request = found
                if request.command != it.name or request.problem is not None:
                    self._left.append(found)
                    return "another command"
                member = self._admitted(it, channel, request)
                if member is None:
                    continue
                if member.key != first.key or rows + member.rows > most:
                    self._left.append(member)
                    return "other arguments" if member.key != first.key else "full"
                members.append(member)
                rows += member.rows
                continue
            if not any(channel.carrier.idle and channel.called_at > lately for channel in channels.all()):
                return "nobody else"
            left = deadline - time.monotonic()
            if left <= 0 or self._stop.requested:
                return "delay"
            bell.wait(seen, math.ceil(left * 1000))
        return "full"

    # ------------------------------------------------------------------------------------------------------ running

    def _run(self, members: list[Member]) -> None:
        members = [member for member in members if not member.is_given_up()]
        if not members:
            return
        it, stop = members[0].it, self._stop
        main.call = None
        current.set(members[0].call)  # the one that code of the method can find
        members[0].call.alone = False
        try:
            stop.arm()
            try:
                result = it.function(**joined(members))
            finally:
                stop.armed = False
                if self._runtime.forked:
                    self._runtime.end_fork()
            answer_all(members, result)
        except Cancelled:
            stop.armed = False
            for member in members:
                member.call.fail_as_cancelled()
        except BaseException as error:
            if len(members) > 1 and isinstance(error, Exception):
                # Of one that is bad the others are not to hear.
                log(f"a batch of {len(members)} calls of {it.name!r} failed, {error!r:.500}: each is run alone")
                self._counts[it.name].failed += 1
                for member in members:
                    if not member.call.answered:
                        self._run([member])
                return
            if isinstance(error, SystemExit):
                self.exit = error
            for member in members:
                answers.raised(member.call, error)
        for member in members:
            if not member.call.over:
                member.call.close()

    def _tell(self) -> None:
        """Writes the counts, for `stats()` of hosts."""
        if not self._untold:
            return
        self._told, self._untold = time.monotonic(), False
        counts: dict[str, object] = {name: counts.told() for name, counts in self._counts.items()}
        channel = self._channels.first
        told: dict[str, object] = {"epoch": channel.record.epoch, "batches": counts}
        try:
            channel.writer.write(f"{channel.directory}/{_FILE}", encode_object(told))
        except OSError:
            return  # no room, or no directory any more


class _Counts:
    """Of the batches of one endpoint.

    Attributes:
        failed: how many had to be run again, call by call.
    """

    def __init__(self) -> None:
        self._sizes: dict[int, int] = {}
        self._reasons: dict[str, int] = {}
        self._calls = 0
        self.failed = 0

    def add(self, rows: int, calls: int, why: str) -> None:
        """A batch was closed."""
        self._sizes[rows] = self._sizes.get(rows, 0) + 1
        self._reasons[why] = self._reasons.get(why, 0) + 1
        self._calls += calls

    def told(self) -> dict[str, object]:
        """As the file has them: how often each number of rows came, and why batches were closed."""
        sizes = {str(rows): count for rows, count in sorted(self._sizes.items())}
        return {"calls": self._calls, "rows": sizes, "closed": dict(self._reasons), "failed": self.failed}

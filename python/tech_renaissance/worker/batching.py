"""Batches: calls of one endpoint that wait in several channels are joined, run once, and split again."""

from __future__ import annotations

import _thread
import math
import sys
import time

from ..endpoints.tensor_type import TensorType
from ..errors import Cancelled, InputError, TRException
from ..platform.output import log
from ..protocol.json_object import encode_object
from ..protocol.messages import OK
from . import answers
from .call import Call
from .context import current, main
from .dispatch import Dispatcher
from .endpoint_arguments import arguments_of
from .endpoint_results import answer_each, answer_with, check, members_of, place_in
from .endpoints import refuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Union

    from ..channel.channel import Channel
    from ..endpoints.dims import Sizes
    from ..endpoints.signature import Signature
    from ..protocol.messages import Request

    Found = Union["tuple[Channel, Request]", "_Member"]

_FILE = "batches.json"
_TELL_SECONDS = 0.2


class Batching(Dispatcher):
    """One call at a time, but for endpoints with a `max_batch_size`: of these, as many as wait and fit together.

    A batch is closed when it is full, when the next call does not fit into it, when no channel is left that could send
    another one, or when `max_queue_delay_ms` have passed since its first call was taken up.
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
            if isinstance(found, _Member):
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

    def _admitted(self, it: Signature, channel: Channel, request: Request) -> _Member | None:
        """A call that can be part of a batch; None for one that was answered, as it cannot."""
        call = Call(request, channel, self._stop)
        main.call = None
        current.set(call)
        sizes: Sizes = {}
        try:
            if call.look():
                call.fail_as_cancelled()
            else:
                named = arguments_of(it, call, request.parameters, self._server, sizes)
                return _Member(it, call, named, sizes)
        except InputError as error:
            refuse(call, error)
        except TRException as error:
            answers.raised(call, error)
        call.close()
        return None

    def _serve_batch(self, first: _Member) -> bool:
        """Gathers what fits to the first one, and runs it; whether to go on serving."""
        it, members, rows = first.it, [first], first.rows
        channels, bell = self._channels, self._channels.bell
        deadline = time.monotonic() + it.max_queue_delay_ms / 1000
        why = "full"
        while rows < it.max_batch_size:
            seen = bell.look()
            channels.look()
            found = channels.take()
            if found is not None:
                if found[1].command != it.name or found[1].problem is not None:
                    self._left.append(found)
                    why = "another command"
                    break
                member = self._admitted(it, *found)
                if member is None:
                    continue
                if member.key != first.key or rows + member.rows > it.max_batch_size:
                    self._left.append(member)
                    why = "other arguments" if member.key != first.key else "full"
                    break
                members.append(member)
                rows += member.rows
                continue
            left = deadline - time.monotonic()
            if left <= 0 or self._stop.requested:
                why = "delay"
                break
            if not any(channel.carrier.idle for channel in channels.all()):
                why = "nobody else"
                break
            bell.wait(seen, math.ceil(left * 1000))
        self._counts.setdefault(it.name, _Counts()).add(rows, len(members), why)
        if Call.tally is not None:
            Call.tally.add_batch(rows)
        self._run(members)
        self._untold = True
        return not self._stop.requested and self.exit is None

    # ------------------------------------------------------------------------------------------------------ running

    def _run(self, members: list[_Member]) -> None:
        members = [member for member in members if not member.is_given_up()]
        if not members:
            return
        it, stop = members[0].it, self._stop
        current.set(members[0].call)
        try:
            stop.arm()
            try:
                result = it.function(**_joined(members))
            finally:
                stop.armed = False
                if self._runtime.forked:
                    self._runtime.end_fork()
            _answer(it, members, result)
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
        """Writes the counts, for people and for `stats()`."""
        if not self._untold:
            return
        self._told, self._untold = time.monotonic(), False
        counts: dict[str, object] = {name: counts.told() for name, counts in self._counts.items()}
        channel = self._channels.first
        try:
            channel.writer.write(f"{channel.directory}/{_FILE}", encode_object(counts))
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


class _Member:
    """A call that is to be part of a batch.

    Attributes:
        it: the endpoint.
        call: the call.
        named: its arguments.
        sizes: of the symbols of its tensors.
        rows: how many it adds to a batch.
        key: what it has to have in common with the others: all but its rows.

    Raises:
        InputError: it has more rows than a batch may have.
    """

    def __init__(self, it: Signature, call: Call, named: dict[str, Any], sizes: Sizes) -> None:
        self.it = it
        self.call = call
        self.named = named
        self.sizes = sizes
        self.rows = int(sizes[it.batch][0])  # type: ignore[arg-type]
        if self.rows > it.max_batch_size:
            raise InputError(
                f"{it.name}: {sizes[it.batch][1]} has {self.rows} rows: expected {it.max_batch_size} at most, the "
                "endpoint's max_batch_size"
            )
        tensors: list[object] = []
        values: list[object] = []
        for one in it.inputs:
            value = named.get(one.name)
            if isinstance(one.type, TensorType):
                tensors.append(None if value is None else (value.dtype, tuple(value.shape[1:])))
            else:
                values.append(value)
        self.key = (tensors, values)

    def is_given_up(self) -> bool:
        """Its host wants it no more, which is then answered."""
        if not self.call.look():
            return False
        self.call.fail_as_cancelled()
        self.call.close()
        return True


def _joined(members: list[_Member]) -> dict[str, Any]:
    """The arguments of all, each tensor written once."""
    first = members[0]
    if len(members) == 1:
        return first.named
    named = dict(first.named)
    for one in first.it.inputs:
        if isinstance(one.type, TensorType) and named.get(one.name) is not None:
            named[one.name] = _concatenated([member.named[one.name] for member in members])
    return named


def _concatenated(tensors: list[Any]) -> Any:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(tensors[0], torch.Tensor):
        return torch.cat(tensors)
    return sys.modules["numpy"].concatenate(tensors)


def _answer(it: Signature, members: list[_Member], result: Any) -> None:
    """To each call its own rows."""
    if len(members) == 1:
        _finish(members[0], answer_with(it, members[0].call, result, members[0].sizes))
        return
    where = f"{it.name}: the result of a batch"
    rows = sum(member.rows for member in members)
    sizes: Sizes = {**members[0].sizes, it.batch: (rows, "the batch")}
    single = it.outputs.shape == "one"
    parts = {next(iter(it.outputs.kinds)): result} if single else members_of(it, result, where)
    for name, part in parts.items():
        kind = it.outputs.kinds[name]
        if isinstance(kind, TensorType):
            check(it, kind, part, where, sizes)
        elif not isinstance(part, (list, tuple)) or len(part) != rows:
            raise InputError(
                f"{where} is {part!r:.200}: expected a list with an item for each of {rows} rows{place_in(it)}"
            )
    start = 0
    for member in members:
        own = {name: part[start : start + member.rows] for name, part in parts.items()}
        start += member.rows
        answered = (
            answer_with(it, member.call, next(iter(own.values())), member.sizes)
            if single
            else answer_each(it, member.call, own, where, member.sizes)
        )
        _finish(member, answered)


def _finish(member: _Member, outcome: bool) -> None:
    """The answer, unless it is out: one that cannot be sent is that call's affair alone."""
    if outcome and not member.call.answered:
        member.call.answer(OK)
    member.call.close()

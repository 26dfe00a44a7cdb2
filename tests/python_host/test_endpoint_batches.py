"""Calls of several threads that a worker joins, runs once, and splits again: each gets its own rows."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from endpoint_batch_server import Server

from tech_renaissance import (
    InputError,
    PythonSession,
    RemoteError,
    RestartError,
    RestartPolicy,
    SessionOptions,
    TechRenaissanceServer,
    Tensor,
    TRException,
    endpoint,
)
from tech_renaissance import TimeoutError as LimitPassed
from tech_renaissance.endpoints.signature import Signature
from tech_renaissance.testing import ServerHarness

SCRIPT = Path(__file__).with_name("endpoint_batch_server.py")
CALLERS = 8


def session_with(**options: Any) -> PythonSession[Any]:
    return PythonSession(SessionOptions(script=SCRIPT, quiet=True, max_ongoing_requests=CALLERS, **options))


@pytest.fixture(scope="module")
def session() -> Iterator[PythonSession[Any]]:
    with session_with() as found:
        yield found


def at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """What each of them gives or raises, each on a thread of its own."""
    found: list[Any] = [None] * len(calls)

    def run(place: int, call: Callable[[], Any]) -> None:
        try:
            found[place] = call()
        except TRException as error:
            found[place] = error

    threads = [threading.Thread(target=run, args=(place, call)) for place, call in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_each_caller_gets_its_own_rows(session: PythonSession[Any]) -> None:
    wrong: list[object] = []

    def call_often(caller: int) -> None:
        chance = random.Random(caller)
        for number in range(300):
            rows = chance.randint(1, 5)
            x = numpy.full((rows, 3), 1000.0 * caller + number)
            bad = chance.random() < 0.03
            try:
                found = session.calculate("double", -1 - x if bad else x)
                if bad or found.tolist() != (2 * x).tolist():
                    wrong.append((caller, number, found))
            except RemoteError as error:
                if not bad or "ValueError: negative" not in str(error):
                    wrong.append((caller, number, error))

    at_once([lambda caller=caller: call_often(caller) for caller in range(CALLERS)])  # type: ignore[misc]
    assert wrong == []


def test_no_call_is_lost_or_mixed_up_where_some_are_given_up_and_workers_are_killed() -> None:
    with session_with(
        restart=RestartPolicy(attempts=5, backoff_ms=1, quarantine_after=0), default_timeout_ms=20_000
    ) as session:
        wrong: list[object] = []
        answered = threading.Semaphore(0)
        done = threading.Event()

        def call_often(caller: int) -> None:
            chance = random.Random(caller)
            for number in range(150):
                x = numpy.full((chance.randint(1, 5), 3), 1000.0 * caller + number)
                hasty = chance.random() < 0.1
                try:
                    found = session.calculate("double", x, timeout_ms=1 if hasty else None)
                    if found.tolist() != (2 * x).tolist():
                        wrong.append((caller, number, found))
                except LimitPassed as error:
                    if not hasty:
                        wrong.append((caller, number, error))
                except RestartError:
                    pass  # its worker was killed
                except TRException as error:
                    wrong.append((caller, number, error))
                answered.release()

        def kill() -> None:
            for _ in range(5):
                for _ in range(100):
                    answered.acquire()
                if done.is_set():
                    return
                os.kill(session.stats().worker_pid, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        at_once([lambda caller=caller: call_often(caller) for caller in range(CALLERS)])  # type: ignore[misc]
        done.set()
        for _ in range(600):
            answered.release()
        killer.join()
        assert wrong == []


def test_a_batch_is_closed_when_nobody_else_could_call(session: PythonSession[Any]) -> None:
    ones = numpy.ones(1)
    at_once([lambda: session.calculate("double", numpy.ones((1, 1)))] * CALLERS)  # so that all channels are open
    # They wait for a minute, unless all callers are in the batch.
    found = at_once([lambda: session.calculate("patient", ones)] * CALLERS)
    assert [one.tolist() for one in found] == [[8.0]] * CALLERS


def test_a_batch_is_closed_when_it_is_full(session: PythonSession[Any]) -> None:
    found = at_once([lambda: session.calculate("four", numpy.ones(2))] * 4)
    assert [one.tolist() for one in found] == [[4.0, 4.0]] * 4
    with pytest.raises(InputError, match="four: x has 5 rows: expected 4 at most, the endpoint's max_batch_size"):
        session.calculate("four", numpy.ones(5))


def test_a_batch_is_closed_by_another_command(session: PythonSession[Any]) -> None:
    first = session.call_async("patient", numpy.ones(1))
    while not session.is_busy():  # so that it has been sent before the other
        pass
    assert session.fetch_response("plain") == "plain", "and neither waits for a minute"
    assert first.result().tolist() == [1.0]


def test_stats_tell_how_large_batches_were_and_why_they_were_closed(session: PythonSession[Any]) -> None:
    at_once([lambda: session.calculate("named", numpy.ones((2, 1)))] * CALLERS)
    while "named" not in (batches := session.stats().batches) or batches["named"].calls < CALLERS:
        session.fetch_response("plain")  # which has the worker look whether it is time to tell
    found = batches["named"]
    assert sum(size * count for size, count in found.rows.items()) == 2 * CALLERS
    assert (sum(found.closed.values()), found.failed) == (found.batches(), 0)
    assert set(found.closed) <= {"full", "nobody else", "delay", "another command"}
    assert found.mean_rows() * found.batches() == 2 * CALLERS
    assert "plain" not in batches


def test_named_results_and_lists_are_split() -> None:
    with ServerHarness(Server()) as h:
        calls = [lambda n=n: h.call("named", numpy.full((2, 1), float(n))) for n in range(4)]  # type: ignore[misc]
        for place, found in enumerate(at_once(calls)):
            assert found.twice.tolist() == [[2.0 * place]] * 2
            assert found.words == [f"row {place}"] * 2


def test_a_result_with_too_few_rows_is_each_callers_error() -> None:
    with ServerHarness(Server()) as h:
        found = at_once([lambda: h.call("short", numpy.ones((2, 1)))] * 3)
        assert all("short: the result has shape (1, 1), 1 at dim 0" in str(error) for error in found)


def test_ragged_inputs_are_padded_and_each_caller_gets_its_own_part() -> None:
    with ServerHarness(Server()) as h:
        sizes = [1, 4, 2, 4]
        inputs = [numpy.full((1 + place % 2, size), float(place)) for place, size in enumerate(sizes)]
        found = at_once([lambda x=x: h.call("padded", x, numpy.full(len(x), 2.0)) for x in inputs])  # type: ignore[misc]
        for x, one in zip(inputs, found):
            assert one.scaled.tolist() == (2 * x).tolist()
            assert one.ends.tolist() == [x.shape[1]] * len(x)
            assert [item.tolist() for item in one.each] == [[float(x.shape[1])] * 2] * len(x)


@pytest.mark.parametrize(
    ("pad", "dims", "given", "reason"),
    [
        (0, "b 3", "b", "none of its tensors has a name besides the first"),
        ({"y": 0}, "b n", "b", "'y': there is no such input: It takes x"),
        ({"x": 0}, "b", "b", 'x: it is float32 "b": expected a tensor with a name'),
        ({"x": 0}, "b n", "b n+1", 'n: result is float32 "b n'),
    ],
)
def test_what_cannot_be_padded(pad: Any, dims: str, given: str, reason: str) -> None:
    @endpoint(max_batch_size=4, pad=pad)
    def it(x): ...  # type: ignore[no-untyped-def]

    it.__annotations__.update({"x": Tensor["f32", dims], "return": Tensor["f32", given]})
    with pytest.raises(InputError, match=f"the endpoint it cannot pad:? {reason}"):
        Signature("it", it)
    with pytest.raises(InputError, match="pad is 0, and max_batch_size 1"):
        endpoint(pad=0)


@pytest.mark.parametrize(
    ("annotations", "reason"),
    [
        ({"x": Tensor, "return": Tensor}, "not all of its tensors begin with one name"),
        ({"x": Tensor["f32", "b n"], "return": Tensor["f32", "n b"]}, "a result is float32"),
        ({"x": Tensor["f32", "b n"], "return": int}, "a result is int: expected a tensor whose dims begin with"),
        ({"x": Tensor["f32", "b n"]}, "it declares no result"),
        ({"x": Tensor["f32", "3 n"], "return": Tensor}, "not all of its tensors begin with one name"),
    ],
)
def test_endpoints_that_cannot_take_batches(annotations: dict[str, Any], reason: str) -> None:
    @endpoint(max_batch_size=4)
    def it(x): ...  # type: ignore[no-untyped-def]

    it.__annotations__.update(annotations)
    with pytest.raises(InputError, match=f"the endpoint it cannot take calls in batches: {reason}"):
        Signature("it", it)
    with pytest.raises(InputError, match="max_batch_size is 0: expected a number of rows"):
        endpoint(max_batch_size=0)


class Both(TechRenaissanceServer):
    """Asks for two things that do not go together."""

    threads = 2

    @endpoint(max_batch_size=4)
    def it(self, x: Tensor["f32", "b"]) -> Tensor["f32", "b"]:  # type: ignore
        return x


def test_batches_and_threads_do_not_go_together() -> None:
    with pytest.raises(RestartError, match="has an endpoint with a max_batch_size, and threads"), ServerHarness(Both()):
        pass

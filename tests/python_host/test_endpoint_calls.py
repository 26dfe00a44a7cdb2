"""Calls of endpoints from Python: arguments, results, and endpoints as methods of a session."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tech_renaissance import InputError, NotFoundError, PythonSession, RestartError, SessionOptions

SERVER = Path(__file__).with_name("endpoints_server.py")
IMAGE = np.ones((3, 2, 4), np.float32)
PLANE = np.ones((2, 4), np.float32)


@dataclasses.dataclass
class Options:
    depth: int
    name: str


class Colour(enum.Enum):
    RED = "red"


def test_arguments_by_position_and_by_name(session: PythonSession) -> None:
    for result in (
        session.call("scale", IMAGE, 5),
        session.call("scale", IMAGE, factor=5),
        session.call("scale", kind="b", factor=np.int64(5), image=IMAGE, timeout_ms=10_000),
        session.scale(IMAGE, 5),
        session.scale(image=IMAGE, factor=5, timeout_ms=10_000),
        session.call_async("scale", IMAGE, factor=5).result(),
    ):
        assert isinstance(result, np.ndarray)
        assert (result == 5).all()
    assert session.call("self_and_endpoint", endpoint=1, session=2) == 3


def test_what_comes_is_what_was_meant(session: PythonSession) -> None:
    found = session.classify(PLANE)
    assert found == ("cat", 0.5, None)
    assert found._fields == ("label", "score", "mask")
    assert type(session.classify(PLANE)) is type(found)
    assert session.classify(PLANE, PLANE).mask.shape == (2, 4)
    assert session.repeat("ab", 2) == "abab"
    assert session.nothing() is None
    assert session.call("a-b.c")._fields == ("result_0", "result_1")


@pytest.mark.parametrize(
    "value", [5, -0.5, True, "é\n\udcff", [1, [2.5, "x"]], {"z": 1, "a": {"b": []}}, 2**63 - 1, [], {}]
)
def test_a_value_comes_back(session: PythonSession, value: Any) -> None:
    back = session.back(value)
    assert back == value
    assert type(back) is type(value)
    if isinstance(value, dict):
        assert list(back) == list(value), "in its order"


def test_dataclasses_and_enumerations_are_values(session: PythonSession) -> None:
    assert session.add(Options(2, "z"), (1, 2)) == {"z": 2, "a": 3}
    assert session.back({"colour": Colour.RED, "size": np.float32(0.5)}) == {"colour": "red", "size": 0.5}
    assert session.back(1, extra=2) == [1, {"extra": 2}]


def test_any_number_of_tensors(session: PythonSession) -> None:
    row = np.ones(2, np.float32)
    assert session.put_together(row, row, times=2).shape == (8,)
    assert session.put_together([row, row, row]).shape == (6,)
    assert session.put_together().shape == session.put_together([]).shape == (0,)


def test_results_come_in_the_kind_of_the_inputs(session: PythonSession) -> None:
    torch = pytest.importorskip("torch")
    assert isinstance(session.scale(torch.ones(3, 1, 1)), torch.Tensor)
    assert isinstance(session.scale(IMAGE), np.ndarray)


@pytest.mark.parametrize(
    ("arguments", "named", "message"),
    [
        ((IMAGE.astype(float),), {}, "scale: image is float64: expected float32"),
        ((PLANE,), {}, 'scale: image has shape (2, 4): expected 3 dims, "3 h w"'),
        ((IMAGE, "5"), {}, 'scale: factor is "5": expected an int'),
        ((IMAGE,), {"kind": "c"}, 'scale: kind is "c": expected "a" or "b"'),
        ((IMAGE, 1, 2), {}, "scale takes 2 arguments without a name, found 3. It takes image, factor, kind"),
        ((), {"imag": IMAGE}, "scale: there is no input 'imag': did you mean 'image'? It takes image, factor, kind"),
        ((), {}, 'scale: image is missing: expected float32 "3 h w"'),
        ((IMAGE, float("nan")), {}, "scale: argument 1: NaN is no value of JSON: expected a finite number"),
        ((IMAGE, 2**63), {}, "scale: argument 1 is beyond 64 bits"),
        ((IMAGE, object), {}, "scale: argument 1 is <class 'object'>: expected a tensor, or what JSON can say"),
        ((IMAGE, {1: 2}), {}, "a key of scale: argument 1 is 1: expected a str"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_sent(
    session: PythonSession, arguments: tuple[Any, ...], named: dict[str, Any], message: str
) -> None:
    sent = session.stats().requests
    for call in (session.call, lambda *a, **n: session.call_async(*a, **n).result()):
        with pytest.raises(InputError) as error:
            call("scale", *arguments, **named)
        assert str(error.value).startswith(message)
    assert session.stats().requests == sent


def test_unknown_and_streaming_endpoints(session: PythonSession) -> None:
    with pytest.raises(NotFoundError, match=r"unknown command 'scalee': did you mean 'scale'\? this server offers"):
        session.call("scalee")
    with pytest.raises(InputError, match=r"'frames' answers in parts: call it with stream\(\)"):
        session.call("frames", 3)
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(InputError, match="nested more than"):
        session.back(cycle)


def test_parts_of_a_stream_are_what_the_endpoint_yields(session: PythonSession) -> None:
    assert list(session.words("a text in parts")) == ["a", "text", "in", "parts"]
    found = list(session.stream("steps", 3))
    assert [(part.label, part.score) for part in found] == [("step 0", 0.0), ("step 1", 0.5), ("step 2", 1.0)]
    assert [part.mask if part.mask is None else part.mask.shape for part in found] == [None, (1, 1), (1, 2)]
    words = session.words("left early")
    assert next(words) == "left"
    words.cancel()
    with pytest.raises(InputError, match="wrong_words: a part is 2: expected a str"):
        list(session.wrong_words())
    assert session.repeat("x", 2) == "xx", "goes on as ever"


def test_lists_of_tensors_are_results(session: PythonSession) -> None:
    assert [box.shape for box in session.boxes([2, 0, 1])] == [(2, 4), (0, 4), (1, 4)]
    assert session.boxes([]) == []
    some, count, none = session.boxed(2)
    assert ([one.tolist() for one in some], count, none) == ([[0], [1]], 2, [])
    with pytest.raises(InputError, match=r"wrong_boxes: the result\[1\] is float64: expected float32"):
        session.wrong_boxes()
    assert "list[tensor]" in [str(it.outputs[0].type) for it in session.endpoints() if it.name == "boxed"]


def test_a_server_says_how_it_is(session: PythonSession) -> None:
    assert session.health() == ""
    for told, expected in (("low on memory", "low on memory"), ("raise", "OSError: the disk is gone"), ("", "")):
        session.be(told)
        assert session.health() == expected


def test_a_stream_has_arguments_too(session: PythonSession) -> None:
    for arguments, named in (((3,), {}), ((), {"n": 3})):
        assert [int(part[0]) for part in session.frames(*arguments, **named)] == [0, 1, 2]
        assert [int(part[0]) for part in session.stream("frames", *arguments, **named)] == [0, 1, 2]
    with pytest.raises(InputError, match=r"frames: n is 2\.5: expected an int"):
        session.frames(2.5)
    with pytest.raises(InputError, match="frames: n is missing"):
        next(session.stream("frames"))


def test_what_a_server_offers(session: PythonSession) -> None:
    scale = session.endpoints()[0]
    assert (scale.name, scale.doc, scale.stream, scale.open) == ("scale", "Multiplies.", False, False)
    assert [it.name for it in scale.inputs] == ["image", "factor", "kind"]
    assert scale.inputs[0].type == 'float32 "3 h w"'
    assert (scale.inputs[1].default, scale.inputs[1].required, scale.inputs[2].by_name) == (3, False, True)
    assert [it.type for it in scale.outputs] == ['float32 "3 h w"']
    assert {it.name for it in session.endpoints() if it.stream} == {"frames", "words", "steps", "wrong_words"}


def test_an_endpoint_is_a_method(session: PythonSession) -> None:
    assert (session.scale.__name__, session.scale.__doc__) == ("scale", "Multiplies.")
    assert list(inspect.signature(session.scale).parameters) == ["image", "factor", "kind", "timeout_ms"]
    assert inspect.signature(session.scale).parameters["factor"].default == 3
    assert list(inspect.signature(session.back).parameters) == ["x", "timeout_ms", "values"]
    assert session.stats().requests > 0, "that of a session stays what it is"
    assert session.call("stats") == "the endpoint"
    for it in session.endpoints():
        it.signature()


def test_what_is_neither_is_no_attribute(session: PythonSession) -> None:
    with pytest.raises(AttributeError, match=r"PythonSession has no 'scael': did you mean 'scale'.*server offers"):
        _ = session.scael
    with pytest.raises(AttributeError, match="did you mean 'calculate'"):
        _ = session.calculat
    assert not hasattr(session, "_scale")
    assert not hasattr(session, "__array__")


def test_a_session_without_a_worker_has_no_endpoints(options: SessionOptions) -> None:
    session = PythonSession(options)
    assert not hasattr(session, "scale")
    with pytest.raises(AttributeError, match=r"endpoints are known of a worker that runs, and .* call start\(\)"):
        _ = session.scale
    with session:
        assert session.repeat("x", 1) == "x", "it waits for the worker"
        session.restart()
        assert session.repeat("x", 2) == "xx"
    assert not hasattr(session, "scale")
    with PythonSession(replace(options, script="default")) as other:
        assert other.endpoints() == []
        assert not hasattr(other, "scale")
        assert other.call("numpy.add", PLANE, PLANE).sum() == 16
        assert isinstance(other.call("help"), str)


def test_a_client_calls_them_too(options: SessionOptions) -> None:
    with (
        PythonSession(replace(options, session_id="shared")) as owner,
        PythonSession.connect("shared", options) as client,
    ):
        assert client.repeat("ab", 2) == "abab"
        assert [it.name for it in client.endpoints()] == [it.name for it in owner.endpoints()]
        assert "repeat" in dir(client)
        with pytest.raises(InputError, match="repeat: n is missing"):
            client.repeat("ab")


async def test_calls_that_are_awaited(options: SessionOptions) -> None:
    async with PythonSession(options) as session:
        results = await asyncio.gather(*(session.acall("scale", IMAGE, factor=n) for n in range(4)))
        assert [result[0, 0, 0] for result in results] == [0, 1, 2, 3]
        with pytest.raises(InputError, match="scale: image is missing"):
            await session.acall("scale")
        assert [int(part[0]) async for part in session.astream("frames", n=2)] == [0, 1]


def test_a_death_is_told(options: SessionOptions) -> None:
    with PythonSession(options) as session:
        session.wait_until_ready()
        session.terminate()
        with pytest.raises(RestartError):
            session.call("nothing")

"""Endpoints at work: from a request to a method's arguments, and from what it returns to the answer."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple, Optional

import pytest

from tech_renaissance import (
    Cancelled,
    InputError,
    NotFoundError,
    RemoteError,
    RestartError,
    TechRenaissanceServer,
    Tensor,
    endpoint,
    service,
)
from tech_renaissance.testing import ServerHarness
from tech_renaissance.worker.endpoints import PlainServer, run

numpy = pytest.importorskip("numpy")


class Found(NamedTuple):
    """Named results."""

    image: Tensor["f32", "h w"]  # type: ignore[type-arg,valid-type]
    score: float
    label: str


class Server(TechRenaissanceServer):
    """One endpoint for each kind of argument and result."""

    framework = "numpy"

    @endpoint
    def blur(self, image: Tensor["f32", "h w"], radius: int = 3) -> Tensor["f32", "h w"]:  # type: ignore
        """Adds the radius.

        More is not told.
        """
        return image + numpy.float32(radius)

    @endpoint
    def find(self, image: Tensor["f32", "h w"]) -> Found:  # type: ignore
        return Found(image, 0.5, "cat")

    @endpoint
    def greet(self, name: str, *, times: int = 1) -> str:
        return "hello " + " ".join([name] * times)

    @endpoint
    def join(self, first: Tensor, *more: Tensor, axis: int = 0) -> Tensor:
        return numpy.concatenate([first, *more], axis)

    @endpoint
    def total(self, tensors: list[Tensor], mask: Optional[Tensor]) -> float:  # noqa: UP045 - as users write it
        return float(sum(tensor.sum() for tensor in tensors)) + (100.0 if mask is not None else 0.0)

    @endpoint
    def anything(self, value):
        return value

    @endpoint
    def extra(self, **values: Any) -> dict[str, Any]:
        return {name: getattr(value, "shape", value) for name, value in values.items()}

    @endpoint
    def pair(self, x: Tensor["any", "n"]) -> tuple[Tensor["any", "n"], int]:  # type: ignore
        return x, len(x)

    @endpoint
    def nothing(self) -> None: ...

    @endpoint
    def wrong(self, image: Tensor["f32", "h w"], how: str) -> Tensor["f32", "h w"]:  # type: ignore
        return {"text": "a text", "none": None, "dtype": image.astype("f8"), "dims": image.T}[how]

    @endpoint
    def wrong_value(self) -> int:
        return "five"  # type: ignore[return-value]

    @endpoint
    def frames(self, like: Tensor) -> Iterator[Tensor["f32", "2"]]:  # type: ignore
        for place in range(len(like)):
            yield numpy.full(2, place, "f4")

    @endpoint
    def by_position(self, x: Tensor, n: int = 2, /, *, plus: float = 0.0) -> Tensor:
        return x * n + plus

    @endpoint
    def maybe(self, there: bool) -> Optional[Tensor]:  # noqa: UP045 - as users write it
        return numpy.ones(2) if there else None

    @endpoint
    def number(self, which: str) -> float:
        return {"nan": float("nan"), "scalar": numpy.float32(0.5), "zero-dim": numpy.array(2.5)}[which]  # type: ignore

    @endpoint
    def large(self) -> int:
        return 2**63

    @endpoint
    @staticmethod
    def static(x: Tensor) -> Tensor:
        return x + 1

    @endpoint
    def fails(self) -> None:
        raise ValueError("so it is")

    def main_logic(self, command: str, parameters: str) -> bool:
        if command != "older":
            return False
        self.write_response(command, f"older {parameters}")
        return True


def ask(h: ServerHarness, command: str, tensors: Any = (), **arguments: Any) -> str:
    """The text of the answer to a request with arguments; tensors under the tags a, b, ..."""
    tags = [chr(ord("a") + place) for place in range(len(tensors))]
    for tag, tensor in zip(tags, tensors):
        h.send_tensor(tensor, tag)
    request = {"command": command, "parameters": " ".join(tags), "arguments": arguments}
    return h.fetch_response(json.dumps(request))


IMAGE = numpy.arange(6, dtype="f4").reshape(2, 3)


@pytest.fixture(scope="module")
def h() -> Iterator[ServerHarness]:
    with ServerHarness(Server()) as harness:
        yield harness


def test_tensors_and_values_come_as_arguments(h: ServerHarness) -> None:
    assert h.calculate("blur", IMAGE).tolist() == (IMAGE + 3).tolist()
    assert h.calculate("blur", image=IMAGE).tolist() == (IMAGE + 3).tolist()
    assert ask(h, "greet", name="Ada") == "hello Ada"
    assert ask(h, "greet", name="Ada", times=2) == "hello Ada Ada"
    h.send_tensor(IMAGE, "picture")
    request = {"command": "blur", "parameters": "picture", "arguments": {"radius": 5}}
    assert h.fetch_tensor(json.dumps(request)).tolist() == (IMAGE + 5).tolist()


def test_any_number_of_tensors(h: ServerHarness) -> None:
    assert h.calculate("join", IMAGE).shape == (2, 3)
    assert h.calculate("join", IMAGE, IMAGE, IMAGE).shape == (6, 3)
    assert h.calculate("join", IMAGE, first=IMAGE + 1).tolist() == numpy.concatenate([IMAGE + 1, IMAGE]).tolist()


def test_named_results(h: ServerHarness) -> None:
    assert h.calculate_named("find", IMAGE)["image"].tolist() == IMAGE.tolist()
    assert h.calculate_named("pair", IMAGE[0])["result_0"].tolist() == [0, 1, 2]


def test_a_stream(h: ServerHarness) -> None:
    assert [part.tolist() for part in h.stream("frames", IMAGE)] == [[0, 0], [1, 1]]


def test_main_logic_stays_for_other_commands(h: ServerHarness) -> None:
    assert h.fetch_response("older a b") == "older a b"
    with pytest.raises(
        NotFoundError, match=r"unknown command 'blurr': did you mean 'blur'\? this server offers blur, find"
    ):
        h.calculate("blurr", IMAGE)


def test_results_of_each_kind(h: ServerHarness) -> None:
    assert h.call("blur", IMAGE, radius=1).tolist() == (IMAGE + 1).tolist()
    assert h.call("greet", "Ada", times=2) == "hello Ada Ada"
    assert h.call("nothing") is None
    found = h.call("find", IMAGE)
    assert found.image.tolist() == IMAGE.tolist()
    assert found[1:] == (0.5, "cat")
    assert found._fields == ("image", "score", "label")
    x, count = h.call("pair", IMAGE[0])
    assert (x.tolist(), count) == ([0, 1, 2], 3)
    assert h.call("total", [IMAGE, IMAGE], None) == 30.0
    assert h.call("total", [IMAGE], mask=IMAGE) == 115.0
    assert h.call("total", []) == 0.0
    assert h.call("join", IMAGE, IMAGE, IMAGE, axis=1).shape == (2, 9)


def test_methods_and_results_of_rarer_kinds(h: ServerHarness) -> None:
    assert h.call("by_position", IMAGE).tolist() == (2 * IMAGE).tolist()
    assert h.call("by_position", IMAGE, 3, plus=1.0).tolist() == (3 * IMAGE + 1).tolist()
    assert h.call("maybe", True).tolist() == [1, 1]
    assert h.call("maybe", False) is None
    assert h.call("static", IMAGE).tolist() == (IMAGE + 1).tolist()
    assert h.call("number", "scalar") == 0.5
    assert h.call("number", "zero-dim") == 2.5
    with pytest.raises(InputError, match="number: the result is nan: expected a finite number"):
        h.call("number", "nan")
    with pytest.raises(InputError, match="large: the result is 9223372036854775808: expected a whole number of 64"):
        h.call("large")


@pytest.mark.parametrize("value", [5, 0.5, True, None, "text", [1, [2]], {"a": {"b": []}}, [], ""])
def test_anything_goes_there_and_back(h: ServerHarness, value: Any) -> None:
    found = h.call("anything", value=value)
    assert found == value
    assert type(found) is type(value)


def test_values_that_are_not_declared(h: ServerHarness) -> None:
    assert h.call("extra", a=1, b="two", c=IMAGE) == {"a": 1, "b": "two", "c": [2, 3]}
    assert h.call("anything", IMAGE).tolist() == IMAGE.tolist()


def test_nothing_is_an_answer(h: ServerHarness) -> None:
    assert h.fetch_response("nothing") == "ok"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda h: h.calculate("blur", IMAGE.astype("f8")), "blur: image is float64: expected float32"),
        (lambda h: h.calculate("blur", IMAGE[0]), 'blur: image has shape (3,): expected 2 dims, "h w"'),
        (lambda h: h.calculate("blur", IMAGE, IMAGE), "blur: 2 tensors are named in the parameters: expected 1, image"),
        (lambda h: h.calculate("blur", picture=IMAGE), "blur: there is no input 'picture': It takes image, radius"),
        (lambda h: ask(h, "blur"), "blur: image is missing: it takes image, radius"),
        (lambda h: ask(h, "blur", [IMAGE], raduis=5), "blur: there is no input 'raduis': did you mean 'radius'?"),
        (lambda h: ask(h, "blur", [IMAGE], radius="5"), "blur: radius is '5': expected an int"),
        (lambda h: ask(h, "blur", [IMAGE], radius=True), "blur: radius is True: expected an int"),
        (lambda h: ask(h, "blur", [IMAGE], image=5), "blur: image is there twice, as a tensor and as a value"),
        (lambda h: ask(h, "blur", [], image=5), "blur: image is 5: expected a tensor, float32"),
        (lambda h: h.fetch_response("greet Ada"), "greet: 1 tensors are named in the parameters: expected none, and"),
        (lambda h: h.fetch_response("greet Ada!"), "greet: the parameters are 'Ada!': expected the tags of its"),
        (lambda h: h.calculate("greet", name=IMAGE), "greet: name is a tensor: expected str"),
        (lambda h: ask(h, "wrong", [IMAGE], how="text"), "wrong: the result is a str: expected a tensor, float32"),
        (lambda h: ask(h, "wrong", [IMAGE], how="none"), "wrong: the result is a NoneType: expected a tensor"),
        (lambda h: ask(h, "wrong", [IMAGE], how="dtype"), "wrong: the result is float64: expected float32"),
        (lambda h: ask(h, "wrong", [IMAGE], how="dims"), "wrong: the result has shape (3, 2), 3 at dim 0: expected"),
        (lambda h: ask(h, "wrong_value"), "wrong_value: the result is 'five': expected an int"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(h: ServerHarness, call: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        call(h)
    assert message in str(caught.value)
    if "result" in message:
        assert "test_endpoints.py" in str(caught.value)  # where the endpoint stands
    else:
        assert caught.value.traceback == ""  # which would show this package's own code


def test_an_error_of_the_method_comes_with_its_traceback(h: ServerHarness) -> None:
    with pytest.raises(RemoteError, match="ValueError: so it is") as caught:
        ask(h, "fails")
    assert "in fails" in str(caught.value)


class Threaded(TechRenaissanceServer):
    """Two calls that wait for each other."""

    threads = 2

    def __init__(self) -> None:
        super().__init__()
        self.both = threading.Barrier(2)

    @endpoint
    def meet(self, name: str) -> str:
        self.both.wait(10)
        return name


def test_endpoints_on_threads() -> None:
    with ServerHarness(Threaded()) as h:
        found: list[str] = []
        threads = [threading.Thread(target=lambda name=name: found.append(ask(h, "meet", name=name))) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found) == ["a", "b"]


class Async(TechRenaissanceServer):
    """Coroutines, generators of both kinds, and a plain method beside them."""

    framework = "numpy"
    closed = ""

    def __init__(self) -> None:
        super().__init__()
        self.event: asyncio.Event | None = None

    @endpoint
    async def wait(self) -> str:
        self.event = asyncio.Event()
        await self.event.wait()
        return "waited"

    @endpoint
    def release(self) -> str:
        if self.event is None:
            return "not yet"
        self.event.set()
        return "released"

    @endpoint
    async def count(self, n: Tensor["int8", ""]) -> AsyncIterator[Tensor]:  # type: ignore
        for place in range(int(n)):
            await asyncio.sleep(0)
            yield numpy.int64(place) + numpy.zeros(1)

    @endpoint
    def count_plain(self, n: Tensor["int8", ""]) -> Iterator[Tensor]:  # type: ignore
        for place in range(int(n)):
            yield numpy.full(1, float(place))

    async def main_logic(self, command: str, parameters: str) -> bool:
        return command == "older"


def test_async_endpoints() -> None:
    with ServerHarness(Async()) as h:
        found: list[str] = []
        waiting = threading.Thread(target=lambda: found.append(ask(h, "wait")))
        waiting.start()
        while ask(h, "release") != "released":
            pass
        waiting.join()
        assert found == ["waited"]
        for command in ("count", "count_plain"):
            assert [part.tolist() for part in h.stream(command, numpy.int8(3))] == [[0.0], [1.0], [2.0]]
        assert h.fetch_response("older") == "ok"
        with pytest.raises(NotFoundError, match="did you mean 'count'"):
            ask(h, "coun")


class Endless(TechRenaissanceServer):
    """A stream that the host gives up."""

    framework = "numpy"
    closed: list[str]

    def __init__(self) -> None:
        super().__init__()
        self.closed = []

    @endpoint
    def numbers(self) -> Iterator[Tensor]:
        try:
            while True:
                yield numpy.zeros(1)
        except (GeneratorExit, Cancelled):
            self.closed.append("closed")
            raise

    @endpoint
    def is_closed(self) -> int:
        return len(self.closed)


def test_a_stream_that_is_given_up_closes_its_generator() -> None:
    server = Endless()
    with ServerHarness(server) as h:
        parts = h.stream("numbers")
        next(parts)
        parts.close()  # type: ignore[attr-defined]
        assert h.fetch_response("is_closed") == "ok"
        assert server.closed == ["closed"]


@service(framework="numpy")
class Filters:
    """A class that knows nothing of servers."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_start(self) -> None:
        self.seen.append("start")

    def on_shutdown(self) -> None:
        self.seen.append("shutdown")

    @endpoint
    def double(self, x: Tensor) -> Tensor:
        return 2 * x


def test_a_plain_class_is_served() -> None:
    filters = Filters()
    with ServerHarness(PlainServer(filters)) as h:
        assert h.calculate("double", numpy.ones(2)).tolist() == [2, 2]
        assert filters.seen == ["start"]
    assert filters.seen == ["start", "shutdown"]
    with pytest.raises(InputError, match="object has no endpoint; mark its methods with @endpoint"):
        run(object())


class Examples(TechRenaissanceServer):
    """Examples of each kind."""

    framework = "numpy"
    kind = "f8"

    @endpoint(example={"x": numpy.ones(2, "f4"), "n": 3})
    def good(self, x: Tensor["f32", "n"], n: int) -> Tensor["f32", "n"]:  # type: ignore
        return x * n

    @endpoint(example=lambda server: {"x": numpy.ones(2, server.kind)})
    def made(self, x: Tensor["f32", "n"]) -> Tensor["f32", "n"]:  # type: ignore
        return x

    @endpoint(example={"xs": [numpy.ones(1), numpy.ones(2)]})
    def short(self, *xs: Tensor) -> int:
        return "no number"  # type: ignore[return-value]

    @endpoint(example={"count": 3})
    def parts(self, count: int) -> Iterator[Tensor]:
        for place in range(count):
            yield numpy.full(1, place)

    @endpoint(example={"name": "x"})
    def wrong_name(self) -> None: ...


class AsyncExamples(Examples):
    """The same on an event loop."""

    @endpoint(example={})
    async def slow(self) -> str:
        await asyncio.sleep(0)
        return "slow"


@pytest.mark.parametrize("server", [Examples, AsyncExamples])
def test_examples_are_run_when_asked_for(server: type[TechRenaissanceServer]) -> None:
    with ServerHarness(server()) as h:
        found = json.loads(h.fetch_response("__check__"))
        assert found["good"] == "ok"
        assert found["made"] == "InputError: made: x is float64: expected float32"
        assert found["short"].startswith("InputError: short: the result is 'no number': expected an int")
        assert found["parts"] == "ok"
        assert found["wrong_name"].startswith("InputError: wrong_name: there is no input 'name'")
        assert found.get("slow", "ok") == "ok"


class Neither(TechRenaissanceServer):
    """Serves nothing."""


def test_a_server_that_offers_nothing_is_refused() -> None:
    with (
        pytest.raises(RestartError, match="Neither has no endpoint, and does not override main_logic"),
        ServerHarness(Neither()),
    ):
        pass


class Untyped(TechRenaissanceServer):
    """An endpoint that cannot be one."""

    @endpoint
    def it(self, data: bytes) -> None: ...


def test_an_endpoint_that_cannot_be_one_ends_the_start() -> None:
    with (
        pytest.raises(RestartError, match="data of the endpoint it is annotated <class 'bytes'>"),
        ServerHarness(Untyped()),
    ):
        pass

"""What endpoints take and give, read from annotations; shapes with symbols."""

import dataclasses
import enum
import subprocess
import sys
import types
import typing
from pathlib import Path

import pytest

import tech_renaissance
from tech_renaissance import InputError, Tensor, endpoint
from tech_renaissance.endpoints.declare import marked
from tech_renaissance.endpoints.dims import Dims
from tech_renaissance.endpoints.signature import Signature

numpy = pytest.importorskip("numpy")
pytest.importorskip("numpy.typing")
PACKAGE = str(Path(tech_renaissance.__file__).parents[1])


def mismatches(dims: str, *shapes: tuple[int, ...]) -> list[str]:
    """What is wrong with each of the shapes, which are those of one call."""
    known: dict[str, tuple[int | tuple[int, ...], str]] = {}
    return [Dims(dims).mismatch(shape, known, f"x{place}") for place, shape in enumerate(shapes)]


@pytest.mark.parametrize(
    ("dims", "shape"),
    [
        ("", ()), ("b 3 h w", (2, 3, 8, 9)), ("n n", (4, 4)), ("_ _", (4, 5)), ("_any n", (4, 5)), ("...", ()),
        ("... c", (5, 6, 7)), ("b ...", (5,)), ("*batch c", (5, 6, 7)), ("n n+1", (4, 5)), ("n n-1", (4, 3)),
        ("n 2*n", (4, 8)), ("n n*2", (4, 8)), ("n #n", (4, 1)), ("n #n", (4, 4)), ("0 n", (0, 3)),
    ],
)  # fmt: skip
def test_shapes_that_fit(dims: str, shape: tuple[int, ...]) -> None:
    assert mismatches(dims, shape) == [""]


@pytest.mark.parametrize(
    ("dims", "shapes", "reason"),
    [
        ("b 3", [(2, 4)], 'shape (2, 4): expected "b 3", which has 3 at dim 1'),
        ("b 3", [(2,)], 'shape (2,): expected 2 dims, "b 3"'),
        ("... a b", [(2,)], 'shape (2,): expected at least 2 dims, "... a b"'),
        ("n n", [(4, 5)], 'shape (4, 5), 5 at dim 1: expected "n n", and x0 has n = 4'),
        ("b n", [(1, 2), (1, 3)], 'shape (1, 3), 3 at dim 1: expected "b n", and x0 has n = 2'),
        ("*n c", [(5, 6, 7), (5, 5, 7)], 'shape (5, 5, 7): expected "*n c", and x0 has (5, 6) for *n, not (5, 5)'),
        ("n n+1", [(4, 4)], 'shape (4, 4): expected "n n+1", which has n+1 = 5 at dim 1, as x0 has n = 4'),
        ("n #n", [(4, 2)], 'shape (4, 2), 2 at dim 1: expected "n #n", and x0 has n = 4'),
    ],
)  # fmt: skip
def test_shapes_that_do_not_fit(dims: str, shapes: list[tuple[int, ...]], reason: str) -> None:
    *fit, last = mismatches(dims, *shapes)
    assert fit == [""] * len(fit)
    assert last == reason


@pytest.mark.parametrize("dims", ["b-", "... *b", "3b", "*", "#", "a+b", "a/2", "ä b c?"])
def test_dims_that_are_none(dims: str) -> None:
    with pytest.raises(InputError, match=r"is none|expected one at most"):
        Dims(dims)


class Mode(enum.Enum):
    FAST = "fast"
    BEST = "best"


@dataclasses.dataclass
class Options:
    sigma: float
    modes: list[Mode] = dataclasses.field(default_factory=list)
    note: str | None = None


class Box(typing.NamedTuple):
    x: int
    y: int = 0


class Point(typing.TypedDict, total=False):
    label: str


def signature_of(function: typing.Callable[..., object]) -> Signature:
    return Signature("it", function)


def kinds(function: typing.Callable[..., object]) -> list[object]:
    return [it.describe()["type"] for it in signature_of(function).inputs]


def test_types_of_values() -> None:
    def it(
        a: int, b: float, c: bool, d: str, e: list[int], f: tuple[int, str], g: dict[str, float], h: int | None,
        i: typing.Literal["x", 1], j: Mode, k: Options, m: Box, n: Point, o: typing.Any, p: typing.Optional[str],
        q: typing.Sequence[int], r: tuple[int, ...], s: typing.Annotated[int, "a note"], t, u: int | str, v: None,
    ) -> None: ...  # fmt: skip

    number: dict[str, object] = {"kind": "int"}
    mode = {"kind": "enum", "values": ["fast", "best"]}
    optional_text = {"kind": "optional", "of": {"kind": "str"}}
    fields = [
        {"name": "sigma", "type": {"kind": "float"}, "required": True},
        {"name": "modes", "type": {"kind": "list", "of": mode}, "required": False},
        {"name": "note", "type": optional_text, "required": False},
    ]
    assert kinds(it) == [
        number, {"kind": "float"}, {"kind": "bool"}, {"kind": "str"}, {"kind": "list", "of": number},
        {"kind": "tuple", "of": [number, {"kind": "str"}]}, {"kind": "dict", "of": {"kind": "float"}},
        {"kind": "optional", "of": number}, {"kind": "enum", "values": ["x", 1]}, mode,
        {"kind": "object", "name": "Options", "fields": fields},
        {"kind": "object", "name": "Box", "fields": [{"name": "x", "type": number, "required": True},
                                                     {"name": "y", "type": number, "required": False}]},
        {"kind": "object", "name": "Point", "fields": [{"name": "label", "type": {"kind": "str"}, "required": False}]},
        {"kind": "any"}, optional_text, {"kind": "list", "of": number}, {"kind": "list", "of": number}, number,
        {"kind": "any"}, {"kind": "any"}, {"kind": "none"},
    ]  # fmt: skip


def test_types_of_tensors() -> None:
    def it(
        a: Tensor, b: Tensor["f32", "b 3 h w"], c: numpy.ndarray, d: numpy.typing.NDArray[numpy.float32],  # type: ignore
        e: typing.Optional[Tensor["int64"]], f: list[Tensor], g: Tensor["any", "n"], *h: Tensor,  # type: ignore
    ) -> None: ...  # fmt: skip

    assert kinds(it) == [
        {"kind": "tensor"}, {"kind": "tensor", "dtypes": ["float32"], "dims": "b 3 h w"}, {"kind": "tensor"},
        {"kind": "tensor", "dtypes": ["float32"]}, {"kind": "tensor", "dtypes": ["int64"]},
        {"kind": "list", "of": {"kind": "tensor"}}, {"kind": "tensor", "dims": "n"},
        {"kind": "list", "of": {"kind": "tensor"}},
    ]  # fmt: skip

    def annotated(a: typing.Annotated[numpy.ndarray, Tensor["f32", "n"], "a note"]) -> None: ...

    assert kinds(annotated) == [{"kind": "tensor", "dtypes": ["float32"], "dims": "n"}]
    assert signature_of(annotated).inputs[0].type.framework == "numpy"
    assert [one.required for one in signature_of(it).inputs] == [True] * 4 + [False, False, True, False]
    assert signature_of(it).inputs[2].type.framework == "numpy"


def test_tensors_of_pytorch_and_jaxtyping() -> None:
    torch = pytest.importorskip("torch")
    jaxtyping = pytest.importorskip("jaxtyping")

    def it(
        a: torch.Tensor, b: jaxtyping.Float32[torch.Tensor, "b 3"], c: jaxtyping.Shaped[numpy.ndarray, "..."],  # type: ignore
        d: jaxtyping.Float[torch.Tensor, "n"], e: jaxtyping.Bool[torch.Tensor, "*n"],  # type: ignore
    ) -> None: ...  # fmt: skip

    found: typing.Any = kinds(it)
    assert found[0] == {"kind": "tensor"}
    assert found[1] == {"kind": "tensor", "dtypes": ["float32"], "dims": "b 3"}
    assert found[2] == {"kind": "tensor", "dims": "..."}
    assert {"float32", "bfloat16", "float64"} <= set(found[3]["dtypes"])
    assert "int32" not in found[3]["dtypes"]
    assert found[4] == {"kind": "tensor", "dtypes": ["bool"], "dims": "*n"}
    assert [one.type.framework for one in signature_of(it).inputs] == ["torch", "torch", "numpy", "torch", "torch"]


def test_results() -> None:
    def outputs(annotation: object) -> list[object]:
        def it() -> None: ...

        it.__annotations__["return"] = annotation
        return [(one["name"], one["type"]["kind"]) for one in signature_of(it).outputs.describe()]  # type: ignore[index]

    assert outputs(None) == []
    assert outputs("Tensor['f32']") == [("result", "tensor")]
    assert outputs(tuple[Tensor, int]) == [("result_0", "tensor"), ("result_1", "int")]
    assert outputs(Box) == [("x", "int"), ("y", "int")]
    assert outputs(Options) == [("sigma", "float"), ("modes", "list"), ("note", "optional")]
    assert outputs(list[int]) == [("result", "list")]
    assert outputs(typing.Any) == [("result", "any")]


def test_a_generator_gives_parts() -> None:
    def it(n: int) -> typing.Iterator[Tensor["f32"]]:  # type: ignore
        yield n

    found = signature_of(it).describe()
    assert found["stream"] is True
    assert found["outputs"] == [{"name": "result", "type": {"kind": "tensor", "dtypes": ["float32"]}}]


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ("bytes", r"a of the endpoint it is annotated <class 'bytes'>, which cannot travel: expected a tensor, int"),
        ("Nowhere", r"the annotation 'Nowhere' of a of the endpoint it cannot be evaluated: NameError"),
        ("dict[int, str]", r"expected texts as keys, as JSON has no other"),
        (
            "dict[str, Tensor]",
            r"a of the endpoint it has tensors inside: expected them as inputs or results of their own",
        ),
        ("Tensor['f33']", r"there is no dtype 'f33': expected one of float32, int8"),
        ("Tensor['f32', 'a b-']", r'"b-" in the dims "a b-" is none'),
    ],
)
def test_annotations_that_cannot_travel(annotation: str, message: str) -> None:
    def it(a) -> None: ...

    it.__annotations__["a"] = annotation
    with pytest.raises(InputError, match=message):
        signature_of(it)


def test_an_input_called_as_the_limit_of_hosts_is_refused() -> None:
    def it(timeout_ms: int) -> None: ...

    with pytest.raises(InputError, match="Python hosts say the limit of a call by this name"):
        signature_of(it)


def test_endpoints_of_a_class_and_its_bases() -> None:
    class Base:
        @endpoint
        def first(self) -> None: ...

        @endpoint(name="second")
        def other(self) -> None: ...

        def neither(self) -> None: ...

    class Derived(Base):
        def first(self) -> None: ...  # still one

        @endpoint
        def third(self) -> None: ...

    assert marked(Derived) == {"first": "first", "second": "other", "third": "third"}
    with pytest.raises(InputError, match=r"two endpoints called 'first': first and again"):
        marked(type("Twice", (Base,), {"again": endpoint(name="first")(lambda self: None)}))
    for name in ("exit", "a b", ""):
        if name:
            with pytest.raises(InputError, match="an endpoint cannot be called"):
                endpoint(name=name)(lambda self: None)


def test_models_of_pydantic() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Model(pydantic.BaseModel):  # type: ignore[name-defined,misc]
        n: int
        names: list[str] = []  # noqa: RUF012 - pydantic copies it

    def it(model: Model) -> None: ...

    it.__annotations__["model"] = Model
    kind = signature_of(it).inputs[0].type
    assert kind.read({"n": 3}, "it: model") == Model(n=3)
    assert kind.write(Model(n=3, names=["a"]), "it: model") == {"n": 3, "names": ["a"]}
    with pytest.raises(InputError, match="it: model makes no Model"):
        kind.read({"n": "three"}, "it: model")
    with pytest.raises(InputError, match="it: model lacks n: a Model has n, names"):
        kind.read({}, "it: model")


def test_nothing_heavy_is_imported_to_read_annotations() -> None:
    program = f"""
import sys
sys.path.insert(0, {PACKAGE!r})
before = set(sys.modules)
from tech_renaissance import Tensor, endpoint
from tech_renaissance.endpoints.signature import Signature
def it(a: Tensor['f32', 'n'], b: int = 3) -> Tensor['f32']: ...
Signature('it', it)
print(*({{'typing', 'inspect', 're', 'dataclasses', 'enum', 'numpy', 'torch'}} & set(sys.modules) - before))
"""
    found = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == []


def test_the_marks_leave_methods_as_they_are() -> None:
    def function() -> None: ...

    assert endpoint(function) is function
    assert isinstance(endpoint, types.FunctionType)

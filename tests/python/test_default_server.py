"""The default server at work: functions by name, plain names, convolutions, and what it refuses."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from host import Host, running

import tech_renaissance as tr

torch = pytest.importorskip("torch")
F = torch.nn.functional


class Session:
    """Sends tensors as a, b, c and gives results."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def put(self, *tensors: Any) -> None:
        """Sends tensors."""
        for tag, tensor in zip("abc", tensors):
            target = io.BytesIO()
            tr.write_tsr(tensor, target)
            self.host.write(f"{tag}.tsr", target.getvalue())

    def call(self, command: str, parameters: str = "") -> Any:
        """The result: a tensor, a list of them, or a text."""
        response = self.host.ask(command, parameters)
        assert response["result"] != "error", response["message"]
        tensors = [tr.read_tsr(self.host.directory / f"{tag}.tsr") for tag in response["tensors"]]  # type: ignore[attr-defined]
        if not tensors:
            return response["result"]
        return tensors[0] if len(tensors) == 1 else tensors

    def fail(self, command: str, parameters: str = "") -> dict[str, str]:
        """The error."""
        response = self.host.ask(command, parameters)
        assert response["result"] == "error"
        return response["error"]  # type: ignore[return-value]


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """A default server with PyTorch, shared as its start takes seconds; its limit is 1 GiB."""
    with running(environment={"TR_MAX_TENSOR_BYTES": str(1 << 30)}) as host:
        yield Session(host)


@pytest.fixture(scope="module")
def without_torch() -> Iterator[Session]:
    """A default server that finds NumPy but no PyTorch."""
    hide = (
        "import sys; sys.modules['torch'] = None\n"
        "from tech_renaissance.default_server import DefaultServer; DefaultServer().run(sys.argv[1])"
    )
    with running(script=["-c", hide]) as host:
        yield Session(host)


A = torch.arange(12, dtype=torch.float32).reshape(3, 4) / 4 - 1
B = torch.arange(20, dtype=torch.float32).reshape(4, 5)


@pytest.mark.parametrize(
    ("command", "parameters", "expected"),
    [
        ("torch.matmul", "a,b", A @ B),
        ("torch.matmul", "a b", A @ B),
        ("torch.sum", "a dim=1", A.sum(1)),
        ("torch.sum", "a (0,1)", A.sum()),
        ("torch.sum", "a dim=1 keepdim=True dtype=torch.float64", A.sum(1, keepdim=True, dtype=torch.float64)),
        ("torch.transpose", "a 0 1", A.t()),
        ("torch.clamp", "a min=-0.5 max=inf", A.clamp(-0.5)),
        ("torch.einsum", '"ij,jk->ki" a b', torch.einsum("ij,jk->ki", A, B)),
        ("torch.cat", "a,a dim=1", torch.cat([A, A], 1)),
        ("torch.cat", "[a,a] 1", torch.cat([A, A], 1)),
        ("torch.stack", "a a", torch.stack([A, A])),
        ("torch.zeros", "2 3", torch.zeros(2, 3)),
        ("torch.zeros", "(2,3) dtype=int8", torch.zeros(2, 3, dtype=torch.int8)),
        ("torch.full", "(2,) 1.5", torch.full((2,), 1.5)),
        ("torch.arange", "5", torch.arange(5)),
        ("torch.tensor", "[[1,2],[3,4]]", torch.tensor([[1, 2], [3, 4]])),
        ("torch.linalg.norm", "a", torch.linalg.norm(A)),
        ("torch.fft.rfft", "a", torch.fft.rfft(A)),
        ("torch.special.erf", "a", torch.special.erf(A)),
        ("torch.nn.functional.softmax", "a dim=-1", F.softmax(A, -1)),
        ("torch.nn.functional.pad", 'a (1,2) mode="constant" value=3', F.pad(A, (1, 2), value=3)),
        ("torch.allclose", "a a", torch.tensor(True)),
        ("torch.numel", "a", torch.tensor(12)),
        ("numpy.matmul", "a b", A @ B),
        ("numpy.sum", "a axis=1", A.sum(1)),
        ("numpy.concatenate", "a,a", torch.cat([A, A])),
        ("numpy.zeros", '(2,3) dtype="int16"', torch.zeros(2, 3, dtype=torch.int16)),
        ("numpy.mean", "a", A.mean()),
        ("matmul", "a,b", A @ B),
        ("add", "a,a", A + A),
        ("mul", "a,a", A * A),
        ("relu", "a", A.relu()),
        ("sigmoid", "a", A.sigmoid()),
        ("linear", "b,a", F.linear(B.t(), A)),
        ("sign", "a", A.sign()),
        ("square", "a", A.square()),
        ("sqrt", "b", B.sqrt()),
        ("abs", "a", A.abs()),
        ("negative", "a", -A),
        ("reciprocal", "a", A.reciprocal()),
        ("round", "a", A.round()),
        ("round", "a decimals=1", A.round(decimals=1)),
        ("transpose", "a", A.t()),
        ("TransPose", "a 0 1", A.t()),
        ("zeros_like", "a", torch.zeros_like(A)),
        ("ones_like", "a", torch.ones_like(A)),
    ],
)
def test_a_function_is_called_by_name(session: Session, command: str, parameters: str, expected: torch.Tensor) -> None:
    session.put(A, B.t().contiguous() if command == "linear" else B)
    result = session.call(command, parameters)
    assert result.shape == expected.shape
    assert result.dtype == expected.dtype or command in ("numpy.mean", "torch.numel")
    assert torch.allclose(result, expected.to(result.dtype), equal_nan=True)


def test_several_results_come_in_order(session: Session) -> None:
    session.put(A)
    values, indices = session.call("torch.max", "a dim=1")
    assert torch.equal(values, A.max(1).values)
    assert torch.equal(indices, A.max(1).indices)
    assert len(session.call("torch.linalg.svd", "a full_matrices=False")) == 3
    assert len(session.call("torch.split", "a 1 dim=1")) == 4


def test_text_results_are_text(session: Session) -> None:
    session.put(A)
    assert session.call("torch.result_type", "a a") == "torch.float32"
    assert session.call("torch.broadcast_shapes", "(3,1) (1,4)") == "torch.Size([3, 4])"


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 0), (3, 2, 1), (1, 1, 0), (5, 3, 2)])
@pytest.mark.parametrize("bias", [False, True])
def test_convolutions_are_called_by_pattern(
    session: Session, kernel: int, stride: int, padding: int, bias: bool
) -> None:
    x, w, c = torch.randn(2, 3, 8, 9), torch.randn(4, 3, kernel, kernel), torch.randn(4)
    session.put(x, w, c)
    result = session.call(f"conv_k{kernel}_s{stride}_p{padding}", "a,b,c" if bias else "a,b")
    expected = F.conv2d(x, w, c if bias else None, stride=stride, padding=padding)
    assert torch.allclose(result, expected, atol=1e-5)
    session.put(x, w)
    full = session.call("torch.nn.functional.conv2d", f"a,b stride={stride} padding={padding}")
    assert torch.allclose(full, F.conv2d(x, w, stride=stride, padding=padding), atol=1e-5)


@pytest.mark.parametrize(("stride", "padding"), [(1, 1), (2, 1)])
def test_transposed_convolutions_likewise(session: Session, stride: int, padding: int) -> None:
    x, w = torch.randn(2, 3, 8, 9), torch.randn(3, 4, 3, 3)
    session.put(x, w)
    result = session.call(f"tconv_k3_s{stride}_p{padding}", "a,b")
    assert torch.allclose(result, F.conv_transpose2d(x, w, stride=stride, padding=padding), atol=1e-5)
    session.put(x, torch.randn(3, 4, 5, 5))
    message = session.fail("tconv_k3_s1_p1", "a,b")["message"]
    assert message == "tconv_k3_s1_p1: expected a weight of shape (C, O, 3, 3), found (3, 4, 5, 5)"


def test_transpose_is_of_the_first_two_dims(session: Session) -> None:
    x = torch.randn(2, 3, 4, 5)
    session.put(x)
    assert torch.equal(session.call("transpose", "a"), x.transpose(0, 1))
    assert torch.equal(session.call("transpose", "a -2 -1"), x.transpose(2, 3))


def test_plain_names_are_the_same_in_any_case(session: Session) -> None:
    assert session.call("hello", "world") == "Hello World"
    assert session.call("HI", "there you") == "Hi There You"
    assert session.call("Help") == session.call("help")
    session.put(A)
    assert torch.equal(session.call("ReLU", "a"), A.relu())
    assert session.fail("Torch.relu", "a")["code"] == "E1004"


def test_a_kernel_of_another_size_is_refused(session: Session) -> None:
    session.put(torch.randn(1, 3, 8, 8), torch.randn(4, 3, 5, 5))
    failure = session.fail("conv_k3_s1_p0", "a,b")
    assert failure["code"] == "E1001"
    assert failure["message"] == "conv_k3_s1_p0: expected a weight of shape (O, C, 3, 3), found (4, 3, 5, 5)"
    assert session.fail("conv_k3_s1_p0", "a")["code"] == "E1001"


def test_hello_and_help_need_no_parameters(session: Session) -> None:
    assert session.call("hello").startswith("Hello, C++! This is Python 3.")
    assert "matmul" in session.call("help")


@pytest.mark.parametrize(
    ("command", "parameters", "code", "said"),
    [
        ("nonsense", "", "E1004", "unknown command 'nonsense'"),
        ("matmull", "a b", "E1004", "did you mean 'matmul'?"),
        ("torch.matmull", "a b", "E1004", "did you mean torch.matmul?"),
        ("torch.load", '"/etc/passwd"', "E1004", "it is there, and excluded, as is all that is no plain function"),
        ("torch.compile", "a", "E1004", "it is there, and excluded"),
        ("softmax", "a dim=0", "E1004", "unknown command 'softmax': call it by its name in full, torch.softmax or "),
        ("torch.add", "a a out=a", "E1003", "keyword 'out' is refused"),
        ("numpy.add", "a a out=a", "E1003", "keyword 'out' is refused"),
        ("numpy.add", "a a a", "E1003", "passes at most 2 arguments by position"),
        ("numpy.clip", "a 2 3 a", "E1003", "passes at most 3 arguments by position"),
        ("numpy.concatenate", "[a,a] 0 a", "E1003", "passes at most 2 arguments by position"),
        ("torch.nn.functional.relu", "a True", "E1003", "passes at most 1 arguments by position"),
        ("torch.nn.functional.relu", "a inplace=True", "E1003", "keyword 'inplace' is refused"),
        ("torch.relu_", "a", "E1004", "it is there, and excluded"),
        ("numpy.add", "a a extobj=[1]", "E1003", "keyword 'extobj' is refused"),
        ("torch.zeros", '2 device="meta"', "E1003", "keyword 'device' is refused"),
        ("torch.zeros", "1000000000000", "E1005", "over the limit of 1073741824"),
        ("numpy.zeros", "1000000000000", "E1005", "over the limit of 1073741824"),
        ("torch.broadcast_to", "a (1000000000,3,4)", "E1005", "over the limit"),
        ("torch.relu", "gone", "E1004", "there is no tensor 'gone'"),
        ("torch.nn.functional.mse_loss", "a a reduction=mean", "E1004", 'if mean is text, put it in quotes: "mean"'),
        ("torch.sum", "a dtype=torch.load", "E1001", "dtype 'torch.load' is not known"),
        ("torch.sum", "a dtype=object", "E1001", "dtype 'object' is not known"),
        ("torch.matmul", "a ../a", "E1001", "neither a number nor a tag"),
        ("torch.matmul", "a a", "E9999", "mat1 and mat2 shapes cannot be multiplied"),
        ("torch.sum", "a nonsense=1", "E1001", "sum: "),
        ("numpy.sum", "", "E1001", "sum: "),
        ("torch.is_grad_enabled", "", "E1004", "is not a function"),
        ("__class__", "", "E1004", "unknown command"),
        ("main_logic", "", "E1004", "unknown command"),
    ],
)
def test_a_failure_tells_what_is_wrong(session: Session, command: str, parameters: str, code: str, said: str) -> None:
    session.put(A)
    failure = session.fail(command, parameters)
    assert failure["code"] == code
    assert said in failure["message"]
    assert session.call("torch.relu", "a").equal(A.relu())


def test_every_dtype_goes_through_a_function(session: Session) -> None:
    for name in ("int8", "int64", "bool", "float16", "bfloat16", "complex64", "uint8", "float8_e4m3fn"):
        tensor = torch.tensor([[0, 1], [1, 0]]).to(getattr(torch, name))
        session.put(tensor)
        result = session.call("torch.clone", "a")
        assert result.dtype == tensor.dtype
        assert torch.equal(result.view(torch.uint8), tensor.view(torch.uint8))


def test_results_do_not_share_memory_with_inputs_of_the_host(session: Session) -> None:
    session.put(torch.tensor([float("nan"), 1.0]))
    assert torch.equal(session.call("numpy.nan_to_num", "a copy=False"), torch.tensor([0.0, 1.0]))
    assert tr.read_tsr(session.host.directory / "a.tsr").isnan().any()


@pytest.mark.parametrize(
    ("command", "expected"),
    [("relu", A.relu()), ("matmul", A @ B), ("transpose", A.t()), ("square", A.square()), ("numpy.abs", A.abs())],
)
def test_plain_names_work_with_numpy_alone(without_torch: Session, command: str, expected: torch.Tensor) -> None:
    without_torch.put(A, B)
    assert torch.allclose(without_torch.call(command, "a,b" if command == "matmul" else "a"), expected)


def test_what_needs_torch_says_so(without_torch: Session) -> None:
    without_torch.put(A, B)
    for command in ("torch.matmul", "sigmoid", "linear", "conv_k3_s1_p0"):
        failure = without_torch.fail(command, "a,b")
        assert "-m pip install torch" in failure["message"]


def test_default_is_a_script_beside_the_package(start: Callable[..., Host]) -> None:
    host = start()
    assert host.hello()["server"] == "DefaultServer"
    assert "torch.*" in host.hello()["commands"]  # type: ignore[operator]


def peak_mib(process: Path) -> int:
    """The most memory that a process has had."""
    line = next(line for line in (process / "status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) >> 10


def test_what_nobody_foresaw_is_refused_by_the_system_before_memory_is_taken(session: Session) -> None:
    """And neither what earlier calls have kept, nor a large result, takes the room from later ones."""
    for _ in range(2):
        session.put(torch.ones(1, 1, 8), torch.ones(1, 1, 1), torch.tensor(1_000_000_000))
        process = Path("/proc", str(session.host.process.pid))
        (process / "clear_refs").write_text("5")  # the peak is that of now
        before = peak_mib(process)
        failure = session.fail("torch.nn.functional.conv1d", "a b padding=[c]")  # 8 GB
        assert (failure["code"], peak_mib(process) - before < 256) == ("E1005", True)
        assert "needs more memory than" in failure["message"]
        large = session.call("torch.zeros", "(200,1000,1000)")
        assert large.nbytes == 800_000_000

"""Tensors through a worker: of both libraries, in and out, kept, written to, and refused."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from host import Host, running

import tech_renaissance as tr
from tech_renaissance.channel.tensor_store import TensorStore
from tech_renaissance.data.tsr_header import DTYPES
from tech_renaissance.platform.files import AtomicWriter

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module", params=["torch", "numpy"])
def server(request: pytest.FixtureRequest) -> Iterator[Host]:
    """A server whose tensors are of one library."""
    with running("tensors", environment={"FRAMEWORK": request.param}) as host:
        host.framework = request.param  # type: ignore[attr-defined]
        yield host


@pytest.fixture(scope="module")
def torch_server() -> Iterator[Host]:
    """A server that says nothing of a library."""
    with running("tensors") as host:
        yield host


@pytest.fixture(scope="module")
def numpy_server() -> Iterator[Host]:
    """A server with NumPy alone, which is quicker."""
    with running("tensors", environment={"FRAMEWORK": "numpy"}) as host:
        yield host


def put(host: Host, tag: str, tensor: object) -> bytes:
    """Sends a tensor; the bytes of its file."""
    target = io.BytesIO()
    tr.write_tsr(tensor, target)
    host.write(f"{tag}.tsr", target.getvalue())
    return target.getvalue()


def get(host: Host, index: int = 0) -> torch.Tensor:
    """A result."""
    return tr.read_tsr(host.directory / f"result_{index}.tsr")


@pytest.mark.parametrize("dtype", [dtype.name for dtype in DTYPES])
def test_every_dtype_and_rank_comes_back_the_same(server: Host, dtype: str) -> None:
    shapes = [(), (0,), (3,), (2, 0, 3), (2, 3, 4), (1,) * 13 + (2, 1, 3), (300, 400)]
    sent = []
    for index, shape in enumerate(shapes):
        tensor = (torch.arange(torch.Size(shape).numel()) % 2).reshape(shape).to(getattr(torch, dtype))
        sent.append(put(server, f"t{index}", tensor))
    response = server.ask("echo", ",".join(f"t{index}" for index in range(len(shapes))))
    assert response["tensors"] == [f"result_{index}" for index in range(len(shapes))]
    assert [server.read(f"result_{index}.tsr") for index in range(len(shapes))] == sent


def test_tensors_are_of_the_library_asked_for(server: Host) -> None:
    put(server, "a", torch.ones(2, 3))
    name = server.framework  # type: ignore[attr-defined]
    expected = {"torch": "torch torch.float32 (2, 3)", "numpy": "numpy float32 (2, 3)"}[name]
    assert server.ask("describe", "a")["result"] == expected


@pytest.mark.parametrize("size", [4, 100_000])
def test_writing_to_an_input_changes_nothing_for_the_host(server: Host, size: int) -> None:
    before = put(server, "a", torch.zeros(size))
    assert server.ask("write_to_input", "a")["result"] == "ok"
    assert get(server).eq(1).all()
    assert server.read("a.tsr") == before


@pytest.mark.parametrize("size", [4, 100_000])
def test_an_input_kept_is_not_changed_by_later_ones(server: Host, size: int) -> None:
    put(server, "a", torch.full((size,), 7.0))
    server.ask("keep", "a")
    put(server, "a", torch.zeros(size))
    server.ask("echo", "a")
    (server.directory / "a.tsr").unlink()
    server.ask("kept")
    assert get(server).eq(7).all()


def test_a_missing_tensor_is_named_with_those_there_are(server: Host) -> None:
    put(server, "here", torch.ones(1))
    failure = server.ask("describe", "gone")["error"]
    assert failure["code"] == "E1004"  # type: ignore[index]
    assert failure["message"].startswith("there is no tensor 'gone' in this session; tensors there are: ")  # type: ignore[index]
    assert "here" in failure["message"]  # type: ignore[index]


@pytest.mark.parametrize("kind", ["truncated", "long", "garbage", "link", "fifo"])
def test_a_bad_tensor_file_is_refused_and_left_alone(server: Host, kind: str) -> None:
    data = put(server, "bad", torch.ones(3))
    path = server.directory / "bad.tsr"
    path.unlink()
    if kind == "link":
        path.symlink_to(server.directory / "worker.log")
    elif kind == "fifo":
        import os

        os.mkfifo(path)
    else:
        path.write_bytes({"truncated": data[:-1], "long": data + b"x", "garbage": b"garbage" * 50}[kind])
    failure = server.ask("describe", "bad")["error"]
    assert (failure["code"], failure["type"]) == ("E1001", "TSRError")  # type: ignore[index]
    assert "bad.tsr" in failure["message"]  # type: ignore[index]
    assert path.is_symlink() or path.exists()
    path.unlink()


def test_torch_tensors_that_are_not_plain_memory_are_sent(torch_server: Host) -> None:
    assert torch_server.ask("odd")["result"] == "ok"
    base = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    expected = [
        base.t(),
        base,
        base[:, ::2],
        torch.tensor([1 - 2j, 3 + 4j]),
        torch.tensor([-2.0, 4.0]),
        base[0].expand(2, 3),
    ]
    for index, tensor in enumerate(expected):
        assert torch.equal(get(torch_server, index), tensor), index


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_torch_tensors_of_a_gpu_are_sent(torch_server: Host) -> None:
    assert torch_server.ask("gpu")["result"] == "ok"
    base = torch.arange(60_000, dtype=torch.float32).reshape(200, 300)
    small = torch.tensor([[1 + 2j, 3 - 4j]])
    for index, tensor in enumerate([base, base.t(), base * 2, small, base > 1, base[:0], base.bfloat16()]):
        assert torch.equal(get(torch_server, index), tensor), index


@pytest.mark.parametrize(
    ("kind", "said"), [("sparse", "convert it with .to_dense()"), ("meta", "'meta' device cannot be sent")]
)
def test_torch_tensors_without_plain_contents_are_refused(torch_server: Host, kind: str, said: str) -> None:
    failure = torch_server.ask("refused", kind)["error"]
    assert failure["code"] == "E1001"  # type: ignore[index]
    assert said in failure["message"]  # type: ignore[index]


def test_numpy_arrays_that_are_not_plain_memory_are_sent(numpy_server: Host) -> None:
    assert numpy_server.ask("numpy_odd")["result"] == "ok"
    base = np.arange(6, dtype="float32").reshape(2, 3)
    for index, array in enumerate([base.T, base, base[:, ::-1], base, np.array(2.5), base[::2, ::2]]):
        assert np.array_equal(get(numpy_server, index).numpy(), array), index


@pytest.mark.parametrize("kind", ["object", "text", "masked"])
def test_numpy_arrays_without_plain_contents_are_refused(numpy_server: Host, kind: str) -> None:
    failure = numpy_server.ask("numpy_refused", kind)["error"]
    assert failure["code"] == "E1001"  # type: ignore[index]
    assert "cannot be sent" in failure["message"]  # type: ignore[index]


def test_a_server_and_a_host_of_the_older_kind_work_together(start: Callable[..., Host]) -> None:
    host = start("legacy_style", legacy=True)
    put(host, "a", torch.full((4, 3), 1.5))
    put(host, "b", torch.full((3, 5), 2.0))
    assert host.ask("matmul", "a,b", old=True)["params"] == "result_0"
    assert torch.equal(get(host), torch.full((4, 5), 9.0))
    assert host.ask("matmul", "a", old=True)["params"] == "invalid"
    assert host.ask("matmul", "a b", old=True)["params"] == "result_0"


def test_memory_and_mappings_stay_flat(numpy_server: Host) -> None:
    place = f"/proc/{numpy_server.process.pid}/maps"
    put(numpy_server, "a", np.ones(500_000, "float32"))

    def mappings() -> int:
        with open(place) as file:
            return len(file.readlines())

    numpy_server.ask("echo", "a")
    before = mappings()
    for _ in range(20):
        numpy_server.ask("echo", "a")
    assert mappings() <= before + 2


def test_a_tensor_of_a_channel_that_its_host_has_removed(tmp_path: Path) -> None:
    """It is missing, as any other; that the folder is gone as well is no error of the worker's own."""
    store = TensorStore(str(tmp_path / "gone"), AtomicWriter(str(tmp_path), None))
    assert str(store.missing("a")) == "there is no tensor 'a' in this session; tensors there are: none"

"""Calls whose results would not fit are refused before memory is taken, and ordinary ones pass."""

from __future__ import annotations

from typing import Any

import pytest

from tech_renaissance.default_server.allow_list import resolve
from tech_renaissance.default_server.size_guard import SizeGuard, size_limit, with_sizes
from tech_renaissance.errors import InputError

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

MIB = 1 << 20
LIMIT = 100 * MIB
T = 10**12


def check(name: str, *args: Any, **kwargs: Any) -> None:
    """Asks the guard about a call."""
    namespace, short, function = resolve(name)
    SizeGuard(LIMIT).before(namespace.partition(".")[0], short, function, *with_sizes(short, list(args), kwargs))


def ones(*shape: int) -> Any:
    """A torch tensor."""
    return torch.ones(shape)


def array(*shape: int) -> Any:
    """A NumPy array."""
    return np.ones(shape, "float32")


HUGE = [
    ("torch.zeros", (T,), {}),
    ("torch.zeros", ((10**6, 10**6),), {}),
    ("torch.empty", (10**4, 10**4, 10**4), {}),
    ("torch.full", ((T,), 1.0), {}),
    ("torch.rand", (T,), {}),
    ("torch.arange", (T,), {}),
    ("torch.arange", (0, 1, 1e-12), {}),
    ("torch.linspace", (0, 1, T), {}),
    ("torch.logspace", (0, 1), {"steps": T}),
    ("torch.eye", (10**6,), {}),
    ("torch.tril_indices", (10**6, 10**6), {}),
    ("torch.randperm", (T,), {}),
    ("torch.hann_window", (T,), {}),
    ("torch.tile", (ones(10), (T,)), {}),
    ("torch.repeat_interleave", (ones(10), T), {}),
    ("torch.repeat_interleave", (torch.tensor([T]),), {}),
    ("torch.broadcast_to", (ones(1), (T,)), {}),
    ("torch.kron", (ones(10**4), ones(10**4)), {}),
    ("torch.outer", (ones(10**5), ones(10**5)), {}),
    ("torch.cdist", (ones(10**4, 1), ones(10**4, 1)), {}),
    ("torch.diag", (ones(10**5),), {}),
    ("torch.diag_embed", (ones(10**5),), {}),
    ("torch.block_diag", (ones(10**4, 1), ones(1, 10**4)), {}),
    ("torch.combinations", (ones(5000), 3), {}),
    ("torch.cartesian_prod", (ones(10**4), ones(10**4)), {}),
    ("torch.meshgrid", (ones(10**4), ones(10**4)), {}),
    ("torch.bincount", (torch.tensor([T]),), {}),
    ("torch.bincount", (torch.tensor([1]),), {"minlength": T}),
    ("torch.vander", (ones(1000),), {"N": 10**9}),
    ("torch.nn.functional.one_hot", (torch.tensor([T]),), {}),
    ("torch.nn.functional.one_hot", (torch.tensor([1]), T), {}),
    ("torch.nn.functional.pad", (ones(2), (T, T)), {}),
    ("torch.nn.functional.interpolate", (ones(1, 1, 10, 10),), {"scale_factor": 10_000}),
    ("torch.nn.functional.interpolate", (ones(1, 1, 2, 2),), {"size": (10**6, 10**6)}),
    ("torch.nn.functional.upsample", (ones(1, 1, 10, 10), (10**6, 10**6)), {}),
    ("torch.fft.fft", (ones(4), T), {}),
    ("torch.add", (ones(10**4, 1), ones(1, 10**4)), {}),
    ("torch.einsum", ("i,j->ij", ones(10**4), ones(10**4)), {}),
    ("torch.tensor_split", (ones(10), T), {}),
    ("torch.nonzero_static", (ones(10),), {"size": T}),
    ("numpy.zeros", (T,), {}),
    ("numpy.ones", ((10**6, 10**6),), {}),
    ("numpy.full", (T, 1), {}),
    ("numpy.full", ((10**6, 10**6), 1), {}),
    ("numpy.arange", (T,), {}),
    ("numpy.arange", (0, 1, 1e-12), {}),
    ("numpy.linspace", (0, 1, T), {}),
    ("numpy.eye", (10**6,), {}),
    ("numpy.identity", (10**6,), {}),
    ("numpy.tri", (10**6, 10**6), {}),
    ("numpy.indices", ((10**6, 10**6),), {}),
    ("numpy.hanning", (T,), {}),
    ("numpy.repeat", (array(10), T), {}),
    ("numpy.tile", (array(10), T), {}),
    ("numpy.resize", (array(10), (T,)), {}),
    ("numpy.broadcast_to", (array(1), (T,)), {}),
    ("numpy.outer", (array(10**5), array(10**5)), {}),
    ("numpy.kron", (array(10**4), array(10**4)), {}),
    ("numpy.diag", (array(10**5),), {}),
    ("numpy.diagflat", (array(10**5),), {}),
    ("numpy.meshgrid", (array(10**4), array(10**4)), {}),
    ("numpy.add", (array(10**4, 1), array(1, 10**4)), {}),
    ("numpy.einsum", ("i,j->ij", array(10**4), array(10**4)), {}),
    ("numpy.tensordot", (array(10**4), array(10**4), 0), {}),
    ("numpy.bincount", (np.array([T]),), {}),
    ("numpy.pad", (array(2), T), {}),
    ("numpy.vander", (array(1000), 10**9), {}),
    ("numpy.array_split", (array(10), T), {}),
    ("numpy.cov", (array(10**5, 2),), {}),
    # Sizes that come as tensors.
    ("torch.ones", ([torch.tensor(T)],), {}),
    ("torch.full", ([torch.tensor(T)], 1.0), {}),
    ("torch.eye", (torch.tensor(10**6),), {}),
    ("torch.arange", (torch.tensor(T),), {}),
    ("torch.randperm", (torch.tensor(T),), {}),
    ("torch.tile", (ones(10), [torch.tensor(T)]), {}),
    ("torch.fft.fft", (ones(4), torch.tensor(T)), {}),
    ("torch.nn.functional.pad", (ones(2), [torch.tensor(T)] * 2), {}),
    ("torch.nn.functional.one_hot", (torch.tensor([1]), torch.tensor(T)), {}),
    ("torch.nn.functional.interpolate", (ones(1, 1, 2),), {"size": [torch.tensor(T)]}),
    ("torch.normal", (0.0, 1.0, (T,)), {}),
    ("numpy.ones", (np.array([10**6, 10**6]),), {}),
    ("numpy.full", (np.array([10**6, 10**6]), 1.0), {}),
    ("numpy.arange", (np.array(T),), {}),
    ("numpy.linspace", (0, 1, np.array(T)), {}),
    ("numpy.indices", (np.array([10**6, 10**6]),), {}),
    ("numpy.bartlett", (np.array(T),), {}),
    ("numpy.resize", (array(4), np.array([T])), {}),
    ("numpy.pad", (array(4), np.array([T])), {}),
    ("numpy.tile", (array(4), np.array([T])), {}),
    ("numpy.repeat", (array(4), np.array(T)), {}),
    ("numpy.vander", (array(1000), np.array(10**9)), {}),
    ("numpy.histogram", (array(4), np.array(T)), {}),
]


@pytest.mark.parametrize(("name", "args", "kwargs"), HUGE, ids=lambda value: value if isinstance(value, str) else "")
def test_a_huge_result_is_refused_before_memory_is_taken(name: str, args: Any, kwargs: Any) -> None:
    with pytest.raises(InputError, match="over the limit of") as caught:
        check(name, *args, **kwargs)
    assert caught.value.code == "E1005"


ORDINARY = [
    ("torch.zeros", (1000, 1000), {}),
    ("torch.full", ((10, 10), T), {}),
    ("torch.eye", (1000,), {}),
    ("torch.arange", (10**6,), {}),
    ("torch.clamp", (ones(10), -1e12, 1e12), {}),
    ("torch.matmul", (ones(2000, 2000), ones(2000, 2000)), {}),
    ("torch.cdist", (ones(1000, 3), ones(1000, 3)), {}),
    ("torch.sum", (ones(1000, 1000),), {"dim": 1}),
    ("torch.cat", ([ones(10**6), ones(10**6)],), {}),
    ("torch.where", (ones(1000, 1000) > 0, ones(1000, 1000), ones(1000, 1000)), {}),
    ("torch.unique", (torch.arange(10**6),), {}),
    ("torch.nonzero", (ones(1000, 1000),), {}),
    ("torch.bincount", (torch.tensor([3, 5]),), {}),
    ("torch.einsum", ("bij,bjk->bik", ones(8, 256, 256), ones(8, 256, 256)), {}),
    ("torch.nn.functional.conv2d", (ones(8, 16, 64, 64), ones(32, 16, 3, 3)), {"stride": 2, "padding": 1}),
    ("torch.nn.functional.linear", (ones(512, 1024), ones(1024, 1024), ones(1024)), {}),
    ("torch.nn.functional.layer_norm", (ones(100, 1000), (1000,)), {"eps": 1e-12}),
    ("torch.nn.functional.one_hot", (torch.arange(10),), {}),
    ("torch.nn.functional.interpolate", (ones(1, 3, 32, 32),), {"scale_factor": 2}),
    ("torch.linalg.solve", (ones(500, 500), ones(500, 500)), {}),
    ("torch.linalg.svd", (ones(300, 300),), {}),
    ("torch.fft.rfft", (ones(10**6),), {}),
    ("torch.chunk", (ones(100), 4), {}),
    ("torch.repeat_interleave", (ones(10), 3), {}),
    ("numpy.zeros", ((1000, 1000),), {}),
    ("numpy.full", ((10, 10), T), {}),
    ("numpy.eye", (1000,), {}),
    ("numpy.matmul", (array(2000, 2000), array(2000, 2000)), {}),
    ("numpy.dot", (array(2000, 2000), array(2000, 2000)), {}),
    ("numpy.tensordot", (array(200, 300), array(300, 200), 1), {}),
    ("numpy.einsum", ("ij,jk->ik", array(2000, 2000), array(2000, 2000)), {}),
    ("numpy.add", (array(1000, 1000), array(1000, 1000)), {}),
    ("numpy.where", (array(1000, 1000), array(1000, 1000), array(1000, 1000)), {}),
    ("numpy.concatenate", ([array(10**6), array(10**6)],), {}),
    ("numpy.clip", (array(10), -1e12, 1e12), {}),
    ("numpy.interp", (array(10**5), array(10**5), array(10**5)), {}),
    ("numpy.convolve", (array(10**5), array(1000)), {}),
    ("numpy.cov", (array(100, 1000),), {}),
    ("numpy.bincount", (np.array([3, 5]),), {}),
    ("numpy.sort", (np.array([T, T, T]),), {}),
    ("numpy.histogram", (array(4), np.array([0, T, 2 * T])), {}),
    ("numpy.full", ((10, 10), np.array(T)), {}),
    ("numpy.zeros", (3,), {"dtype": np.dtype("int16")}),
    ("numpy.pad", (array(4), 2, "constant"), {}),
    ("numpy.einsum", ("i,i", array(4), array(4)), {}),
    ("torch.mul", (ones(3), torch.tensor(T)), {}),
    ("torch.normal", (0.0, 1.0, (1000,)), {}),
    ("torch.tensor", ([T, T],), {}),
    ("torch.roll", (ones(3), T), {}),
    ("torch.full_like", (ones(3), 1e12), {}),
    ("torch.linspace", (0, 1e12, 5), {}),
    ("numpy.array", (1e15,), {}),
    ("numpy.linspace", (0, 1e12, 5), {}),
    ("numpy.linspace", (0, 1e12), {"num": 5}),
    ("numpy.logspace", (0, 1e12), {}),
    ("numpy.isin", (array(3), [100_000, 200_000]), {}),
    ("numpy.digitize", (array(3), [0, 1e6, 2e6]), {}),
    ("numpy.full_like", (array(3), 1e12), {}),
    ("numpy.max", ([10**6, 10**6],), {}),
    ("numpy.roll", (array(3), T), {}),
    ("numpy.gradient", (array(3), 1e-12), {}),
    ("numpy.power", (array(3), 1e12), {}),
    ("numpy.sum", (np.ones(60 * MIB, "uint8"),), {}),
    ("numpy.mean", (np.ones((2, 30 * MIB), "uint8"), -1), {}),
    ("numpy.max", (np.ones((2, 2, 15 * MIB), "uint8"),), {"axis": (1, -1)}),
    ("numpy.add", (np.ones(12 * MIB, "uint8"), np.ones(12 * MIB, "uint8")), {}),
]


@pytest.mark.parametrize(
    ("name", "args", "kwargs"), ORDINARY, ids=lambda value: value if isinstance(value, str) else ""
)
def test_an_ordinary_call_passes(name: str, args: Any, kwargs: Any) -> None:
    check(name, *args, **kwargs)


@pytest.mark.parametrize("dtype", ["(10000,4000)f8", "S300000000", "U100000000", "i,i,i"])
def test_a_dtype_of_many_elements_is_refused(dtype: str) -> None:
    with pytest.raises(InputError, match="is not known: expected one of") as caught:
        check("numpy.ones", 1, dtype)
    assert caught.value.code == "E1001"


def test_a_view_that_is_larger_than_its_memory_is_refused() -> None:
    guard = SizeGuard(LIMIT)
    with pytest.raises(InputError, match="over the limit"):
        guard.after(torch.ones(1).expand(10**10))
    with pytest.raises(InputError, match="over the limit"):
        guard.after((np.ones(1), np.broadcast_to(np.ones(1), (10**10,))))
    with pytest.raises(InputError, match="1025 results are over the limit of 1024"):
        guard.after([np.ones(1)] * 1025)


def test_the_limit_is_half_of_the_memory_or_what_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TR_MAX_TENSOR_BYTES", raising=False)
    assert 2**28 < size_limit() < 2**50
    monkeypatch.setenv("TR_MAX_TENSOR_BYTES", "12345")
    assert size_limit() == 12345

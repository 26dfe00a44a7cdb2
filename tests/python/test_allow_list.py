"""The allow-list of the default server as an attack surface: what can be reached, by property and not by example."""

from __future__ import annotations

import importlib
import re
import types
from typing import Any

import pytest

from tech_renaissance.default_server import allow_list
from tech_renaissance.default_server.allow_list import NAMESPACES, allowed_names, resolve
from tech_renaissance.errors import NotFoundError

pytest.importorskip("torch")
pytest.importorskip("numpy")

# Parts of names (between underscores) of what loads, saves, opens, compiles, executes or changes the whole process.
SUSPICIOUS = set(
    """
    apply autocast buf bufsize call compile ctypes deserialize deterministic disk dlpack dump enable eval exec execute
    export file filename fork frombuffer fromfile fromfunction fromiter frompyfunc fromregex fromstring genfromtxt get
    getstate hook hub import init ir jit join load loads loadtxt map memmap module open package parse path pickle
    piecewise pipe printoptions process read register rng run save saves savetxt savez script seed serialize set seterr
    shell state storage subprocess system test thread threads tofile trace url vectorize vmap vulkan wait warn write zip
    """.split()  # noqa: SIM905 - one word a line would be 100 lines
)
# Reached, suspicious by name, and looked at: what they are.
HARMLESS = {
    "numpy.trace": "the sum of a diagonal",
    "torch.trace": "the sum of a diagonal",
    "torch.get_device": "the number of a tensor's device",
}


def reachable() -> list[tuple[str, str, Any]]:
    """Namespace, name and value of everything that can be called."""
    found = []
    for namespace in NAMESPACES:
        module = importlib.import_module(namespace)
        found += [(namespace, name, vars(module)[name]) for name in allowed_names(module)]
    return found


def test_a_great_deal_can_be_reached() -> None:
    assert len(reachable()) > 1000


def test_nothing_that_can_be_reached_has_a_suspicious_name() -> None:
    suspicious = {f"{space}.{name}" for space, name, _ in reachable() if SUSPICIOUS & set(name.lower().split("_"))}
    assert suspicious == set(HARMLESS)


def test_only_functions_can_be_reached() -> None:
    for namespace, name, value in reachable():
        assert callable(value), name
        assert not isinstance(value, (type, types.ModuleType, types.MethodType)), f"{namespace}.{name}"
        assert not name.startswith("_")


def test_only_functions_of_the_libraries_can_be_reached() -> None:
    for namespace, name, value in reachable():
        home = getattr(value, "__module__", None) or namespace
        assert home.split(".")[0] == namespace.split(".")[0], f"{namespace}.{name} is from {home}"


def test_no_python_function_that_can_be_reached_touches_files_or_code() -> None:
    """By the global names that the compiled code of each uses, in itself and in what it nests."""
    forbidden = {
        "open",
        "exec",
        "eval",
        "compile",
        "__import__",
        "pickle",
        "os",
        "sys",
        "subprocess",
        "shutil",
        "ctypes",
    }
    for namespace, name, value in reachable():
        code = getattr(value, "__code__", None)
        if code is not None:
            assert not forbidden & _global_names(code), f"{namespace}.{name}"


@pytest.mark.parametrize(
    "name",
    """
    torch.load torch.save torch.compile torch.from_file torch.frombuffer torch.hub.load torch.hub torch.utils
    torch.utils.data torch.jit.load torch.jit torch.ops torch.ops.load_library torch.classes torch.package
    torch.import_ir_module torch.parse_ir torch.set_num_threads torch.set_default_dtype torch.set_default_device
    torch.manual_seed torch.seed torch.fork torch.wait torch.vmap torch.func torch.func.vmap torch.Tensor torch.device
    torch.Generator torch.FloatTensor torch.from_dlpack torch.to_dlpack torch.set_printoptions torch.autograd
    torch.use_deterministic_algorithms torch.get_file_path torch.os torch.sys torch._C torch.__class__ torch.__dict__
    torch.__builtins__ torch.matmul.__self__ torch.matmul.__class__ torch.nn.functional.np torch.nn.functional.importlib
    torch.nn.functional.warnings torch.nn.functional.__builtins__ torch.nn.functional.boolean_dispatch
    torch.nn.functional.handle_torch_function torch.nn.functional.torch torch.nn.functional._in_projection
    torch.nn.functional.assert_int_or_pair torch.linalg.torch torch.linalg.sys torch.fft.torch torch.special.torch
    torch.nn torch.nn.Linear torch.quantization torch.fbgemm_pack_gemm_matrix_fp16 torch._lobpcg.lobpcg torch.cond
    torch.while_loop torch.get_device_module torch.quantized_lstm torch.sym_sum torch.typename
    numpy.load numpy.save numpy.savez numpy.savez_compressed numpy.savetxt numpy.loadtxt numpy.genfromtxt numpy.fromfile
    numpy.memmap numpy.fromregex numpy.frompyfunc numpy.fromfunction numpy.fromiter numpy.frombuffer numpy.fromstring
    numpy.vectorize numpy.apply_along_axis numpy.apply_over_axes numpy.piecewise numpy.lib numpy.lib.npyio.load
    numpy.f2py numpy.testing numpy.test numpy.ctypeslib numpy.linalg numpy.linalg.inv numpy.random numpy.os numpy.sys
    numpy.bmat numpy.asmatrix numpy.matrix numpy.ndarray numpy.dtype numpy.seterr numpy.seterrcall numpy.setbufsize
    numpy.getbufsize numpy.set_printoptions numpy.printoptions numpy.show_config numpy.info numpy.get_include
    numpy.nested_iters numpy.nditer numpy.DataSource numpy.__config__ numpy.__class__ numpy.core numpy._core numpy.rec
    numpy.exceptions numpy.shares_memory numpy.mask_indices numpy.array2string numpy.from_dlpack
    os.system builtins.eval builtins.open subprocess.run sys.exit pickle.loads importlib.import_module ctypes.CDLL
    tech_renaissance.errors .matmul torch. . .. torch..matmul numpy..load torch.matmul. torch.nn.functional.
    Torch.matmul torch.MATMUL torch.matmul\0 torch.matmul() torch/matmul
    """.split(),  # noqa: SIM905 - one name a line would be 130 lines
)
def test_an_attack_by_name_finds_nothing(name: str) -> None:
    with pytest.raises(NotFoundError, match="is not a function that the default server calls") as caught:
        resolve(name)
    assert caught.value.code == "E1004"


@pytest.mark.parametrize(
    "name",
    """
    torch.matmul torch.zeros torch.einsum torch.cat torch.stft torch.unique torch.conv2d torch.nn.functional.conv2d
    torch.nn.functional.linear torch.nn.functional.max_pool2d torch.nn.functional.scaled_dot_product_attention
    torch.nn.functional.gelu torch.nn.functional.cross_entropy torch.linalg.inv torch.linalg.svd torch.fft.rfft
    torch.special.erf torch.special.gammaln numpy.matmul numpy.zeros numpy.einsum numpy.sum numpy.concatenate
    """.split(),  # noqa: SIM905
)
def test_what_users_want_can_be_reached(name: str) -> None:
    namespace, function, value = resolve(name)
    assert f"{namespace}.{function}" == name
    assert callable(value)


def test_every_ufunc_can_be_reached() -> None:
    import numpy

    ufuncs = {name for name, value in vars(numpy).items() if isinstance(value, numpy.ufunc) and name[0] != "_"}
    assert ufuncs <= set(allowed_names(numpy))


def test_a_likely_name_is_suggested() -> None:
    with pytest.raises(NotFoundError, match=r"did you mean torch\.matmul\?"):
        resolve("torch.matmull")
    with pytest.raises(NotFoundError, match=re.escape("its namespaces are torch, torch.nn.functional")):
        resolve("scipy.fft")


def test_the_list_for_numpy_names_functions_alone() -> None:
    import numpy

    present = [name for name in allow_list._NUMPY_ALLOWED if hasattr(numpy, name)]
    assert set(present) <= set(allowed_names(numpy))


def _global_names(code: types.CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _global_names(constant)
    return names

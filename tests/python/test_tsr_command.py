"""`python -m tech_renaissance tsr`: what it shows of files, and conversions there and back."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tech_renaissance as tr
from tech_renaissance import __main__ as command_line
from tech_renaissance.data.tsr_header import DTYPES

torch = pytest.importorskip("torch")

Tsr = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tsr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tsr:
    """Runs the command in an empty folder; gives exit status, output and errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tech_renaissance", "tsr", *arguments])
        status = command_line.main()
        return status, *capsys.readouterr()

    return run


def sample(dtype: str, shape: tuple[int, ...] = (2, 3)) -> object:
    return (torch.arange(6) % 2).reshape(shape).to(getattr(torch, dtype))


# --------------------------------------------------------------------------------------------------------------- show


def test_shape_dtype_statistics_and_a_corner(tsr: Tsr) -> None:
    tr.write_tsr(np.array([[1, 2, 3], [4, np.nan, -np.inf]], np.float32), "x.tsr")
    assert tsr("show", "x.tsr") == (
        0,
        "x.tsr: FP32, shape (2, 3), 6 elements, 24 bytes of data, version 1\n"
        "  min 1, max 4, mean 2.5, standard deviation 1.11803, 1 NaN, 1 infinite\n"
        "  [[  1.   2.   3.]\n"
        "   [  4.  nan -inf]]\n",
        "",
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            np.array([2**63 - 1, -(2**63)]),
            f"min {-(2**63)}, max {2**63 - 1}, mean 0, standard deviation 9.22337e+18",
        ),
        (np.array([True, False, True]), "2 of 3 are true"),
        (np.array([3 + 4j, 6 - 8j]), "absolute values: min 5, max 10, mean 7.5, standard deviation 2.5, 0 NaN, 0 inf"),
        (np.full(3, np.nan), "no finite element, 3 NaN, 0 infinite"),
        (np.array(7, np.uint8), "min 7, max 7, mean 7, standard deviation 0\n  7\n"),
        (np.zeros((3, 0)), "shape (3, 0), 0 elements, 0 bytes of data, version 2\n"),
        (
            torch.tensor([1.5, float("nan")]).to(torch.float8_e5m2),
            "min 1.5, max 1.5, mean 1.5, standard deviation 0, 1",
        ),
    ],
    ids=["int64", "bool", "complex", "NaN", "scalar", "empty", "float8"],
)
def test_figures_of_other_kinds(tsr: Tsr, values: object, said: str) -> None:
    tr.write_tsr(values, "x.tsr")
    status, printed, _ = tsr("show", "x.tsr")
    assert status == 0
    assert said in printed


def test_figures_of_many_are_those_of_numpy(tsr: Tsr) -> None:
    values = np.random.default_rng(7).normal(1e6, 3, 3_000_001)
    tr.write_tsr(values, "x.tsr")
    figures = f"min {values.min():.6g}, max {values.max():.6g}, mean {values.mean():.6g}"
    assert f"  {figures}, standard deviation {values.std():.6g}, 0 NaN" in tsr("show", "x.tsr")[1]


def test_the_corner_of_a_tensor_of_many_dims_is_small(tsr: Tsr) -> None:
    tr.write_tsr(np.arange(8**5).reshape((8,) * 5), "x.tsr")
    lines = tsr("show", "x.tsr")[1].splitlines()
    assert lines[2:4] == ["  [0, 0, 0, :, :]:", "  [[ 0  1  2 ...  5  6  7]"]
    assert len(lines) == 10


def test_a_file_that_cannot_be_read_does_not_hide_the_others(tsr: Tsr) -> None:
    tr.write_tsr(1, "a.tsr")
    Path("bad.tsr").write_bytes(Path("a.tsr").read_bytes()[:-1])
    tr.write_tsr(2, "z.tsr")
    status, printed, errors = tsr("show", "a.tsr", "bad.tsr", "none.tsr", "z.tsr")
    assert status == 1
    assert [line.partition(":")[0] for line in printed.splitlines() if not line.startswith(" ")] == ["a.tsr", "z.tsr"]
    assert "bad.tsr: file size is 71: expected exactly 72" in errors
    assert "none.tsr: cannot be read: No such file or directory" in errors


def test_from_a_shell(tmp_path: Path) -> None:
    tr.write_tsr(np.ones(3), tmp_path / "x.tsr")
    ran = subprocess.run(
        [sys.executable, "-m", "tech_renaissance", "tsr", "show", str(tmp_path / "x.tsr")],
        env={**os.environ, "PYTHONPATH": str(Path(tr.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.endswith("  [1. 1. 1.]\n")


# ------------------------------------------------------------------------------------------------------------- convert

NOT_NUMPYS = ("bfloat16", "float8_e4m3fn", "float8_e5m2")


@pytest.mark.parametrize("dtype", [dtype.name for dtype in DTYPES])
@pytest.mark.parametrize("ending", ["npy", "npz", "safetensors", "pt"])
def test_every_dtype_goes_there_and_back(tsr: Tsr, ending: str, dtype: str) -> None:
    tr.write_tsr(sample(dtype), "x.tsr")
    target = f"y.{ending}"
    status, printed, errors = tsr("convert", "x.tsr", target)
    if ending.startswith("np") and dtype in NOT_NUMPYS:
        expected = f"x.tsr: NumPy's files have no dtype {dtype}: convert to .safetensors or .pt instead\n"
        assert (status, printed, errors, os.listdir()) == (1, "", expected, ["x.tsr"])
        return
    if ending == "safetensors" and dtype == "complex128":  # which the format does not have
        assert (status, os.listdir()) == (1, ["x.tsr"])
        assert errors.startswith("y.safetensors: cannot be written as a .safetensors file: ")
        return
    assert (status, printed, errors) == (0, f"{target}\n", "")
    assert tsr("convert", target, "z.tsr") == (0, "z.tsr\n", "")
    assert Path("z.tsr").read_bytes() == Path("x.tsr").read_bytes()


def test_several_go_into_one_file_and_out_again(tsr: Tsr) -> None:
    tr.write_tsr(np.ones(2), "file.tsr")
    tr.write_tsr(np.zeros((3, 1), np.int16), "layer.0.bias.tsr")
    for ending in ("npz", "safetensors", "pt"):
        assert tsr("convert", "file.tsr", "layer.0.bias.tsr", f"all.{ending}") == (0, f"all.{ending}\n", "")
        assert tsr("convert", f"all.{ending}", "out/")[:2] == (0, "out/file.tsr\nout/layer.0.bias.tsr\n")
        for name in ("file.tsr", "layer.0.bias.tsr"):
            assert Path("out", name).read_bytes() == Path(name).read_bytes()
        assert tsr("convert", f"all.{ending}", "one.tsr", "--name", "file")[0] == 0
        assert Path("one.tsr").read_bytes() == Path("file.tsr").read_bytes()
    assert sorted(np.load("all.npz")) == ["file", "layer.0.bias"]
    assert sorted(torch.load("all.pt", weights_only=True)) == ["file", "layer.0.bias"]


def test_the_files_are_those_of_their_libraries(tsr: Tsr) -> None:
    tr.write_tsr(np.arange(3), "x.tsr")
    for target in ("x.npy", "x.npz", "x.pt", "x.safetensors"):
        assert tsr("convert", "x.tsr", target)[0] == 0
    assert np.load("x.npy").tolist() == np.load("x.npz")["x"].tolist() == [0, 1, 2]
    assert torch.load("x.pt", weights_only=True).tolist() == [0, 1, 2]
    safetensors = pytest.importorskip("safetensors.numpy")
    assert safetensors.load_file("x.safetensors")["x"].tolist() == [0, 1, 2]
    assert tsr("convert", "x.tsr", "x.safetensors", "--name", "weight")[0] == 0
    assert list(safetensors.load_file("x.safetensors")) == ["weight"]
    assert not [name for name in os.listdir() if name.startswith(".")]


def test_a_model_of_pytorch(tsr: Tsr) -> None:
    model = torch.nn.Linear(2, 3)
    torch.save(model.state_dict(), "model.pt")
    assert tsr("convert", "model.pt", "weights/") == (0, "weights/weight.tsr\nweights/bias.tsr\n", "")
    assert torch.equal(tr.read_tsr("weights/weight.tsr"), model.weight)


class Hostile:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, ("ran.txt", "w")


def test_what_could_run_code_is_refused(tsr: Tsr) -> None:
    torch.save({"weight": Hostile()}, "x.pt")
    np.save("x.npy", np.array([Hostile()]), allow_pickle=True)
    Path("no.pt").write_text("no such file of torch.save")
    assert "weights alone are read: save a tensor, or a dict of tensors" in tsr("convert", "x.pt", "x.tsr")[2]
    assert "or is no file of torch.save" in tsr("convert", "no.pt", "x.tsr")[2]
    assert "x.npy: cannot be read as a .npy file: ValueError: Object arrays" in tsr("convert", "x.npy", "x.tsr")[2]
    assert sorted(os.listdir()) == ["no.pt", "x.npy", "x.pt"]


@pytest.mark.parametrize("name", ["../up", "/tmp/up", "a/b"])
def test_names_in_a_file_lead_nowhere_else(tsr: Tsr, name: str) -> None:
    with zipfile.ZipFile("x.npz", "w") as archive, archive.open(f"{name}.npy", "w") as file:
        np.lib.format.write_array(file, np.ones(2))
    status, printed, errors = tsr("convert", "x.npz", "out/")
    assert (status, printed, os.listdir()) == (1, "", ["x.npz"])
    assert f"x.npz: it holds a tensor {name!r}, which is no name of a file: convert that one with --name" in errors
    assert tsr("convert", "x.npz", "x.tsr", "--name", name) == (0, "x.tsr\n", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("x.tsr y.tsr", "cannot convert 'x.tsr' to 'y.tsr': expected .tsr files and a target that ends in .npy, .npz,"),
        ("x.txt x.npy", "cannot convert 'x.txt' to 'x.npy'"),
        ("x.tsr out/", "cannot convert 'x.tsr' to 'out/'"),
        ("two.npz x.npy out/", "cannot convert 'two.npz', 'x.npy' to 'out/'"),
        ("x.tsr o/x.tsr y.npz", "o/x.tsr: another source is called 'x' as well, so one name would stand for two"),
        ("x.tsr z.tsr y.npy", "y.npy: a .npy file holds one tensor, not 2: take .npz instead"),
        ("x.tsr y.npy --name n", "the name 'n' was given for a file that holds one tensor without a name"),
        ("x.tsr z.tsr y.npz --name n", "the name 'n' was given for 2 tensors: leave it out"),
        (
            "two.npz out.tsr",
            "two.npz: it holds 2 tensors ('a', 'b'): name one with --name, or give a folder as the tar",
        ),
        ("two.npz x.tsr --name c", "two.npz: there is no tensor 'c' in it: it holds 2 tensors ('a', 'b')"),
        ("bad.tsr y.npz", "bad.tsr: truncated header: expected at least 64 bytes, found 3"),
        ("none.tsr y.npz", "none.tsr: cannot be read: No such file or directory"),
        ("none.npz y.tsr", "none.npz: cannot be read as a .npz file: there is no such file"),
        ("bad.npz y.tsr", "bad.npz: cannot be read as a .npz file: "),
        ("bad.safetensors y.tsr", "bad.safetensors: cannot be read as a .safetensors file: "),
        ("text.npy y.tsr", "text.npy: NumPy dtype <U4 cannot be sent as a tensor: convert it to one of float32"),
        ("nested.pt y.tsr", "nested.pt: expected a tensor, or a dict of names and tensors, found a dict under 'model'"),
        ("number.pt y.tsr", "number.pt: expected a tensor, or a dict of names and tensors, found a int"),
        ("array.npz y.tsr", "array.npz: expected an archive of arrays, found one array: give it the ending .npy"),
        ("archive.npy y.tsr", "archive.npy: expected one array, found an archive of several"),
        ("x.tsr nowhere/y.npy", "nowhere/y.npy: cannot be written as a .npy file: FileNotFoundError"),
    ],
    ids=lambda value: value if " " in value and ":" not in value else "",
)
def test_what_is_refused_and_why(tsr: Tsr, arguments: str, said: str) -> None:
    tr.write_tsr(1, "x.tsr")
    tr.write_tsr(1, "z.tsr")
    np.savez("two.npz", a=1, b=2)
    np.save("text.npy", np.array("text"))
    torch.save({"model": {"weight": torch.ones(1)}}, "nested.pt")
    torch.save(3, "number.pt")
    np.save("array", 1)
    os.rename("array.npy", "array.npz")
    np.savez("archive", a=1)
    os.rename("archive.npz", "archive.npy")
    for name in ("bad.tsr", "bad.npz", "bad.safetensors"):
        Path(name).write_text("bad")
    os.mkdir("o")
    tr.write_tsr(1, "o/x.tsr")
    before = sorted(os.listdir())
    status, printed, errors = tsr("convert", *arguments.split())
    assert (status, printed, sorted(os.listdir())) == (1, "", before)
    assert errors.startswith(said)


def test_a_library_that_is_missing_is_named(tsr: Tsr, monkeypatch: pytest.MonkeyPatch) -> None:
    tr.write_tsr(1, "x.tsr")
    for name in ("safetensors", "safetensors.torch"):
        monkeypatch.setitem(sys.modules, name, None)
    status, _, errors = tsr("convert", "x.tsr", "x.safetensors")
    assert status == 1
    assert f"needs the package safetensors, which {sys.executable} does not have" in errors
    assert f"install it with '{sys.executable} -m pip install safetensors'" in errors

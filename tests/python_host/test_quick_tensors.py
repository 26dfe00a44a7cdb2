"""Small tensors go through the library in one step; what is not as usual goes the long way, and comes out the same."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import torch
from programs import program

from tech_renaissance import InputError, PythonSession
from tech_renaissance.data.tsr_header import DTYPES

SERVER = Path(__file__).with_name("quick_server.py")
NAMES = [dtype.name for dtype in DTYPES]
TIMES = 4  # the first results find no buffer to be written to


def counts(session: PythonSession) -> list[int]:
    return [int(count) for count in session.fetch_response("counts").split()]


def ask(session: PythonSession, command: str, tensor: object) -> tuple[list[object], list[int]]:
    """Results of the same request some times, and how many tensors were read and written in one step."""
    before = counts(session)
    results = [session.calculate(command, tensor) for _ in range(TIMES)]
    return results, [now - then for now, then in zip(counts(session), before)]


@pytest.mark.parametrize("framework", ["torch", "numpy"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3, 4), (1,) * 16])
def test_every_dtype(session: PythonSession, framework: str, name: str, shape: tuple[int, ...]) -> None:
    dtype = np.dtype(getattr(ml_dtypes, name, name))
    array = (np.arange(np.prod(shape, dtype=int)) % (2 if name == "bool" else 7)).astype(dtype).reshape(shape)
    session.fetch_response(f"use {framework}")
    results, (read, written) = ask(session, "echo", array)
    for result in results:
        assert (result.dtype, result.shape, result.tobytes()) == (array.dtype, shape, array.tobytes())
    extra = hasattr(ml_dtypes, name)  # which NumPy does not know by itself
    assert (read >= TIMES - 1) == (framework == "torch" and "float8" not in name and name != "bool")
    assert (written > 0) == (framework == "torch" or not extra)


@pytest.mark.parametrize(
    "command",
    ["transposed", "every_other", "grad", "parameter", "conj", "neg", "strided_one", "scalar"],
)
def test_torch_tensors_of_any_layout(session: PythonSession, command: str) -> None:
    session.fetch_response("use torch")
    tensor = torch.arange(1.0, 13.0).reshape(3, 4)
    expected = {
        "transposed": tensor.T,
        "every_other": tensor[:, ::2],
        "conj": torch.complex(tensor, -tensor),
        "neg": -tensor,
        "strided_one": tensor.reshape(-1)[:6].reshape(2, 1, 3),
        "scalar": tensor.sum(),
    }.get(command, tensor)
    results, (_, written) = ask(session, command, tensor)
    for result in results:
        assert torch.equal(torch.as_tensor(result), expected)
    assert (written > 0) == (command in ("grad", "strided_one", "scalar"))


@pytest.mark.parametrize("command", ["transposed", "every_other", "reversed", "swapped", "read_only", "scalar"])
def test_arrays_of_any_layout(session: PythonSession, command: str) -> None:
    session.fetch_response("use numpy")
    array = np.arange(1.0, 13.0).reshape(3, 4)
    expected = {
        "transposed": array.T,
        "every_other": array[:, ::2],
        "reversed": array[::-1],
        "scalar": array.sum(),
    }.get(command, array)
    results, (_, written) = ask(session, command, array)
    for result in results:
        assert np.array_equal(np.asarray(result), expected)
    assert (written > 0) == (command == "read_only")


@pytest.mark.parametrize("framework", ["torch", "numpy"])
def test_a_subclass_goes_the_long_way(session: PythonSession, framework: str) -> None:
    session.fetch_response(f"use {framework}")
    command = "parameter" if framework == "torch" else "matrix"
    results, (_, written) = ask(session, command, np.eye(3))
    assert all(np.array_equal(np.asarray(result), np.eye(3)) for result in results)
    assert written == 0


@pytest.mark.parametrize(
    ("framework", "command", "words"),
    [
        ("torch", "sparse", "sparse"),
        ("torch", "meta", "it has no data"),
        ("torch", "fake", "a FakeTensor cannot be sent: it has no data"),
        ("numpy", "masked", "masked"),
    ],
)
def test_what_cannot_be_sent_is_said(session: PythonSession, framework: str, command: str, words: str) -> None:
    session.fetch_response(f"use {framework}")
    for _ in range(3):
        assert session.calculate("echo", np.eye(3)).shape == (3, 3)
        with pytest.raises(InputError, match=words):
            session.calculate(command, np.eye(3))


@pytest.mark.parametrize("framework", ["torch", "numpy"])
def test_another_size_or_shape_is_not_mistaken(session: PythonSession, framework: str) -> None:
    """The buffer that is there may be of the same size and hold something else, or of another size."""
    session.fetch_response(f"use {framework}")
    for shape, dtype in [
        ((4, 6), "float32"),
        ((6, 4), "float32"),
        ((24,), "int32"),
        ((12,), "float64"),
        ((25,), "int8"),
    ]:
        for value in range(3):
            array = np.full(shape, value, dtype)
            result = session.calculate("echo", array)
            assert (result.dtype, result.shape, result.tobytes()) == (array.dtype, shape, array.tobytes())


@pytest.mark.parametrize("framework", ["torch", "numpy"])
@pytest.mark.parametrize("size", [100, 10_000])
def test_what_the_server_keeps_is_its_own(session: PythonSession, framework: str, size: int) -> None:
    session.fetch_response(f"use {framework}")
    for value in range(5):
        array = np.full(size, float(value))
        assert (session.calculate("keep", array) == value + 1).all()
        assert (array == value).all()
        assert (session.calculate("echo", np.zeros(size)) == 0).all()
        assert (session.calculate("echo", np.ones(size)) == 1).all()


def test_tensors_may_outlive_the_interpreter(tmp_path: Path) -> None:
    """What lies over shared memory is let go of at any time, behind the interpreter among them."""
    script = tmp_path / "late.py"
    script.write_text(
        """
import torch
from tech_renaissance import TechRenaissanceServer

class Late(TechRenaissanceServer):
    framework = "torch"

    def main_logic(self, command, parameters):
        torch.kept = [*getattr(torch, "kept", []), self.get_tensors(parameters)]
        self.send_tensors(torch.kept[-1].sum())
        return True

Late().run()
"""
    )
    host = program(
        """
import sys
import numpy as np
from tech_renaissance import PythonSession, SessionOptions

with PythonSession(SessionOptions(script=sys.argv[1], workspace=sys.argv[2])) as session:
    for size in (10, 10_000, 1_000_000, 10):
        assert session.calculate("sum", np.ones(size)) == size
""",
        script,
        tmp_path / "workspace",
    )
    _, log = host.communicate(timeout=60)
    assert host.returncode == 0, log
    assert "worker exited with code 0" in log

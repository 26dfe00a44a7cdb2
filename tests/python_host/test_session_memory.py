"""Memory that host and worker share: `session.empty`, `server.empty`, and what nobody may change behind its holder."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tech_renaissance import InputError, PythonSession, SessionOptions, read_tsr
from tech_renaissance.data.tsr_header import DTYPES

SERVER = Path(__file__).with_name("sharing_server.py")
KEPT = 50
SMALL, LARGE = 10, 100_000


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PythonSession]:
    """A session with the default server."""
    workspace = tmp_path_factory.mktemp("workspace")
    with PythonSession(SessionOptions(workspace=workspace, python=sys.executable, quiet=True)) as session:
        session.wait_until_ready()
        yield session


def inode(session: PythonSession, tag: str) -> int:
    return Path(session.session_dir(), f"{tag}.tsr").stat().st_ino


@pytest.mark.parametrize("framework", ["numpy", "torch"])
@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_what_empty_gives_is_sent_without_a_copy(session: PythonSession, framework: str, size: int) -> None:
    """The file under the tag is the array's memory: it stays the same file, and shows what is written later."""
    array = session.empty((size,), "float64", "mine", framework)
    assert isinstance(array, torch.Tensor if framework == "torch" else np.ndarray)
    array[:] = 1
    session.send_tensor(array, "mine")
    file = inode(session, "mine")
    session.send_tensor(array, "mine")
    assert inode(session, "mine") == file
    array[size // 2] = 5
    assert session.fetch_tensor("sum mine") == size + 4
    assert read_tsr(f"{session.session_dir()}/mine.tsr").sum() == size + 4
    # Under another tag, and as an argument of calculate, it is the same file still.
    session.send_tensor(array, "other")
    assert session.calculate("sum", array) == size + 4
    assert inode(session, "mine") == inode(session, "other") == inode(session, "a") == file
    array[0] = 9
    assert session.fetch_tensor("sum other") == size + 12


def test_the_worker_may_write_to_it(session: PythonSession) -> None:
    array = session.empty((LARGE,), "float32")
    array[:] = 0
    session.send_tensor(array, "a")
    session.fetch_response("write_to a")
    assert array.min() == array.max() == 42


def test_an_ordinary_array_is_copied(session: PythonSession) -> None:
    array = np.zeros(LARGE)
    session.send_tensor(array, "mine")
    array[0] = 1
    assert session.fetch_tensor("sum mine") == 0


def test_a_part_of_it_is_copied(session: PythonSession) -> None:
    array = session.empty((LARGE,), "float64", "mine")
    array[:] = 1
    for part in (array[: LARGE // 2], array[LARGE // 2 :], array[::2]):
        assert session.calculate("sum", part) == LARGE // 2
        assert session.calculate("sum", array) == LARGE


def test_it_stays_what_it_is_when_more_is_sent_under_its_tag(session: PythonSession) -> None:
    arrays = []
    for value in range(10):
        array = session.empty((SMALL, 3), "int64", "mine", "numpy")
        array[...] = value
        session.send_tensor(array, "mine")
        session.send_tensor(np.full((SMALL, 3), -1), "mine")
        arrays.append(array)
    assert [(array.min(), array.max()) for array in arrays] == [(value, value) for value in range(10)]


@pytest.mark.parametrize("name", [dtype.name for dtype in DTYPES])
@pytest.mark.parametrize("shape", [(), (0, 2), (2, 3)])
def test_every_dtype(session: PythonSession, name: str, shape: tuple[int, ...]) -> None:
    tensor = session.empty(shape, getattr(torch, name))
    tensor.copy_(torch.ones(shape))
    assert (tensor.dtype, tuple(tensor.shape)) == (getattr(torch, name), shape)
    result = session.calculate("echo", tensor)
    assert result.dtype == tensor.dtype
    assert result.to(torch.complex128).equal(torch.ones(shape, dtype=torch.complex128))
    array = session.empty(shape, name, framework="numpy")
    assert isinstance(array, np.ndarray)
    assert (array.dtype.name, array.shape) == (name, shape)


def test_the_kind_of_tensor(options: SessionOptions) -> None:
    with PythonSession(options, framework=None) as session:
        assert isinstance(session.empty((2,), np.float32), np.ndarray)
        assert isinstance(session.empty((2,), float), np.ndarray)
        assert session.empty((2,), float).dtype == np.float64
        assert session.empty((2,), torch.int8).dtype == torch.int8
        assert session.empty((2,), torch.int8, framework="numpy").dtype == np.int8
        assert session.empty((2,), np.int8, framework="torch").dtype == torch.int8
        session.send_tensor(np.zeros(2), "x")
        assert session.empty((2,)).dtype == np.float32
        session.send_tensor(torch.zeros(2), "x")
        assert session.empty((2,)).dtype == torch.float32


@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_bools_are_bools_in_memory_used_before(session: PythonSession, framework: str) -> None:
    used = session.empty((LARGE,), "uint8", "flags", framework)
    used[:] = 7
    session.send_tensor(used, "flags")
    del used
    array = session.empty((LARGE,), "bool", "flags", framework)
    assert not array.any()
    assert session.calculate("echo", array).sum() == 0
    for _ in range(3):
        session.fetch_tensor(f"made_here 7 {SMALL}")
        assert not session.fetch_tensor(f"bools {SMALL * 8}").any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((2,), "float99"), "float99"),
        (((2,), object()), "dtype"),
        (((-1,),), "-1"),
        (((2,), "int8", "../x"), "../x"),
        (((2,), "int8", "a", "jax"), "jax"),
    ],
)
def test_what_cannot_be_made(session: PythonSession, arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        session.empty(*arguments)


def test_it_outlives_the_session(options: SessionOptions) -> None:
    with PythonSession(options) as session:
        session.wait_until_ready()
        array = session.empty((LARGE,), "float64", framework="numpy")
        array[:] = 1
        session.send_tensor(array, "mine")
    array += 1
    assert array.sum() == 2 * LARGE
    with pytest.raises(InputError, match="closed"):
        session.empty((1,))


@pytest.mark.parametrize("tier", ["futex", "inotify"])
def test_it_serves_before_the_worker_is_ready_and_where_memory_is_not_shared(
    options: SessionOptions, tier: str
) -> None:
    with PythonSession(replace(options, wake_up=tier)) as session:
        array = session.empty((LARGE,), "float64", framework="numpy")
        array[:] = 1
        assert session.calculate("sum", array) == LARGE
        array[0] = 3
        assert session.calculate("sum", array) == LARGE + 2


# ------------------------------------------------------------------------------------------------------ who holds what


@pytest.mark.parametrize("tier", ["futex", "inotify"])
@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_what_is_kept_never_changes(options: SessionOptions, tier: str, size: int, framework: str) -> None:
    """Results in the host and inputs in the worker, over more calls with the same tags."""
    with PythonSession(replace(options, wake_up=tier)) as session:
        session.wait_until_ready()
        results, inputs = [], []
        for value in range(KEPT):
            if value % 3 == 2:
                tensor = session.empty((size,), "float64", "a", framework)
                tensor[:] = value
            else:
                array = np.full(size, float(value))
                tensor = torch.from_numpy(array) if framework == "torch" else array
            inputs.append(tensor)
            results.append(session.calculate("keep", tensor))
        for value in range(5):
            session.calculate("echo", np.full(size, -1.0 - value))
        assert session.fetch_response("changed") == f"0 of {KEPT}"
        assert {type(result) for result in results} == {torch.Tensor if framework == "torch" else np.ndarray}
        del tensor
    # After the session as well.
    assert [value for value, result in enumerate(results) if not (result == 10 * value).all()] == []
    assert [value for value, tensor in enumerate(inputs) if not (tensor == value).all()] == []


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_a_view_of_a_result_holds_it(session: PythonSession, size: int) -> None:
    views = [session.calculate("keep", np.full(size, float(value)))[-3:] for value in range(10)]
    assert [view.tolist() for view in views] == [[10.0 * value] * 3 for value in range(10)]
    assert session.fetch_response("changed") == "0 of 10"


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_an_input_that_is_kept_and_sent_back_is_not_changed_through_the_result(
    session: PythonSession, size: int
) -> None:
    for value in range(5):
        result = session.calculate("keep_and_send_back", np.full(size, float(value)))
        result += 1
    assert session.fetch_response("changed") == "0 of 5"


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_what_the_server_makes_is_not_changed_by_its_next_answer(session: PythonSession, size: int) -> None:
    first = session.fetch_tensor(f"made_here 1 {size}")
    second = session.fetch_tensor(f"made_here 2 {size}")
    third = session.fetch_tensor(f"made_here 3 {size}")
    assert [(kept.min(), kept.max()) for kept in (first, second, third)] == [(1, 1), (2, 2), (3, 3)]


def test_memory_of_results_let_go_is_used_again(session: PythonSession) -> None:
    """Else 10,000 results of 0.8 MB would take 8 GB."""
    files = set()
    for value in range(200):
        assert session.fetch_tensor(f"made_here {value} {LARGE}")[-1] == value
        files.add(inode(session, "result_0"))
    assert len(files) <= 3


@pytest.mark.parametrize("size", [20_000, LARGE])
@pytest.mark.parametrize("wake_up", ["futex", "inotify", "polling"])
def test_a_result_has_its_memory_to_itself(options: SessionOptions, wake_up: str, size: int) -> None:
    """Also an input that came back as it was, sent again, asked for twice, or under two names."""
    with PythonSession(replace(options, wake_up=wake_up)) as session:
        session.fetch_response("changed")
        for value in range(4):
            first = session.calculate("echo", np.full(size, float(value)))
            second = session.calculate("echo", first)
            session.calculate("keep", first)
            third = session.calculate("echo", first)
            first[...] = -1
            assert (second == value).all()
            assert (third == value).all()
            session.send_tensor(np.full(size, 7.0), "kept")
            one, other = session.fetch_tensor("echo kept"), session.fetch_tensor("echo kept")
            one[...] = 9
            assert (other == 7).all()
            assert session.fetch_tensor("sum kept") == 7 * size
            array = session.empty((size,), "float64", "a")
            array[:] = value
            back = session.calculate("echo", array)
            array[:] = -2
            assert (back == value).all()
            del array, back
            twice = session.calculate_named("twice", np.full(size, float(value)))
            twice["one"][...] = -3
            assert (twice["other"] == value).all()
        assert session.fetch_response("changed") == "0 of 4"


@pytest.mark.parametrize("wake_up", ["futex", "inotify"])
def test_memory_that_nobody_holds_is_given_back(options: SessionOptions, wake_up: str) -> None:
    elements = 8_000_000
    size = 8 * elements
    with PythonSession(replace(options, wake_up=wake_up)) as session:

        def settles(least: int, most: int) -> None:
            end = time.monotonic() + 20
            while not least <= session.stats().bytes_held <= most:
                assert time.monotonic() < end, session.stats().bytes_held
                session.fetch_response("changed")

        result = session.fetch_tensor(f"made_here 1 {elements}")
        assert session.stats().bytes_held >= size
        again = session.fetch_tensor(f"made_here 2 {elements}")
        del result
        settles(size, size + (1 << 20))
        assert (again == 2).all(), "what is held stays"
        del again
        settles(0, 1 << 20)
        made = [session.empty((elements,), "float64", "mine") for _ in range(2)]
        made[0][:] = 3
        session.send_tensor(made[0], "mine")
        assert session.stats().bytes_held >= 2 * size
        del made
        settles(size, size + (1 << 20))
        assert session.fetch_tensor("sum mine") == 3 * elements, "what was sent under a tag of its own stays there"
        back = session.calculate("echo", np.full(elements, 5.0))
        assert (back == 5).all()
        del back
        settles(size, size + (1 << 20))
        assert (session.fetch_tensor(f"made_here 4 {elements}") == 4).all()


@pytest.mark.parametrize("library", [True, False])
@pytest.mark.parametrize("wake_up", ["inotify", "watchdog", "polling"])
def test_tensors_are_shared_also_where_messages_are_files(options: SessionOptions, wake_up: str, library: bool) -> None:
    """But with polling, which is for places where no memory can be."""
    shared = wake_up != "polling"
    environment = {} if library else {"TR_LIBRARY": ""}
    with PythonSession(replace(options, wake_up=wake_up, environment=environment)) as session:
        kept = [session.calculate("keep", np.full(LARGE, float(value))) for value in range(3)]
        files = set()
        for value in range(20):
            result = session.calculate("echo", np.full(LARGE, float(value)))
            assert (result == value).all()
            files.add(inode(session, "a"))
        assert [(result == 10 * value).all() for value, result in enumerate(kept)] == [True] * 3
        assert session.fetch_response("changed") == "0 of 3"
        array = session.empty((LARGE,), "float32", "mine")
        array[:] = 0
        session.send_tensor(array, "mine")
        session.fetch_response("write_to mine")
        assert array.max() == (42 if shared else 0)
        stats = session.stats()
        assert stats.carrier == "files"
        assert stats.worker_mailbox == (("library" if library else "python") if shared else "")
        assert len(files) < 12 or not shared, "what nobody holds is used again, but for what has two names for a moment"


@pytest.mark.parametrize(
    "call",
    [
        "numpy.nan_to_num n copy=False",
        "numpy.nan_to_num n False",
        "torch.nn.functional.embedding i,n max_norm=1.0",
        "torch.nn.functional.embedding_bag i,n,None,1.0",
        "torch.nn.functional.batch_norm x,n,m training=True",
        "torch.nn.functional.instance_norm x,n,m use_input_stats=True",
    ],
)
def test_the_default_server_writes_to_no_tensor_of_the_host(default: PythonSession, call: str) -> None:
    rows = 2 if "embedding" in call else 20_000
    given = {
        "i": np.zeros((1, 1), np.int64),
        "x": np.random.default_rng(1).normal(5, 3, (2, 20_000, 2)).astype(np.float32),
        "n": np.full((2, 10_000) if rows == 2 else rows, 7, np.float32),
        "m": np.ones(rows, np.float32),
    }
    if "nan" in call:
        given["n"][3] = np.nan
    shared = {tag: default.empty(array.shape, array.dtype, tag, "numpy") for tag, array in given.items()}
    for tag, array in given.items():
        shared[tag][...] = array
        default.send_tensor(shared[tag], tag)
    default.fetch_tensor(call)
    for tag, array in given.items():
        assert np.array_equal(shared[tag], array, equal_nan=True), tag


@pytest.mark.parametrize("carrier", ["mailbox", "files"])
def test_without_the_memory_order_of_x86_64_memory_is_shared_through_the_library_alone(
    options: SessionOptions, tmp_path: Path, carrier: str
) -> None:
    """What Python loads and stores by itself has no order on other machines; this one is only said to be another."""
    script = tmp_path / "elsewhere.py"
    script.write_text(
        "import os, runpy\n"
        "here = os.uname()\n"
        "os.uname = lambda: os.uname_result([*here[:4], 'aarch64'])\n"
        f"runpy.run_path({str(options.script)!r}, run_name='__main__')\n"
    )
    environment = {"PYTHONPATH": str(SERVER.parent)} | ({"TR_LIBRARY": ""} if carrier == "files" else {})
    with PythonSession(replace(options, script=script, environment=environment)) as session:
        assert session.calculate("echo", np.ones(LARGE)).sum() == LARGE
        stats = session.stats()
        assert stats.carrier == carrier
        assert ("without the host's library a mailbox needs Linux on x86-64" in stats.fallback) == (carrier == "files")


def test_empty_leaves_what_is_under_its_tag(session: PythonSession) -> None:
    for round_ in range(3):
        sent = np.full(LARGE, round_, np.float32)
        session.send_tensor(sent, "image")
        made = session.empty((LARGE,), "float32", "image", "numpy")
        made[:] = -1
        assert np.array_equal(read_tsr(Path(session.session_dir(), "image.tsr")), sent)
        session.send_tensor(made, "image")
        assert read_tsr(Path(session.session_dir(), "image.tsr"))[-1] == -1


def test_a_server_has_half_of_its_descriptors_left(tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text(
        """
import resource
import subprocess
import numpy
from tech_renaissance import TechRenaissanceServer

resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

class Server(TechRenaissanceServer):
    framework = "numpy"

    def main_logic(self, command, parameters):
        if command == "run":
            self.write_response(command, subprocess.run(["echo", "fine"], capture_output=True, text=True).stdout)
        else:
            self.send_tensors(numpy.full(30_000, int(parameters)))
        return True

Server().run()
"""
    )
    options = SessionOptions(script=script, workspace=tmp_path / "workspace", python=sys.executable, quiet=True)
    with PythonSession(options) as session:
        held = []
        for number in range(300):
            session.send_request(f"make {number}")
            held.append(session.wait_for_tensor())
        assert session.fetch_response("run") == "fine\n"
        assert all((array == number).all() for number, array in enumerate(held))

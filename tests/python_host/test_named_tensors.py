"""Tensors with names, both ways, from Python; also where they were kept, and in the default server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_post_mortem import replay

from tech_renaissance import InputError, NotFoundError, PythonSession, SessionOptions

SERVER = Path(__file__).resolve().parents[1] / "cpp" / "session" / "servers" / "named_server.py"
ONE = np.ones(3, np.float32)


@pytest.mark.parametrize("wake_up", ["automatic", "inotify", "polling"])
@pytest.mark.parametrize("library", [True, False])
def test_a_dict_and_keywords_are_the_same(options: SessionOptions, wake_up: str, *, library: bool) -> None:
    environment = {} if library else {"TR_LIBRARY": ""}
    with PythonSession(replace(options, wake_up=wake_up, environment=environment)) as session:
        for size in (3, 200_000):
            obs, act = np.full(size, 5, np.float32), np.full(size, 2, np.float32)
            for results in (
                session.calculate_named("step", {"obs": obs, "act": act}),
                session.calculate_named("step", act=act, obs=obs),
                session.calculate_named("step", {"act": act}, obs=obs),
            ):
                assert results.keys() == {"total", "difference"}
                assert (results["total"] == 7).all()
                assert (results["difference"] == 3).all()


def test_with_and_without_names_in_one_call(session: PythonSession) -> None:
    third = session.calculate("ask third", ONE, {"second": 2 * ONE}, third=3 * ONE)
    assert third.tolist() == [3, 3, 3]
    results = session.calculate_many("in_order", ONE, {"second": 2 * ONE, "": 4 * ONE}, third=3 * ONE)
    assert [result[0] for result in results] == [1, 2, 4, 3]
    assert session.calculate("ask n", n=7) == 7, "numbers are tensors here as well"
    assert session.calculate_async("ask act", {"obs": ONE, "act": 2 * ONE}).result().tolist() == [2, 2, 2]
    assert session.calculate_async("ask act", obs=ONE, act=2 * ONE, timeout_ms=5_000).result().tolist() == [2, 2, 2]


def test_results_come_in_the_kind_of_the_inputs(session: PythonSession) -> None:
    torch = pytest.importorskip("torch")
    results = session.calculate_named("pass_on", x=torch.ones(2))
    assert isinstance(results["x"], torch.Tensor)
    assert isinstance(session.calculate_named("pass_on", {"x": ONE})["x"], np.ndarray)


@pytest.mark.parametrize("name", ["my obs", "../obs", "ö", 5, None, b"obs"])
def test_a_name_is_spelled_as_a_tag(session: PythonSession, name: Any) -> None:
    with pytest.raises(InputError, match="the name of a tensor"):
        session.calculate("ask x", {name: ONE})
    with pytest.raises(InputError, match="the name of a tensor"):
        session.calculate_async("ask x", {name: ONE}).result()


def test_a_name_stands_there_once(session: PythonSession) -> None:
    with pytest.raises(InputError, match="two tensors of one call are named 'obs'"):
        session.calculate("ask obs", {"obs": ONE}, obs=ONE)


def test_a_misspelled_limit_is_no_tensor(session: PythonSession) -> None:
    with pytest.raises(InputError, match=r"^timeout is no option: expected timeout_ms; a tensor of that name goes"):
        session.calculate("ask timeout", ONE, timeout=5)
    assert session.calculate("ask timeout", {"timeout": 5}) == 5


def test_no_result_is_dropped(session: PythonSession) -> None:
    with pytest.raises(InputError, match=r"where calculate\(\) gives one: use calculate_many\(\)"):
        session.calculate("in_order", ONE, ONE)
    with pytest.raises(InputError, match=r"or calculate_named\(\) for 'total', 'difference'"):
        session.calculate_async("step", obs=ONE, act=ONE).result()
    with pytest.raises(InputError, match="names of these only 'second'"):
        session.calculate_named("mixed")


def test_what_the_server_is_not_given(session: PythonSession) -> None:
    with pytest.raises(NotFoundError, match="'ask' has no tensor named 'act'; it has obs, x"):
        session.calculate("ask act", obs=ONE, x=ONE)
    with pytest.raises(NotFoundError, match=r"it has none, as its caller gave none a name: get_tensors"):
        session.calculate("ask act", ONE)


def test_a_replay_has_the_names(options: SessionOptions, tmp_path: Path) -> None:
    with PythonSession(replace(options, keep_on_failure=True)) as session:
        with pytest.raises(NotFoundError):
            session.calculate("ask act", obs=ONE)
        kept = Path(session.stats().kept)
    outcome = replay(kept)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "'ask' has no tensor named 'act'; it has obs" in outcome.stdout + outcome.stderr


def test_the_default_server_makes_keywords_of_them(options: SessionOptions) -> None:
    torch = pytest.importorskip("torch")
    x, w, b = torch.randn(2, 3), torch.randn(4, 3), torch.randn(4)
    with PythonSession(replace(options, script="default")) as session:
        expected = torch.nn.functional.linear(x, w, b)
        linear = "torch.nn.functional.linear"
        assert torch.equal(session.calculate(linear, {"weight": w, "bias": b, "input": x}), expected)
        assert torch.equal(session.calculate(linear, x, w, bias=b), expected)
        assert torch.equal(session.calculate("LINEAR", x, weight=w, bias=b), expected)
        assert torch.equal(session.calculate("torch.sum dim=1", input=x), x.sum(dim=1))
        with pytest.raises(InputError, match=r"a tensor named 'layer\.0' cannot be a keyword argument"):
            session.calculate("torch.relu", {"layer.0": x})
        with pytest.raises(InputError, match="a tensor named 'dim' cannot be a keyword argument"):
            session.calculate("torch.sum dim=1", x, dim=torch.tensor(1))
        out = torch.zeros(2, 3)
        with pytest.raises(InputError):
            session.calculate("torch.relu", x, out=out)

"""Services that depend on one another."""

from __future__ import annotations

import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from served_endpoints import Filters
from served_graph_endpoints import DarkFilters, Front, Pair, dark
from serving import SERVICES, Served, command

from tech_renaissance import InputError, NotFoundError, RemoteError, RestartError, ServiceClient, attach, link

GRAPH = SERVICES.with_name("served_graph_endpoints.py")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return tmp_path / "workspace"


def test_a_service_calls_another_ones_workers(workspace: Path) -> None:
    image = np.ones((2, 3), "f4")
    with Served(workspace, f"{GRAPH}:Front", "--set", "Filters.framework=torch").ready("front") as served:
        started = [line for line in served.lines if ": ready" in line]
        assert [line.split("-")[0] for line in started] == ["front.filters", "front.filters", "front"]
        with attach("front", workspace=str(workspace)) as front:
            np.testing.assert_array_equal(front.twice(image, by=2.0), image + 4)
            mine, its = front.whose()
            assert mine != its
            assert front.kind_of_result(image) == "numpy", "its own framework, whatever the other one's is"
            with pytest.raises(RemoteError, match="on purpose"):
                front.fail()
            os.kill(its, signal.SIGKILL)
            for _ in range(10):  # goes to the other one meanwhile
                np.testing.assert_array_equal(front.twice(image), image + 1)
            assert served.command("scale", "front", "Filters=1", "Front=2").returncode == 0
            assert served.command("reload", "front").returncode == 0
            np.testing.assert_array_equal(front.twice(image), image + 1)
        with attach("front.filters", workspace=str(workspace), framework="numpy") as filters:
            assert isinstance(filters, ServiceClient)
            np.testing.assert_array_equal(filters.brighten(image), image + np.float32(0.5))
            assert [it.name for it in filters.endpoints()][:2] == ["brighten", "wait_for"]
        served.signal()
        assert served.end()[0] == 0


def test_links_are_graphs_beside_one_another(workspace: Path) -> None:
    image = np.ones((2, 3), "f4")
    with Served(workspace, f"{GRAPH}:mixed", "--set", "Filters.workers=1", "--set", "DarkFilters.workers=1") as mixed:
        mixed.ready("mixed")
        with Served(workspace, f"{GRAPH}:Front", "--set", "Filters.workers=1").ready("front") as plain:
            with attach("front", workspace=str(workspace)) as front:
                np.testing.assert_array_equal(front.twice(image, by=2.0), image + 4)
            with attach("mixed", workspace=str(workspace)) as pair:
                assert pair.both(image) == [1.5, 0]
            listed = mixed.command("ls").stdout.splitlines()
            assert listed[1].endswith(": Filters (1), DarkFilters (1), Front (1), Pair (1)")
            plain.signal()
            assert plain.end()[0] == 0


def test_a_link_changes_nothing_and_says_what_is_wrong() -> None:
    assert repr(dark) == "link(Front, filters=DarkFilters)"
    assert repr(link(dark, filters=Filters)) == "link(Front, filters=Filters)"
    assert repr(link(Pair, front=dark)) == "link(Pair, front=link(Front, filters=DarkFilters))"
    assert dark.edges == {"filters": DarkFilters}
    assert Front.filters.other is Filters
    with pytest.raises(
        NotFoundError, match=r"link\(Front, filter=...\): Front has no 'filter': did you mean 'filters'"
    ):
        link(Front, filter=DarkFilters)
    with pytest.raises(NotFoundError, match="has no 'x': it depends on no other service"):
        link(Filters, x=DarkFilters)
    with pytest.raises(InputError, match=r"link\(filters=3\): expected the class of a service, or a link"):
        link(Front, filters=3)


def test_settings_are_of_each_service(workspace: Path) -> None:
    arguments = ("--workers", 3, "--set", "Filters.workers=1")
    found = command(workspace, "serve", f"{GRAPH}:Front", "--dry-run", *arguments)
    parts = found.stdout.split("Front: ")
    assert "workers = 1" in parts[0]
    assert "workers = 3" in parts[1]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("UnknownEndpoint", "self.filters.brigthen: there is no endpoint 'brigthen': did you mean 'brighten'?"),
        ("UnknownArgument", "self.filters.brighten takes no 'buy': did you mean 'by'?"),
        ("MissingArgument", "self.filters.brighten lacks image"),
        ("OtherDtype", 'self.filters.brighten: image would be uint8 "h w": expected float32 "h w"'),
        ("OtherResult", 'the result of show would be float32 "h w": expected uint8 "h w"'),
        ("OtherValue", "self.filters.brighten: by is 'much': expected a float"),
        ("Hen", "Hen depends on Egg depends on Hen: expected no circle"),
        ("closed", "Hen depends on Egg depends on Hen: expected no circle"),
        ("drak", "there is no class drak in {GRAPH}: did you mean 'dark'?"),
        (
            "unlike",
            "Front.filters as Few, in place of Filters: there is no endpoint 'brighten': did you mean 'brihten'?",
        ),
        ("strict", "Front.filters as LessFew, in place of Filters: wait_for requires until"),
        ("twice", "Front stands twice in this graph, with links that differ"),
    ],
)
def test_what_cannot_go_well_is_told_before_anything_starts(workspace: Path, kind: str, message: str) -> None:
    found = command(workspace, "serve", f"{GRAPH}:{kind}")
    assert found.returncode == 1
    assert message.format(GRAPH=GRAPH) in found.stderr
    if kind[0].isupper() and kind != "Hen":
        assert found.stderr.startswith(f"{GRAPH}:")
    assert not workspace.exists()


def test_alone_it_says_how_to_serve_both() -> None:
    with pytest.raises(InputError, match=r"Front.filters depends on Filters, which nobody serves .* serve .*:Front'"):
        Front().twice(np.ones((1, 1), "f4"))


def test_a_test_puts_an_object_in_its_place() -> None:
    front = Front()
    front.filters = Filters()
    assert front.twice(np.zeros((1, 1), "f4"))[0, 0] == 1


def test_an_interpreter_without_the_compiled_module_is_told(workspace: Path, tmp_path: Path) -> None:
    blind = tmp_path / "blind"
    blind.mkdir()
    (blind / "sitecustomize.py").write_text("import sys\nsys.modules['tech_renaissance._core'] = None\n")
    settings = ("--set", f"Front.environment.PYTHONPATH={blind}")
    with Served(workspace, f"{GRAPH}:Front", *settings) as served:
        status, error = served.end()
    assert status == 1
    assert "needs the compiled module tech_renaissance._core" in error
    assert "front has failed: front-0 failed" in error


def test_attach_says_what_is_served(workspace: Path) -> None:
    with pytest.raises(NotFoundError, match=r"nobody serves 'front' in .*: nothing is served"):
        attach("front", workspace=str(workspace))


def test_a_call_whose_channel_is_lost_does_not_end_those_of_other_threads(workspace: Path, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("first", "second")]
    for path in paths:
        os.mkfifo(path)
    settings = ("--workers", 1, "--set", "Filters.threads=2")
    with (
        Served(workspace, str(SERVICES) + ":Filters", *settings).ready() as served,
        attach("filters", workspace=str(workspace)) as client,
        ThreadPoolExecutor(2) as threads,
    ):
        channels = workspace / "python_session" / "tr_session_filters-0" / "channels"
        first = threads.submit(client.wait_for, str(paths[0]))
        served.until_error("waiting")
        before = set(channels.iterdir())
        second = threads.submit(client.wait_for, str(paths[1]))
        served.until_error("waiting")
        for channel in set(channels.iterdir()) - before:
            shutil.rmtree(channel)
        with pytest.raises(RestartError, match="has been removed while the worker was at work on request"):
            second.result(20)
        paths[0].write_text("well")
        assert first.result(20) == "well"
        paths[1].write_text("to nobody")

"""Settings of what is served: where they come from, which counts, and what is wrong with them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from serving import SERVICES, Served, command

FILTERS = f"{SERVICES}:Filters"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return tmp_path / "workspace"


def shown(workspace: Path, *arguments: object, **environment: str) -> dict[str, list[str]]:
    """Value and origin of each setting, as a dry run prints them."""
    found = command(workspace, "serve", FILTERS, "--dry-run", *arguments, **environment)
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("Filters: ")
    parts = [line.strip().split(" = ") for line in found.stdout.splitlines()[1:]]
    return {name: rest.rsplit("  ", 1) for name, rest in parts}


def refused(workspace: Path, *arguments: object, **environment: str) -> str:
    found = command(workspace, "serve", FILTERS, *arguments, **environment)
    assert found.returncode == 1
    assert not workspace.exists()
    return found.stderr.strip()


def test_each_place_goes_over_the_next(workspace: Path, tmp_path: Path) -> None:
    """--set, environment, file, the file that it extends, decorator, default."""
    (tmp_path / "base.toml").write_text(
        '[Filters]\nworkers = 3\nthreads = 3\nrestart_attempts = 3\nstart_timeout_s = 3\n'
        '[Filters.environment]\nA = "base"\nB = "base"\nC = "base"\nD = 3\n'
    )  # fmt: skip
    (tmp_path / "site.toml").write_text(
        'extends = "base.toml"\n[Filters]\nworkers = 4\nthreads = 4\nrestart_attempts = 4\n'
        '[Filters.environment]\nA = "site"\nB = "site"\nC = "site"\n'
    )  # fmt: skip
    found = shown(
        workspace,
        *("-f", "site.toml", "--set", "Filters.workers=6", "--set", "Filters.environment.A=set"),
        TR_SERVE_FILTERS_WORKERS="5",
        TR_SERVE_FILTERS_THREADS="5",
        TR_SERVE_FILTERS_ENVIRONMENT_B="variable",
        TR_SERVE_ANOTHER_WORKERS="99",
    )
    told = {name: [value.strip(), origin] for name, (value, origin) in found.items()}
    assert told["workers"] == ["6", "--set"]
    assert told["threads"] == ["5", "TR_SERVE_FILTERS_THREADS"]
    assert told["restart_attempts"] == ["4", "site.toml"]
    assert told["start_timeout_s"] == ["3.0", "base.toml"]
    assert told["framework"] == ["'numpy'", "class Filters"]
    assert told["python"] == ["''", "default"]
    assert told["environment.A"] == ["'set'", "--set"]
    assert told["environment.B"] == ["'variable'", "TR_SERVE_FILTERS_ENVIRONMENT_B"]
    assert told["environment.C"] == ["'site'", "site.toml"]
    assert told["environment.D"] == ["'3'", "base.toml"]
    assert not workspace.exists()


def test_the_decorator_goes_over_the_default(workspace: Path) -> None:
    assert [text.strip() for text in shown(workspace)["workers"]] == ["2", "class Filters"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--set", "Filters.wokers=2"),
            "--set Filters.wokers=2: there is no setting 'wokers': did you mean 'workers'?",
        ),
        (("--set", "Filter.workers=2"), "there is no service 'Filter': did you mean 'Filters'? There is Filters"),
        (("--set", "workers=2"), "--set workers=2: expected Service.setting=value"),
        (("--set", "Filters.workers=two"), "workers is 'two': expected a whole number of 1 or more"),
        (("--set", "Filters.workers=0"), "workers is 0: expected a whole number of 1 or more"),
        (("--set", "Filters.workers=true"), "workers is True: expected a whole number of 1 or more"),
        (("--set", "Filters.workers.x=1"), "workers has no entries: expected Service.workers=value"),
        (("--set", "Filters.framework=jax"), "framework is 'jax': expected '' or 'torch' or 'numpy'"),
        (("--set", "Filters.launcher={}"), "launcher is {}: expected a list of texts"),
        (("--workers", "0"), "--workers is 0: expected at least 1"),
        (("-f", "gone.toml"), "there is no file gone.toml"),
        (("-f", "settings.ini"), "settings.ini: expected a file that ends with .toml, .yaml or .yml"),
    ],
)
def test_what_is_wrong_is_told(workspace: Path, arguments: tuple[str, ...], message: str) -> None:
    assert message in refused(workspace, *arguments)


def test_a_wrong_variable_is_told(workspace: Path) -> None:
    message = refused(workspace, TR_SERVE_FILTERS_WORKER="2")
    assert message.startswith("TR_SERVE_FILTERS_WORKER: there is no setting 'worker': did you mean 'workers'?")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[Filters]\nworker = 2", "site.toml: Filters: there is no setting 'worker': did you mean 'workers'?"),
        ("[Fliters]\nworkers = 2", "site.toml: there is no service 'Fliters': did you mean 'Filters'?"),
        ("[Filters]\nworkers = '2'", "site.toml: Filters: workers is '2': expected a whole number of 1 or more"),
        ("workers = 2", "site.toml: there is no service 'workers'"),
        ("Filters = 2", "site.toml: Filters is 2: expected a table of settings"),
        ("[Filters", "site.toml is no TOML: "),
        ("extends = 3", "site.toml: extends is 3: expected the path of a file"),
        ("extends = 'site.toml'", "site.toml, which site.toml extends, extends another file"),
    ],
)
@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib is of Python 3.11")
def test_what_is_wrong_in_a_file_is_told(workspace: Path, tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "site.toml").write_text(content)
    assert message in refused(workspace, "-f", "site.toml")


def test_yaml_is_read_where_its_library_is(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("Filters:\n  workers: 4\n")
    try:
        import yaml  # noqa: F401 - whether it is there
    except ImportError:
        assert refused(workspace, "-f", "site.yaml") == "site.yaml cannot be read: it needs the package PyYAML"
    else:
        assert [text.strip() for text in shown(workspace, "-f", "site.yaml")["workers"]] == ["4", "site.yaml"]


def test_settings_reach_the_workers(workspace: Path) -> None:
    settings = {
        "environment.PLACE": "here",
        "worker_environment": json.dumps([{"NUMBER": "zero"}, {"NUMBER": "one"}]),
        "threads_per_worker": "3",
    }
    arguments = [text for name, value in settings.items() for text in ("--set", f"Filters.{name}={value}")]
    with Served(workspace, FILTERS, *arguments).ready() as served:
        for number, expected in enumerate(("zero", "one")):
            with served.connect(f"filters-{number}") as session:

                def variable(name: str) -> str:
                    return session.fetch_response(json.dumps({"command": "variable", "arguments": {"name": name}}))

                assert variable("NUMBER") == expected
                assert variable("PLACE") == "here"
                assert variable("OMP_NUM_THREADS") == "3"


def test_gpus_are_given_one_after_the_other(workspace: Path) -> None:
    settings = ("--set", "Filters.resources.gpu=1", "--set", "Filters.resources.cpu=1")
    with Served(workspace, FILTERS, *settings, CUDA_VISIBLE_DEVICES="4,6").ready() as served:

        def told() -> list[str]:
            (service,) = json.loads(served.command("status", "filters", "--json").stdout)["services"]
            return [worker["gpus"] for worker in service["workers"]]

        assert told() == ["4", "6"]
        with served.connect("filters-1") as session:
            assert session.call("variable", "CUDA_VISIBLE_DEVICES") == "6"
            assert session.call("threads") == "1"
        refused = served.command("scale", "filters", "Filters=3")
        assert "filters-2 is to have 1 GPUs (resources.gpu), and there are 4 (0 of it free), 6 (0" in refused.stderr
        assert served.command("scale", "filters", "Filters=1").returncode == 0
        assert "gpus" in served.command("scale", "filters", "Filters=2").stdout
        assert told() == ["4", "6"]


def test_gpus_are_counted_before_anything_starts(workspace: Path) -> None:
    one = {"CUDA_VISIBLE_DEVICES": "GPU-a"}
    assert "resources.gpu" in shown(workspace, "--set", "Filters.resources.gpu=0.5", **one)
    part = (
        "filters-1 is to have 0.6 GPUs (resources.gpu), and there are GPU-a (0.4 of it free), in CUDA_VISIBLE_DEVICES"
    )
    assert part in refused(workspace, TR_SERVE_FILTERS_RESOURCES_GPU="0.6", **one)
    assert "filters-0 is to have 1 GPUs (resources.gpu), and there are none" in refused(
        workspace, "--set", 'Filters.resources={"gpu": 1}', CUDA_VISIBLE_DEVICES=""
    )
    own = ("--set", "Filters.resources.gpu=1", "--set", "Filters.environment.CUDA_VISIBLE_DEVICES=9")
    assert "environment.CUDA_VISIBLE_DEVICES" in shown(workspace, *own, **one)  # what the user says stays
    for wrong in ("resources.gpus=1", "resources.gpu=1.5", "resources.gpu=many", "resources.cpu=0.5", "resources=2"):
        assert "expected a table with cpu, a whole number, and gpu" in refused(workspace, "--set", f"Filters.{wrong}")

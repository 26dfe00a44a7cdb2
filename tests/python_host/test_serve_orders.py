"""Orders to what is served, from other processes; what is shown."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from serving import SERVICES, Served, command, environment_of

from tech_renaissance import NotFoundError, RestartError, RetryError, attach
from tech_renaissance.platform.process import ProcessWatch

FILTERS = f"{SERVICES}:Filters"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return tmp_path / "workspace"


def rows(text: str) -> dict[str, dict[str, str]]:
    """The workers of a table, by name; the columns by their headings."""
    lines = [re.split(r"\s{2,}", line) for line in text.splitlines() if "  " in line]
    return {line[0]: dict(zip(lines[0], line)) for line in lines[1:]}


def test_status_tells_what_workers_have_done(workspace: Path) -> None:
    with Served(workspace, FILTERS).ready() as served, served.connect() as session:
        session.fetch_response(json.dumps({"command": "variable", "arguments": {"name": "A"}}))
        with pytest.raises(Exception, match="on purpose"):
            session.fetch_response("fail")
        found = served.command("status", "filters")
        assert found.stdout.startswith(f"filters: ready, process {served.process.pid}\n")
        workers = rows(found.stdout)
        assert list(workers) == ["filters-0", "filters-1"]
        first = workers["filters-0"]
        assert first["pid"] == str(session.stats().worker_pid)
        assert (first["state"], first["calls"], first["failures"], first["restarts"]) == ("ready", "2", "1", "0")
        assert first["memory"].endswith(" MiB")
        assert workers["filters-1"]["calls"] == "0"
        listed = served.command("ls")
        assert listed.stdout == f"filters: ready, process {served.process.pid}: Filters (2)\n"


def test_status_tells_how_long_calls_take_and_how_large_batches_are(workspace: Path) -> None:
    with Served(workspace, f"{SERVICES}:Joined").ready("joined") as served, served.connect("joined-0") as one:
        for ms in (20, *[0] * 8, 60):  # the last two of ten are the 90th and the 100th percentile
            one.call("last", ms)
        found = json.loads(served.command("status", "joined", "--json").stdout)
        assert (found["name"], found["state"], found["pid"]) == ("joined", "ready", served.process.pid)
        (worker,) = found["services"][0]["workers"]
        assert (worker["session"], worker["calls"], worker["failures"]) == ("joined-0", 10, 0)
        assert worker["p50_us"] < 20_000 * 0.91  # within 9 %
        assert 60_000 * 0.91 < worker["p95_us"] == worker["p99_us"]
        assert 0 < worker["calls_per_s"] <= 10 / 0.08
        assert (worker["mean_batch"], worker["restarts"]) == (None, 0)
        assert worker["memory_bytes"] > 1 << 20
        assert "batch" not in rows(served.command("status", "joined").stdout)["joined-0"]

        with served.connect("joined-0") as other:  # one batch, where they come soon enough
            calls = [it.call_async("double", np.ones(rows, "f4")) for it, rows in ((one, 2), (other, 3))]
            assert [len(call.result()) for call in calls] == [2, 3]
        (worker,) = rows(served.command("status", "joined").stdout).values()
        assert worker["batch"] in ("5", "2.5")  # else two
        assert re.fullmatch(r"[\d.]+ (us|ms)", worker["p50"])
        assert re.fullmatch(r"[\d.]+ ms", worker["p99"])
        served.signal()
        assert served.end()[0] == 0
        (told,) = [line for line in served.lines if line.startswith("joined-0: ready, pid ")]  # as it is no terminal
        assert ", calls 12, failures 0, restarts 0, memory " in told


def test_status_tells_what_is_at_work_and_what_waits(workspace: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    served = Served(workspace, FILTERS, "--workers", 1)
    with served.ready(), served.connect() as first, served.connect() as second:
        calls = [first.call_async("wait_for", path=str(tmp_path / "fifo"))]
        served.until_error("waiting")
        calls.append(second.call_async("who"))
        while rows(served.command("status", "filters").stdout)["filters-0"]["queue"] == "0":
            pass
        worker = rows(served.command("status", "filters").stdout)["filters-0"]
        assert (worker["state"], worker["at work"], worker["queue"]) == ("busy", "1", "1")
        (tmp_path / "fifo").write_text("done", encoding="utf-8")
        assert [call.result() for call in calls] == ["done", int(worker["pid"])]


def test_status_tells_who_is_unwell(workspace: Path, tmp_path: Path) -> None:
    sick = tmp_path / "sick"
    sick.touch()
    with Served(workspace, f"{SERVICES}:Sick", "--set", f"Sick.environment.SICK={sick}").ready("sick") as served:

        def state() -> str:
            return rows(served.command("status", "sick").stdout)["sick-0"]["state"]

        assert state() == "unwell: the disk is full"
        sick.unlink()
        assert state() == "ready"


def test_scale_adds_and_takes_workers(workspace: Path) -> None:
    with Served(workspace, FILTERS, "--workers", 1).ready() as served:
        more = served.command("scale", "filters", "Filters=3")
        assert list(rows(more.stdout)) == ["filters-0", "filters-1", "filters-2"]
        with served.connect("filters-2") as session:
            assert session.fetch_response("threads")
        fewer = served.command("scale", "filters", "Filters=1")
        assert list(rows(fewer.stdout)) == ["filters-0"]
        for services, message in (
            ("Filtrs=2", "there is no service 'Filtrs': did you mean 'Filters'?"),
            ("Filters=0", "Filters cannot have 0 workers: expected 1 to 1024"),
            ("Filters", "'Filters': expected SERVICE=N"),
        ):
            refused = served.command("scale", "filters", services)
            assert refused.returncode == 1
            assert message in refused.stderr


def test_reload_gives_each_worker_a_new_process(workspace: Path) -> None:
    with Served(workspace, FILTERS).ready() as served:
        before = {worker["pid"] for worker in rows(served.command("status", "filters").stdout).values()}
        found = served.command("reload", "filters")
        after = rows(found.stdout)
        assert {worker["restarts"] for worker in after.values()} == {"0"}
        assert before.isdisjoint({worker["pid"] for worker in after.values()})
        served.signal()
        assert served.end() == (0, "")


def test_a_reload_that_fails_leaves_the_others(workspace: Path, tmp_path: Path) -> None:
    script = tmp_path / "changing.py"
    script.write_text(SERVICES.read_text(encoding="utf-8"), encoding="utf-8")
    with Served(workspace, f"{script}:Filters").ready() as served:
        script.write_text("syntax error", encoding="utf-8")
        failed = served.command("reload", "filters")
        assert failed.returncode == 1
        assert failed.stderr.startswith("filters-0 failed: ")
        found = served.command("status", "filters")
        assert [worker["state"] for worker in rows(found.stdout).values()] == ["failed", "ready"]
        assert "filters-0: failed: " in found.stdout
        script.write_text(SERVICES.read_text(encoding="utf-8"), encoding="utf-8")
        again = served.command("reload", "filters")
        assert [worker["state"] for worker in rows(again.stdout).values()] == ["ready", "ready"]


def test_stop_ends_it_and_waits(workspace: Path) -> None:
    with Served(workspace, FILTERS).ready() as served:
        assert served.command("stop", "filters").stdout == "filters has ended\n"
        assert served.process.poll() is not None or served.process.wait(1) == 0
        gone = served.command("stop", "filters")
        assert gone.returncode == 1
        assert gone.stderr.startswith("nobody serves 'filters' in ")


def test_what_a_dead_process_has_left_is_no_hindrance(workspace: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with Served(workspace, FILTERS).ready() as served, served.connect() as session:
        attached = attach("filters", workspace=str(workspace))
        assert attached.who()
        workers = [int(worker["pid"]) for worker in rows(served.command("status", "filters").stdout).values()]
        watches = [ProcessWatch(pid) for pid in workers]
        call = session.call_async("wait_for", path=str(tmp_path / "fifo"))
        served.until_error("waiting")
        served.process.kill()
        served.process.wait()
        with pytest.raises(RestartError):
            call.result()
        for watch in watches:  # they end by themselves, at work or not
            assert watch.gone(20_000)
    pid = served.process.pid
    with pytest.raises(RetryError, match="'filters' can be called: nobody serves it any more: the process that did"):
        attached.who()
    gone = f"nobody serves 'filters' any more: process {pid}, which did, has died; nothing is served"
    with pytest.raises(NotFoundError, match=gone):
        attach("filters", workspace=str(workspace))
    assert command(workspace, "status", "filters").stderr.strip() == gone
    assert (workspace / "served" / "filters" / "control").exists()
    told = f"filters: dead, process {pid} has ended without ending it; what it left is removed\n"
    assert command(workspace, "ls").stdout == told
    assert not (workspace / "served" / "filters").exists()
    with Served(workspace, FILTERS).ready() as served:
        assert served.command("ls").stdout.startswith("filters: ready")
        assert attached.who()
        attached.close()
        served.process.kill()
        served.process.wait()
    with Served(workspace, FILTERS).ready():  # what is left is no hindrance
        pass


def test_nobody_else_may_give_orders(workspace: Path) -> None:
    with Served(workspace, FILTERS).ready():
        place = workspace / "served" / "filters"
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        for file in place.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_a_folder_that_others_may_write_to_is_refused(workspace: Path) -> None:
    place = workspace / "served" / "filters"
    place.mkdir(parents=True)
    place.chmod(0o777)
    found = command(workspace, "serve", FILTERS)
    assert found.returncode == 1
    assert "is no folder of this user alone" in found.stderr


def test_a_table_is_kept_true_in_a_terminal(workspace: Path) -> None:
    workspace.parent.mkdir(exist_ok=True)
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tech_renaissance", "serve", FILTERS],
        stdout=slave,
        stderr=slave,
        env=environment_of(workspace),
    )
    os.close(slave)
    shown = ""
    while not re.search(r"filters-0 +ready .*\r\nfilters-1 +ready ", shown.split("\x1b[J")[-1]):
        shown += os.read(master, 4096).decode()
    assert re.search(r"\x1b\[3F\x1b\[J", shown)  # the one before is cleared away
    assert "worker     state" in shown
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    os.close(master)

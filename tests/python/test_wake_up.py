"""Every wake-up tier passes the same tests, and the ladder says why it went down."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from host import Host

from tech_renaissance.channel import doorbell as doorbells
from tech_renaissance.channel.doorbell import DoorbellError, InotifyDoorbell, PollingDoorbell, open_doorbell

TIERS = ["inotify", "watchdog", "polling"]
LOOKS = 1.0  # seconds; a worker looks that often even where nothing rings


@pytest.fixture(params=TIERS)
def tiered(request: pytest.FixtureRequest, start: Callable[..., Host]) -> Host:
    """A probe server on one tier."""
    if request.param == "watchdog":
        pytest.importorskip("watchdog")
    host = start("probe", environment={"TR_WAKEUP": request.param})
    hello = host.hello()
    assert (hello["wake_up"], hello["fallback"]) == (request.param, "")
    return host


def wait_until_asleep(host: Host) -> None:
    """A request that comes before is found without a bell."""
    stat = Path(f"/proc/{host.process.pid}/stat")
    host.wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "S")


def test_a_tier_serves_requests_in_order(tiered: Host) -> None:
    for index in range(10):
        assert tiered.ask("echo", str(index))["result"] == str(index)
        assert tiered.status == "ok"


def test_a_tier_answers_before_the_worker_would_look_anyway(tiered: Host) -> None:
    begin = time.monotonic()
    for _ in range(3):
        wait_until_asleep(tiered)
        tiered.ask("echo")
    assert time.monotonic() - begin < 1.5 * LOOKS + tiered.start_seconds


def test_a_tier_survives_failures(tiered: Host) -> None:
    assert tiered.ask("raise_value_error")["result"] == "error"
    assert tiered.ask("nonsense")["result"] == "error"
    assert tiered.ask("tensors")["tensors"] == ["result_0", "result_1", "result_2"]


def test_a_tier_heeds_signals_while_it_waits(tiered: Host) -> None:
    tiered.ask("echo")
    wait_until_asleep(tiered)
    begin = time.monotonic()
    tiered.process.terminate()
    assert tiered.exit_code() == 0
    assert time.monotonic() - begin < LOOKS / 2 + tiered.start_seconds


def test_a_tier_leaves_when_asked(tiered: Host) -> None:
    assert tiered.ask("__exit__")["result"] == "ok"
    assert tiered.exit_code() == 0


def test_the_session_record_may_ask_for_a_tier(start: Callable[..., Host]) -> None:
    assert start("probe", record={"wake_up": "polling"}).hello()["wake_up"] == "polling"


def test_a_tier_of_another_carrier_gives_the_best_there_is_and_says_so(start: Callable[..., Host]) -> None:
    hello = start("probe", environment={"TR_WAKEUP": "futex"}).hello()
    assert hello["wake_up"] == "inotify"
    assert "'futex' is not one of the files carrier" in str(hello["fallback"])


def test_an_idle_worker_uses_no_cpu(start: Callable[..., Host]) -> None:
    host = start("probe")
    host.ask("echo")

    def ticks() -> int:
        fields = Path(f"/proc/{host.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before, deadline = ticks(), time.monotonic() + 1.5
    while time.monotonic() < deadline:
        host.watch._poll.poll(500)
    assert ticks() - before <= 1


def test_polling_slows_down_after_every_8_waits_and_starts_anew_with_a_request() -> None:
    doorbell = PollingDoorbell()
    waits = [doorbell.timeout_ms() for _ in range(56)]
    assert waits == [time for time in (32, 64, 128, 256, 512, 1024, 1024) for _ in range(8)]
    doorbell.expect()
    assert doorbell.timeout_ms() == 32


def test_a_silent_inotify_is_not_trusted(tmp_path: Path) -> None:
    doorbell = InotifyDoorbell(str(tmp_path))
    with pytest.raises(DoorbellError, match="stays silent"):
        doorbell.probe(lambda: None)
    assert doorbell.descriptor == -1


def test_the_ladder_ends_with_polling_and_all_reasons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise DoorbellError("broken on purpose")

    monkeypatch.setattr(doorbells, "InotifyDoorbell", broken)
    monkeypatch.setattr(doorbells, "WatchdogDoorbell", broken)
    doorbell, fallback = open_doorbell("auto", str(tmp_path), ("x",), lambda: None)
    assert (doorbell.tier, fallback) == ("polling", "broken on purpose; broken on purpose")


def test_a_directory_that_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    with pytest.raises(DoorbellError, match="inotify_add_watch: No such file or directory"):
        InotifyDoorbell(str(tmp_path / "none"))


def test_watchdog_is_told_how_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "watchdog.events", None)
    with pytest.raises(DoorbellError, match="-m pip install watchdog"):
        doorbells.WatchdogDoorbell(str(tmp_path), ("x",))

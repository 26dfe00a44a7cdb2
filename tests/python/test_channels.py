"""Workers with several channels: order, concurrency, cancelling, coming and going, on every way to wake a worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from channel_host import TIERS, ChannelHost
from host import SERVERS, Host

KINDS = ("plain", "threads", "async")
# What a cancelled call may take to hear of it, on any tier; and what a machine at work may take besides.
CANCEL_SECONDS = 0.1 + 0.8

Start = Callable[..., ChannelHost]


@pytest.fixture(params=TIERS)
def tier(request: pytest.FixtureRequest) -> str:
    if request.param == "watchdog":
        pytest.importorskip("watchdog")
    return str(request.param)


@pytest.fixture
def host(workspace: Path) -> Iterator[Start]:
    hosts: list[ChannelHost] = []

    def start(kind: str, tier: str = "inotify", **options: object) -> ChannelHost:
        hosts.append(ChannelHost(workspace, SERVERS / "several.py", tier, environment={"KIND": kind}, **options))
        return hosts[-1]

    yield start
    for one in hosts:
        one.close()


def shut(host: ChannelHost) -> Path:
    """A gate that a call waits before; whoever writes to it opens it."""
    gate = host.directory / "gate"
    os.mkfifo(gate)
    return gate


def wait_for_the_clock(directory: Path) -> None:
    """Until a file that is made now is younger than what was made before, by the clock of the file system."""
    probe = directory / ".tmp-clock"
    probe.touch()
    begin = now = probe.stat().st_mtime_ns
    while now == begin:
        probe.touch()
        now = probe.stat().st_mtime_ns


@pytest.mark.parametrize("kind", KINDS)
def test_each_channel_has_its_own_answers(host: Start, tier: str, kind: str) -> None:
    one = host(kind, tier)
    hello = one.first.hello()
    assert hello["features"][:2] == ["channels", "cancel"]  # type: ignore[index]
    threads = None
    for name in ("1-0", "1-1", "1-2"):
        channel = one.channel(name)
        assert {**channel.hello(), "timestamp": 0} == {**hello, "timestamp": 0}
        assert channel.ask("echo", name)["result"] == name
        assert channel.ask("fail", name)["error"]["message"].startswith(name + " (at ")  # type: ignore[index]
        # One of a server with threads may start with a call.
        few = threads is None or one.threads() <= threads + (kind == "threads")
        assert few, "no thread for each channel"
        threads = one.threads()
    assert one.first.ask("echo", "first")["result"] == "first"


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_that_was_there_first_is_answered(host: Start, tier: str, kind: str) -> None:
    one = host(kind, tier)
    channel = one.channel("1-0", sent="echo")
    assert channel.receive()["command"] == "echo"


def test_requests_are_served_in_the_order_of_their_sending(host: Start, tier: str) -> None:
    """Those that wait while the worker is busy, whatever channel they are in."""
    one = host("plain", tier)
    channels = [one.channel(f"1-{number}") for number in range(5)]
    for channel in channels:
        channel.hello()
    gate = shut(one)
    one.first.send("gate", "gate")
    with open(gate, "w"):  # the worker has come as far as to open it
        order = [3, 0, 4, 1, 2]
        for number in order:
            channels[number].send("note", str(number))
            wait_for_the_clock(one.directory)
    one.first.receive()
    for channel in channels:
        channel.receive()
    assert one.first.ask("notes")["result"] == " ".join(map(str, order))


@pytest.mark.parametrize(
    ("kind", "tier"),
    [("plain", "library"), ("threads", "ctypes"), ("async", "library"), ("plain", "inotify")],
    indirect=["tier"],
)
def test_of_many_channels_none_is_forgotten(host: Start, tier: str, kind: str) -> None:
    """Not all of them are looked at for each request."""
    one = host(kind, tier)
    channels = [one.channel(f"1-{number}") for number in range(40)]
    for channel in channels:
        channel.hello()
    for number, cold in enumerate(channels[3:]):
        for hot in channels[:3]:
            assert hot.ask("echo", f"hot {number}")["result"] == f"hot {number}"
        channels[number % 3].send("echo", "before")
        cold.send("echo", f"cold {number}")
        assert cold.receive()["result"] == f"cold {number}"
        assert channels[number % 3].receive()["result"] == "before"
    for number, channel in enumerate(channels):
        channel.send("echo", str(number))
    assert [channel.receive()["result"] for channel in channels] == list(map(str, range(40)))
    if kind == "plain":
        gate = shut(one)
        one.first.send("gate", "gate")
        order = [*range(39, 20, -1), *range(21)]
        with open(gate, "w"):
            for number in order:
                channels[number].send("note", str(number))
                if tier == "inotify":
                    wait_for_the_clock(one.directory)
        one.first.receive()
        for channel in channels:
            channel.receive()
        assert one.first.ask("notes")["result"] == " ".join(map(str, order))
    one.remove(channels[30])
    assert channels[31].ask("echo", "after")["result"] == "after"


@pytest.mark.parametrize("kind", ["threads", "async"])
def test_four_calls_meet(host: Start, tier: str, kind: str) -> None:
    one = host(kind, tier)
    channels = [one.first, *(one.channel(f"1-{number}") for number in range(3))]
    for _ in range(3):
        for channel in channels:
            channel.send("meet")
        assert [channel.receive()["result"] for channel in channels] == ["ok"] * 4


def test_no_more_calls_run_than_there_are_threads(host: Start) -> None:
    one = host("threads")
    channels = [one.channel(f"1-{number}") for number in range(6)]
    for number, channel in enumerate(channels[:4]):
        channel.send("wait", f"started-{number}")
        one.wait_for(f"started-{number}")
    channels[4].send("note", "a")
    channels[5].send("note", "b")
    assert [channel.take() for channel in channels[4:]] == [None, None]
    channels[2].cancel(1)
    for channel in (channels[2], channels[4], channels[5]):
        assert channel.receive()["result"]
    assert one.first.ask("notes")["result"] in ("a b", "b a")


def test_an_async_server_runs_on_the_main_thread(host: Start) -> None:
    one = host("async")
    assert one.first.ask("thread") | {"timestamp": 0} == one.first.ask("thread") | {"timestamp": 0, "id": 1}


@pytest.mark.parametrize("way", ["wait", "look", "stream"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_cancelled_call_hears_of_it_at_once(host: Start, tier: str, kind: str, way: str) -> None:
    one = host(kind, tier)
    for channel in (one.first, one.channel("1-0")):
        number = channel.send(way, f"started-{channel.directory.name}")
        one.wait_for(f"started-{channel.directory.name}")
        channel.cancel(number + 1)  # of another request, which changes nothing
        begun = time.monotonic()
        channel.cancel(number)
        answer = channel.receive()
        while answer.get("more"):
            answer = channel.receive()
        assert time.monotonic() - begun < CANCEL_SECONDS
        noticed = way == "look" or (way == "wait" and kind != "async")
        if noticed:
            assert answer["result"].startswith("noticed")  # type: ignore[attr-defined]
        else:
            assert answer["message"] == f"{way!r} was cancelled by the host"
            assert answer["error"]["code"] == "E4002"  # type: ignore[index]
        assert channel.ask("echo", "next")["result"] == "next"


@pytest.mark.parametrize("kind", ["plain", "threads"])
def test_a_call_that_was_cancelled_before_its_turn_is_not_run(host: Start, kind: str) -> None:
    one = host(kind)
    channels = [one.channel(f"1-{number}") for number in range(5)]
    blockers = channels[:4] if kind == "threads" else channels[:1]
    for number, channel in enumerate(blockers):
        channel.send("wait", f"started-{number}")
        one.wait_for(f"started-{number}")
    channels[4].cancel(1)  # before it is sent, so that it is cancelled whenever its turn comes
    assert channels[4].send("note", "x") == 1
    for channel in blockers:
        channel.cancel(1)
        channel.receive()
    assert channels[4].receive()["error"]["code"] == "E4002"  # type: ignore[index]
    assert channels[4].ask("notes")["result"] == ""


def test_an_event_loop_that_was_held_up_answers_what_was_cancelled_meanwhile(host: Start, tier: str) -> None:
    one = host("async", tier)
    channels = [one.channel(f"1-{number}") for number in range(4)]
    for channel in channels:
        channel.hello()
    gate = shut(one)
    for _ in range(20):  # as it takes two rings that the loop hears of at once
        one.first.send("gate", str(gate))
        with open(gate, "w"):  # which takes the server's being there, where it keeps the loop
            for channel in channels:
                channel.cancel(channel.send("note", "x"))
                os.sched_yield()
        for channel in channels:
            assert channel.receive(5)["error"]["code"] == "E4002"  # type: ignore[index]
        assert one.first.receive()["command"] == "gate"
    assert channels[0].ask("notes")["result"] == ""


def test_a_slow_call_holds_up_no_quick_one(host: Start) -> None:
    one = host("async")
    channels = [one.channel(f"1-{number}") for number in range(4)]
    for channel in channels:
        channel.hello()
    one.first.send("nap", "0.5")
    assert channels[0].ask("echo", "beside")["result"] == "beside"
    assert one.first.take() is None
    begun = time.monotonic()
    for channel in channels:
        channel.send("nap", "0.2")
    for channel in channels:
        channel.receive()
    assert time.monotonic() - begun < 0.7, "one after the other they would take 0.8 s"
    one.first.receive()


def test_an_async_server_streams(host: Start, tier: str) -> None:
    one = host("async", tier)
    one.first.send("parts", "3")
    assert [one.first.receive().get("more", False) for _ in range(4)] == [True] * 3 + [False]


def test_a_stream_that_nobody_reads_on_holds_up_no_other_call(host: Start, tier: str) -> None:
    """Its server has ended it, as its host does not want it, but the part before lies there still."""
    one = host("async", tier)
    other = one.channel("1-0")
    assert other.ask("echo", "here")["result"] == "here"
    number = one.first.send("part_and_look", "mark")
    one.wait_until(lambda: (one.directory / "mark").exists())
    one.first.cancel(number)
    for word in ("beside", "and again"):
        assert other.ask("echo", word)["result"] == word
    assert one.first.receive()["more"] is True
    assert one.first.receive()["result"] == "ok"


# ------------------------------------------------------------------------------------------------- coming and going


@pytest.mark.parametrize("kind", ["threads", "async"])
def test_a_channel_that_goes_takes_its_call_along(host: Start, tier: str, kind: str) -> None:
    one = host(kind, tier)
    channel, other = one.channel("1-0"), one.channel("1-1")
    channel.hello()
    channel.send("wait", "started")
    one.wait_for("started")
    one.remove(channel)
    assert other.ask("echo", "goes on")["result"] == "goes on"
    assert one.channel("1-0").ask("echo", "again")["result"] == "again"


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_that_dies_is_swept(host: Start, tier: str, kind: str) -> None:
    one = host(kind, tier)
    one.first.hello()
    client = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    channel = one.channel(f"{client.pid}-0", pid=client.pid)
    assert channel.ask("echo", "alive")["result"] == "alive"
    if kind != "plain":
        channel.send("wait", "started")
        one.wait_for("started")
    client.communicate()
    one.wait_until(lambda: not os.listdir(one.directory / "channels"))
    assert one.first.ask("echo", "goes on")["result"] == "goes on"
    assert one.log() == ""


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"epoch": 2}, "its epoch is 2: this worker's is 3"),
        ({"epoch": "x"}, "its epoch is 0: this worker's is 3"),
    ],
)
def test_a_channel_that_cannot_be_served_is_told_why(
    host: Start, tier: str, record: dict[str, object], reason: str
) -> None:
    one = host("plain", tier)
    channel = one.channel("1-0", **record)
    assert channel.hello()["refused"] == reason
    assert channel.read("status.txt") == f"error: {reason}".encode()
    assert one.channel("1-1").ask("echo", "beside")["result"] == "beside"


def test_what_is_no_channel_is_left_alone(host: Start, tier: str, workspace: Path) -> None:
    one = host("plain", tier)
    one.first.hello()
    folder = one.directory / "channels"
    (workspace / "elsewhere").mkdir()
    (folder / "1-0").symlink_to(workspace / "elsewhere")
    (folder / "1-1").write_text("")
    (folder / ".hidden").mkdir()
    (folder / "1-2").mkdir()
    assert one.channel("1-3").ask("echo", "x")["result"] == "x"
    assert not os.listdir(workspace / "elsewhere")
    assert not os.listdir(folder / ".hidden")
    refused = json.loads((folder / "1-2" / "hello.json").read_text())["refused"]
    assert refused == "there is no session.json"
    assert "1-0 is no channel" in one.log()


def put_buffer(host: ChannelHost, name: str, slot: int, value: object) -> int:
    """A buffer of the host's; its inode."""
    from tech_renaissance import write_tsr

    path = host.directory / name
    write_tsr(value, path)
    inode = path.stat().st_ino
    if host.first.box is not None:
        host.first.box.list_buffer(slot, inode)
        host.first.box.tell_names_changed()
    return inode


@pytest.mark.parametrize("tier", ["library", "ctypes"])
def test_a_request_tells_where_tensors_lie_whose_names_are_behind(host: Start, tier: str) -> None:
    pytest.importorskip("numpy")
    from tech_renaissance import read_tsr

    one = host("plain", tier)

    def back(buffers: str) -> object:
        assert one.first.ask("back", "a", buffers=buffers)["tensors"] == ["result_0"]
        return read_tsr(one.directory / "result_0.tsr").item()

    old = put_buffer(one, "a.tsr", 0, 1.5)
    new = put_buffer(one, ".host-1", 1, 2.5)
    assert back(f"a {new} .host-1") == 2.5
    assert back("") == 1.5
    assert back("a 999999999 .host-9") == 1.5, "where it is nowhere, another tensor has got the tag"
    assert back(f"b 1 .host-7 a {old} .host-1") == 1.5, "a buffer that is mapped is known by its inode"
    last = put_buffer(one, ".host-2", 2, 3.5)
    os.rename(one.directory / ".host-2", one.directory / "a.tsr")
    assert back(f"a {last} .host-2") == 3.5, "it has got its name meanwhile"
    for wrong in ("a", "a 1 ..host-1", "a 0 .host-1", "a 1 ./host", f"a {last} .host-2 ", "a x .host-1"):
        answer = one.first.ask("back", "a", buffers=wrong)
        assert answer["error"]["code"] == "E1001", wrong  # type: ignore[index]
        assert "does not tell where tensors lie" in str(answer["message"])


@pytest.mark.parametrize("features", [["buffers"], []])
def test_an_answer_tells_where_tensors_lie_whose_names_are_behind(host: Start, features: list[str]) -> None:
    pytest.importorskip("numpy")
    from tech_renaissance import read_tsr, write_tsr

    one = host("plain", "library", record={"features": features})
    box = one.first.box
    assert box is not None
    result = one.directory / "result_0.tsr"

    def back(value: float) -> dict[str, object]:
        write_tsr(value, one.directory / "a.tsr")
        return one.first.ask("back", "a")

    def hold() -> int:
        """So that the next result needs another buffer."""
        inode = result.stat().st_ino
        box.hold(inode)
        return inode

    assert "buffers" not in back(0.0)
    hold()
    assert "buffers" not in back(1.0), "whether two names can be exchanged has to be seen"
    inode = hold()
    answer = back(2.0)
    if not features:
        assert "buffers" not in answer
        assert read_tsr(result).item() == 2.0
        return
    tag, other, name = str(answer["buffers"]).split()
    assert tag == "result_0"
    assert int(other) != inode
    assert (one.directory / name).exists()
    one.wait_until(lambda: read_tsr(result).item() == 2.0)
    assert result.stat().st_ino == int(other)
    assert read_tsr(one.directory / name).item() == 1.0, "they have changed places"


@pytest.mark.parametrize("tier", ["library", "ctypes"])
def test_an_input_that_is_sent_back_keeps_its_name_until_there_is_time(host: Start, tier: str) -> None:
    np = pytest.importorskip("numpy")
    from tech_renaissance import read_tsr

    one = host("plain", tier, record={"features": ["buffers"]})
    result = one.directory / "result_0.tsr"
    large = [put_buffer(one, f".host-{n}", n, np.full(50_000, float(n))) for n in range(5)]

    def back(n: int) -> dict[str, object]:
        return one.first.ask("back", "a", buffers=f"a {large[n]} .host-{n}")

    def follows(n: int) -> None:
        one.wait_until(lambda: read_tsr(result)[0] == n)

    assert "buffers" not in back(0), "a name that nobody has has to be made"
    assert result.stat().st_ino == large[0]
    assert back(1)["buffers"] == f"result_0 {large[1]} .host-1"
    follows(1)
    assert result.stat().st_ino == large[1]
    assert read_tsr(one.directory / ".host-1")[0] == 1.0, "it has two names now"

    assert back(2)["buffers"]
    os.rename(one.directory / ".host-2", one.directory / ".host-9")
    follows(2)
    assert back(3)["buffers"]
    again = one.first.ask("back", "result_0")
    assert again["tensors"] == ["result_0"], "a request for the tag finds it at once"
    follows(3)

    assert back(4)["buffers"]
    os.unlink(result)
    put_buffer(one, "result_0.tsr", 5, np.full(50_000, 7.0))
    assert one.first.ask("back", "result_0")["tensors"], "what the host has put there meanwhile is the newer one"
    follows(7)

    assert back(4)["buffers"]
    assert "buffers" not in one.first.ask("made", "2"), "another result needs a name of its own"
    assert read_tsr(result).tolist() == [2.0]


@pytest.mark.parametrize("shared", ["", "1-0"])
def test_tags_of_another_channel_are_found(host: Start, shared: str) -> None:
    pytest.importorskip("numpy")
    from tech_renaissance import write_tsr

    one = host("plain")
    one.channel("1-0")
    owner = one.directory / "channels" / shared if shared else one.directory
    write_tsr(1.5, owner / "a.tsr")
    assert one.channel("1-1", tags_of=shared).ask("back", "a")["tensors"] == ["result_0"]
    assert one.channel("1-2").ask("back", "a")["error"]["code"] == "E1004"  # type: ignore[index]
    stranger = one.channel("1-3", tags_of=shared, pid=one.process.pid)
    assert stranger.ask("back", "a")["error"]["code"] == "E1004"  # type: ignore[index]


# ------------------------------------------------------------------------------------------------------------ the end


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_first_channel_ends_the_worker(host: Start, kind: str) -> None:
    one = host(kind)
    channel = one.channel("1-0")
    answer = channel.ask("__exit__")
    assert answer["error"]["code"] == "E1003"  # type: ignore[index]
    assert one.first.ask("__exit__")["result"] == "ok"
    assert one.exit_code() == 0
    assert channel.read("status.txt") == b"exiting"
    assert one.log() == ""


@pytest.mark.parametrize("kind", ["threads", "async"])
def test_the_exit_waits_for_calls_at_work(host: Start, tier: str, kind: str) -> None:
    one = host(kind, tier)
    channel, late = one.channel("1-0"), one.channel("1-1")
    late.hello()
    number = channel.send("look", "started")
    one.wait_for("started")
    one.first.send("__exit__")
    one.first.take()
    late.send("echo", "too late")
    channel.cancel(number)
    assert channel.receive()["result"].startswith("noticed")  # type: ignore[attr-defined]
    assert one.first.receive()["result"] == "ok"
    assert one.exit_code() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_sys_exit_ends_the_worker(host: Start, kind: str) -> None:
    one = host(kind)
    answer = one.channel("1-0").ask("exit")
    assert answer["message"].startswith("the server called sys.exit(7) in 'exit' and has left (at ")
    assert one.exit_code() == 7


@pytest.mark.parametrize("kind", KINDS)
def test_a_signal_cancels_the_calls_at_work(host: Start, tier: str, kind: str) -> None:
    one = host(kind, tier)
    channel = one.channel("1-0")
    channel.send("wait", "started")
    one.wait_for("started")
    one.process.terminate()
    answer = channel.receive()
    if kind == "threads":
        assert answer["result"].startswith("noticed")  # type: ignore[attr-defined]
    else:
        assert answer["message"] == "'wait' was cancelled: the worker was told to stop"
    assert one.exit_code() == 0


def test_a_signal_ends_an_async_call_that_does_not_await(host: Start) -> None:
    one = host("async")
    one.first.send("spin", "started")
    one.wait_for("started")
    one.process.terminate()
    assert one.first.receive()["message"] == "'spin' was cancelled: the worker was told to stop"
    assert one.exit_code() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_fork_answers_nothing(host: Start, kind: str) -> None:
    one = host(kind)
    assert one.first.ask("fork")["result"] == "0"
    assert "write_response" not in one.log()
    assert one.first.ask("echo", "x")["result"] == "x"


@pytest.mark.parametrize("kind", KINDS)
def test_a_directory_that_vanishes_ends_the_worker(host: Start, tier: str, kind: str, workspace: Path) -> None:
    one = host(kind, tier)
    one.channel("1-0").hello()
    one.directory.rename(workspace / "elsewhere")
    assert one.exit_code(5) == 0


def test_an_async_call_reaches_its_answer_from_threads_and_tasks(host: Start) -> None:
    one = host("async")
    for command in ("in_a_thread", "executor"):
        assert one.first.ask(command, "x")["result"] == "x"
    assert one.first.ask("task")["result"] == "early"
    assert one.first.ask("echo", "x")["result"] == "x"
    one.wait_until(lambda: "a second answer to 'task' was dropped" in one.log())


def test_threads_is_a_number(workspace: Path) -> None:
    server = "class S(TechRenaissanceServer):\n    threads = -1\n    main_logic = print\n"
    code = f"from tech_renaissance import *\n{server}S().run()"
    with Host(workspace, ["-c", code]) as one:
        assert one.exit_code() == 1
        assert "S.threads is -1: expected a number of threads" in one.log()

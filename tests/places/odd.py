"""Programs for odd places and limits: see test_odd_places.py."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import faulty_system
import numpy as np
from place_host import MIB, SERVER, array, options, refused, run, same_worker, works
from place_server import mapped_bytes

from tech_renaissance import PythonSession, TRException


def read_only(place: str) -> None:
    """A session cannot start."""
    for workspace in (place, f"{place}/new"):
        refused(PythonSession(options(workspace)).start, "E1003", "Read-only", "make it writable", "TR_WORKSPACE")


def read_only_later(place: str, wake_up: str) -> None:
    """The kernel makes a disk read-only when it finds an error on it."""
    with PythonSession(options(f"{place}/w", wake_up)) as session:
        works(session)
        subprocess.run(["mount", "-o", "remount,abort", place], check=True)
        refused(lambda: session.send_tensor(array(MIB), "a"), "E1003", "Read-only", "TR_WORKSPACE")
        if wake_up == "futex":
            assert session.fetch_response("text hello") == "hello"
            refused(lambda: session.calculate(f"make {MIB}"), "E1003", "Read-only", "EROFS", "TR_WORKSPACE")
        else:
            refused(lambda: session.fetch_response("text hello"), "E1003", "request.json", "Read-only")


def no_exec(place: str, wake_up: str) -> None:
    """Nothing in a workspace is ever run."""
    with PythonSession(options(f"{place}/w", wake_up)) as session:
        works(session, MIB)
        assert session.stats().carrier == ("mailbox" if wake_up == "futex" else "files")


def failure_of(call: Callable[[], object]) -> str:
    """The message of what a call raises; "" when it raises nothing."""
    try:
        call()
    except TRException as error:
        return str(error)
    return ""


def host_descriptors(place: str, wake_up: str) -> None:
    """The host has none left: when it starts, when it sends, when it receives."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    taken: list[int] = []

    def take_all() -> None:
        try:
            while True:
                taken.append(os.open("/", os.O_RDONLY))
        except OSError:
            return

    def give_back() -> None:
        for descriptor in taken:
            os.close(descriptor)
        taken.clear()

    parts = ("Too many open files", "limit of 256 open descriptors", "ulimit -n")
    other = PythonSession(options(f"{place}/w", wake_up))
    with PythonSession(options(f"{place}/w", wake_up)) as session, same_worker(session):
        session.send_tensor(array(MIB), "a")
        take_all()
        text = refused(lambda: session.send_tensor(array(2 * MIB), "b"), "E3002", *parts)
        assert "free" not in text, text
        while why := failure_of(other.start):  # a few free ones take it further each time
            assert "ulimit -n" in why, why
            os.close(taken.pop())
        other.terminate()
        take_all()
        if wake_up == "futex":
            assert session.fetch_response("text hello") == "hello"
            refused(lambda: session.calculate(f"make {MIB}"), "E3002", *parts)
            assert session.fetch_response("text hello") == "hello"
        os.close(taken.pop())
        session.send_request("text hello")
        take_all()
        if wake_up != "futex":
            refused(session.wait_for_response, "E3002", *parts)
        give_back()
        assert session.wait_for_response() == "hello"
    other.start()
    works(other)
    assert len(os.listdir(f"{place}/w/python_session")) == 2


def worker_descriptors(place: str, wake_up: str) -> None:
    """The server has taken all there are: the worker's own files still work, with one that it has kept."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    with PythonSession(options(f"{place}/w", wake_up)) as session, same_worker(session):
        works(session)  # NumPy is loaded
        session.fetch_response("take_descriptors")
        for size in (10, MIB, 1000, 2 * MIB):
            works(session, size)
            assert np.asarray(session.calculate(f"make_in_place {size}")).shape == (size,)
        assert len(session.fetch_response("long 100000")) == 100_000
        session.fetch_response("give_descriptors")


def memory(place: str, wake_up: str) -> None:
    """No address space for a mapping."""
    size = 64 * MIB
    with PythonSession(options(f"{place}/w", wake_up)) as session:
        with same_worker(session):
            session.fetch_response(f"limit_memory {size // 2}")
            refused(lambda: session.calculate("echo", array(size)), "E3002", "Cannot allocate memory", "ulimit -v")
            session.fetch_response("lift_memory")
        with same_worker(session):
            resource.setrlimit(resource.RLIMIT_AS, (mapped_bytes() + size // 2, resource.RLIM_INFINITY))
            refused(lambda: session.calculate(f"make {size}"), "E3002", "Cannot allocate memory", "ulimit -v")
            assert session.fetch_response("text hello") == "hello"
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def threads(place: str) -> None:
    """The system makes no thread and no process more."""
    faulty_system.refuse(clone3=errno.EAGAIN, clone=errno.EAGAIN)
    refused(PythonSession(options(f"{place}/w")).start, "E3001", "temporarily unavailable", "limit of processes")
    assert os.listdir(f"{place}/w/python_session") == [".lock"]


def silent_inotify(place: str) -> None:
    """A watch is accepted, and nothing ever comes of it. Either side notices."""
    started = PythonSession(options(f"{place}/w", "inotify"))
    silent = "inotify accepts a watch on this file system but stays silent"
    python = faulty_system.interpreter(place, inotify_add_watch=faulty_system.PRETEND)
    Path(place, "watchdog.py").write_text("raise ImportError")  # which would wait for inotify as well
    polls = options(f"{place}/w", "inotify", python=python, environment={"PYTHONPATH": place})
    with PythonSession(polls) as session:
        works(session, MIB)
        assert session.stats().host_wake_up == "inotify"
        assert session.stats().worker_wake_up == "polling"
        assert silent in session.stats().fallback, session.stats().fallback
    faulty_system.refuse(inotify_add_watch=faulty_system.PRETEND)
    refused(started.start, "E1001", silent, "another workspace")
    with PythonSession(options(f"{place}/w", "polling")) as session:
        works(session, MIB)


def inotify_limits(place: str) -> None:
    """The user's instances of inotify, or watches, are used up: the host says so, or takes the next tier."""
    for name, text in (("max_inotify_watches", "max_user_watches"), ("max_inotify_instances", "max_user_instances")):
        Path(f"/proc/sys/user/{name}").write_text("0")
        refused(PythonSession(options(f"{place}/w", "inotify")).start, "E1001", text, "another workspace")
        with PythonSession(options(f"{place}/w")) as session:
            works(session)
            assert session.stats().carrier == "mailbox"  # which needs none


def paths(place: str) -> None:
    """Names that a shell, a URL or a table would trip over, long ones, relative ones and links."""
    base = Path(place)
    long = "x" * 200 + "/link/through"
    (base / ("x" * 200)).mkdir()
    (base / ("x" * 200) / "link").symlink_to(base)
    names = ["with  spaces 'and' \"quotes\" $HOME;`id`\nsecond line/ünïcödé-模型-🧪", long]
    for name, wake_up in zip(names, ("futex", "inotify")):
        with PythonSession(options(base / name, wake_up)) as session:
            works(session, MIB)
            assert os.path.realpath(session.session_dir()).startswith(os.path.realpath(base / name))
    os.chdir(place)
    with PythonSession(options("relative/one", "inotify")) as session:
        os.chdir("/")
        works(session)
        session.terminate()
        session.start()
        works(session)
    deep = base
    while len(str(deep)) < 3700:
        deep = deep / ("d" * 200)
    with PythonSession(options(deep)) as session:
        works(session, MIB)
    refused(PythonSession(options(base / ("n" * 256))).start, "E1001", "name too long", "shorter path", "TR_WORKSPACE")
    while len(str(deep)) < 4060:
        deep = deep / ("d" * 40)
    refused(PythonSession(options(deep)).start, "E1001", "name too long", "shorter path", "TR_WORKSPACE")


def not_utf8(place: str, wake_up: str) -> None:
    """Names of bytes that are no text: of the workspace, the script, the working directory and a value."""
    base = Path(os.fsdecode(os.fsencode(place) + b"/\xff\xfe \xe2\x82"))
    base.mkdir()
    script = base / "server\udcff.py"
    script.symlink_to(SERVER)
    chosen = options(
        base / "w",
        wake_up,
        script=script,
        working_directory=base,
        environment={"NAME": "\udcff", "PYTHONPATH": str(SERVER.parent)},
        keep_on_failure=True,
        quick_start=wake_up == "futex",
        preload=["numpy"],
    )
    said: list[str] = []
    with PythonSession(replace(chosen, log=lambda _, message: said.append(message))) as session:
        works(session, MIB)
        assert session.stats().worker_wake_up == wake_up
        assert session.session_dir().startswith(str(base))
        assert session.fetch_response("name") == repr(b"\xff") + " " + repr(os.fsencode(base))
        refused(lambda: session.fetch_response("fail"), "E9999", "FileNotFoundError", "/nothing")
        kept = session.stats().kept
        assert kept.startswith(str(base)), kept
        session.restart()
        works(session, MIB)
    assert any(str(base) in text for text in said), said
    command = [sys.executable, "-m", "tech_renaissance", "replay", kept]
    replayed = subprocess.run([*command, "--script", SERVER], capture_output=True, text=True, errors="replace")
    assert "the failure repeats" in replayed.stdout, replayed
    refused(PythonSession(replace(chosen, script=base / "none")).start, "E1001", "none' does not exist")
    refused(PythonSession(replace(chosen, workspace=SERVER / "\udcff")).start, "E1001", "\udcff")


def clock(place: str, wake_up: str) -> None:
    """The time of day jumps by days, back and forth, at each look, on both sides."""
    with PythonSession(options(f"{place}/w", wake_up, start_timeout_ms=20_000)) as session:
        times = [float(session.fetch_response("clock")) for _ in range(4)]
        assert max(times) - min(times) > 80_000, times
        with same_worker(session):
            for size in (10, MIB, 100):
                works(session, size)
            refused(lambda: session.calculate("echo", timeout_ms=20_000), "E1001")
        session.terminate()
        session.start()
        works(session)


def shared_memory(place: str, expected: str) -> None:
    """Where a session goes that was given no workspace."""
    with PythonSession(options("")) as session:
        works(session, 8 * MIB)
        assert session.session_dir().startswith(expected), session.session_dir()


def bare_process(place: str) -> None:
    """A host without standard streams, HOME or /proc that ignores its children and is interrupted all the time."""
    keep = os.dup(1)
    for descriptor in range(3):
        os.close(descriptor)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.siginterrupt(signal.SIGALRM, True)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        for wake_up in ("futex", "inotify"):
            with PythonSession(options(f"{place}/w", wake_up)) as session:
                works(session, 16 * MIB)
                assert (np.asarray(session.empty((16 * MIB,), "uint8")).shape) == (16 * MIB,)
                session.fetch_response("print 1")
                log = Path(session.session_dir(), "worker.log").read_text()
                assert "printed" in log, log
                assert "to stderr" in log, log
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        os.dup2(keep, 1)
        os.dup2(keep, 2)


def large_environment(place: str) -> None:
    """More environment than a program can be started with."""
    with PythonSession(options(f"{place}/w", environment={"LARGE": "x" * 100_000})) as session:
        works(session)
    many = {f"LARGE_{index}": "x" * 100_000 for index in range(40)}
    refused(
        PythonSession(options(f"{place}/w", environment=many)).start, "E3001", "list too long", "environment smaller"
    )


if __name__ == "__main__":
    run({name: found for name, found in list(globals().items()) if callable(found) and name.islower()})

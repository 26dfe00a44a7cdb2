"""Programs for places without room: see test_full_places.py."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import resource
import shutil
import signal

import faulty_system
import numpy as np
from place_host import HEADER, MIB, array, options, refused, run, same_worker, works
from place_server import fill

from tech_renaissance import PythonSession, RestartError, RetryError

ROOM = ("bytes are needed and", "are free", "make room", "TR_WORKSPACE")


def full(place: str, wake_up: str) -> None:
    """A file system of 4 MiB: too large a tensor, then not a byte left, then room again."""
    filler = f"{place}/filler"
    with PythonSession(options(f"{place}/w", wake_up)) as session:
        with same_worker(session):
            refused(lambda: session.send_tensor(array(16 * MIB), "big"), "E3002", *ROOM, f"{16 * MIB + HEADER} bytes")
            refused(
                lambda: session.calculate("make 16777216"), "E3002", *ROOM, f"{16 * MIB + HEADER} bytes", "result_0"
            )
            if wake_up == "futex":
                refused(lambda: session.empty((16 * MIB,), "uint8"), "E3002", *ROOM)
                refused(lambda: session.calculate("make_in_place 16777216"), "E3002", *ROOM)
            # The worker's own answer to a place that has filled up under it needs room itself on the files carrier.
            refused(
                lambda: session.calculate(f"fill_and_make {filler} 500000"), "E3002", *ROOM, f"{500_000 + HEADER} bytes"
            )
            if wake_up == "futex":
                assert session.fetch_response("text hello") == "hello"
                refused(lambda: session.fetch_response("long 100000"), "E3002", "are free", "response")
                assert session.fetch_response("print 10000") == "ok"
                refused(lambda: session.fetch_response("text " + "x" * 100_000), "E3002", *ROOM, "request.json")
            else:
                fill(filler)
                refused(lambda: session.fetch_response("text " + "x" * 100_000), "E3002", *ROOM, "request.json")
            refused(lambda: session.send_tensor(array(MIB), "b"), "E3002", *ROOM)
            os.unlink(filler)
        if wake_up == "futex":
            session.fetch_response("print 1")
            with open(f"{session.session_dir()}/worker.log") as log:
                assert "bytes of output were lost" in log.read()
    assert os.listdir(f"{place}/w/python_session") == [".lock"]


def growing(place: str) -> None:
    """On 4 MiB, buffers that are kept for use again make room for the next ones, on either side."""
    sizes = range(MIB, 1_900_000, 200_000)
    with PythonSession(options(f"{place}/w", "futex")) as session, same_worker(session):
        for size in sizes:
            session.send_tensor(array(size), "a")
    with PythonSession(options(f"{place}/w", "futex")) as session, same_worker(session):
        for size in sizes:
            assert (np.asarray(session.calculate(f"make {size}")) == 7).all()


def full_at_start(place: str) -> None:
    """Nothing at all, then room for the host but not for the worker's first words; then the same session starts."""
    os.mkdir(f"{place}/w")
    fill(f"{place}/filler")
    session = PythonSession(options(f"{place}/w", keep_on_failure=False))
    refused(session.start, "E3002", "No space left", "are free", "TR_WORKSPACE")
    seen = []
    for _ in range(60):
        os.truncate(f"{place}/filler", os.stat(f"{place}/filler").st_size - 4096)
        try:
            session.start()
            session.wait_until_ready()
            break
        except (RestartError, RetryError) as error:
            seen.append(f"{error.code} {error}")
    assert all("are free" in text for text in seen), seen
    assert any("E3001" in text and "hardly any room left" in text for text in seen), seen
    os.unlink(f"{place}/filler")
    works(session)
    session.please_exit()


def take_inodes(directory: str) -> None:
    """All that are left."""
    with contextlib.suppress(OSError):
        for index in itertools.count(len(os.listdir(directory))):
            os.symlink("nowhere", f"{directory}/{index}")


def inodes(place: str, wake_up: str) -> None:
    """Room for bytes, but for no other file."""
    with PythonSession(options(f"{place}/w", wake_up)) as session, same_worker(session):
        os.mkdir(f"{place}/many")
        calls = [lambda: session.send_tensor(array(100_000), "t")]
        if wake_up == "futex":
            calls.append(lambda: session.calculate("make 100000"))
        for call in calls:
            for _ in range(3):  # a status that cannot be written is removed, which sets one free
                take_inodes(f"{place}/many")
                try:
                    call()
                except RetryError:
                    break
            refused(call, "E3002", "another file (inode)", "TR_WORKSPACE")
        shutil.rmtree(f"{place}/many")


def stream(place: str, wake_up: str) -> None:
    """The part that does not fit is the stream's error: one too large, one that finds the place full."""
    filler = f"{place}/filler"
    with PythonSession(options(f"{place}/w", wake_up)) as session, same_worker(session):
        for end in (f"{16 * MIB}", f"{filler} 1500000"):
            frames = session.stream(f"frames 500000 400000 {end} 10")
            assert [next(frames).shape for _ in range(2)] == [(500_000,), (400_000,)]
            refused(lambda frames=frames: next(frames), "E3002", *ROOM, "result_0")
        if wake_up == "futex":
            assert session.fetch_response("text hello") == "hello"
        os.unlink(filler)
        assert [len(frame) for frame in session.stream("frames 500000 10 400000")] == [500_000, 10, 400_000]
        with session.stream("frames 1000 1000 1000") as frames:
            assert len(next(frames)) == 1000
            fill(filler)  # not even the wish to end it can be written
        os.unlink(filler)


def quota(place: str, wake_up: str) -> None:
    """A real one."""
    with PythonSession(options(f"{place}/s/w", wake_up)) as session, same_worker(session):
        refused(lambda: session.send_tensor(array(16 * MIB), "a"), "E3002", "quota is used up", *ROOM)
        refused(lambda: session.calculate("make 16777216"), "E3002", "quota is used up", *ROOM)
        for size in (MIB, MIB, 2 * MIB, MIB):
            works(session, size)
    with PythonSession(options(f"{place}/s/w", wake_up)) as session:
        works(session)


def quota_on_reserving(place: str) -> None:
    """The system refuses to reserve space, though there is room."""
    with PythonSession(options(f"{place}/w", "futex")) as session:
        session.wait_until_ready()
        faulty_system.refuse(fallocate=errno.EDQUOT)
        refused(lambda: session.send_tensor(array(MIB), "a"), "E3002", "quota is used up", "make room", "TR_WORKSPACE")
        assert session.fetch_response("text hello") == "hello"
    with PythonSession(options(f"{place}/w", "polling")) as session:  # which reserves nothing
        works(session)


def size_limit(place: str, wake_up: str) -> None:
    """A limit on the size of files, whose signal would kill: host and worker."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it, other programs do not
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, resource.RLIM_INFINITY))
    parts = (f"{2 * MIB + HEADER} bytes are needed, over the limit of {MIB}", "ulimit -f")
    with PythonSession(options(f"{place}/w", wake_up)) as session, same_worker(session):
        refused(lambda: session.send_tensor(array(2 * MIB), "a"), "E1005", *parts)
        refused(lambda: session.calculate(f"make {2 * MIB}"), "E1005", *parts)
        session.fetch_response("print 300000")
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    if wake_up == "futex":
        refused(PythonSession(options(f"{place}/w", wake_up)).start, "E1005", "ulimit -f")


if __name__ == "__main__":
    run({f.__name__: f for f in (full, growing, full_at_start, inodes, stream, quota, quota_on_reserving, size_limit)})

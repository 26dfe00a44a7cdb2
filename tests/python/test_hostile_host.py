"""A host that keeps no rule of the protocol: its worker answers with an error or ends with one, and never hangs."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import signal
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from host import SERVERS, Host

from tech_renaissance.channel.mailbox import _MAGIC, _VERSION, FILE_BYTES, SLOT_BYTES

HEADER = struct.pack("<IIQ", _MAGIC, _VERSION, 3)
TO_WORKER, TO_HOST, SLOT, LEASES = 64, 128, 256, 131328
SECRET = b"secret outside of the session"
Prepare = Callable[[Path], None]


class EvilHost(Host):
    """Makes a mailbox, or what it likes in its place, before the worker starts."""

    def __init__(self, workspace: Path, prepare: Prepare, **options: object) -> None:
        self._prepare = prepare
        self._sequence = 0
        options.setdefault("record", {"carriers": ["mailbox", "files"]})
        super().__init__(workspace, **options)  # type: ignore[arg-type]

    def write(self, name: str, data: bytes) -> None:
        """Also what was prepared, just before the worker may look."""
        if name == "session.json":
            self._prepare(self.directory)
            if (self.directory / name).is_symlink() or (self.directory / name).exists():
                return
        super().write(name, data)

    def map(self) -> mmap.mmap:
        """The mailbox."""
        with open(self.directory / "mailbox", "r+b") as file:
            return mmap.mmap(file.fileno(), 0)

    def post(self, message: bytes, length: int | None = None) -> None:
        """A request through the mailbox."""
        with self.map() as memory:
            memory[SLOT : SLOT + len(message)] = message
            self._sequence += 1
            struct.pack_into("<II", memory, TO_WORKER + 4, self._sequence, len(message) if length is None else length)
            bell = ctypes.c_uint32.from_buffer(memory, TO_WORKER)
            bell.value += 1
            ctypes.CDLL(None).syscall(202, ctypes.byref(bell), 1, 2**31 - 1)
            del bell

    def answer(self, number: int) -> dict[str, object]:
        """The response of this number."""

        def arrived() -> bool:
            with self.map() as memory:
                return struct.unpack_from("<I", memory, TO_HOST + 4)[0] == number or self.process.poll() is not None

        self.wait_until(arrived)
        assert self.process.poll() is None, self.log()
        with self.map() as memory:
            length = struct.unpack_from("<I", memory, TO_HOST + 8)[0]
            found = memory[SLOT + SLOT_BYTES : SLOT + SLOT_BYTES + length]
            memory[TO_HOST + 12 : TO_HOST + 16] = struct.pack("<I", number)
        return json.loads(found)  # type: ignore[no-any-return]

    def command(self, command: str, parameters: str = "", number: int = 1) -> None:
        """A plain request through the mailbox."""
        self.post(json.dumps({"id": number, "command": command, "parameters": parameters}).encode())

    def list_buffer(self, slot: int, name: str) -> None:
        """Says that a file is a buffer of the host's."""
        with self.map() as memory:
            struct.pack_into("<Q", memory, LEASES + 16 * slot, (self.directory / name).stat().st_ino)


def good(directory: Path) -> None:
    """A mailbox as it should be."""
    (directory / "mailbox").write_bytes(HEADER.ljust(FILE_BYTES, b"\0"))


def put(kind: str, path: Path, outside: Path) -> None:
    """Something in the place of a file."""
    if kind == "link":
        path.symlink_to(outside)
    elif kind == "hard link":
        os.link(outside, path)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "device":
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))
    elif kind == "huge":
        with open(path, "wb") as file:
            file.truncate(1 << 30)


def tsr(data: bytes, count: int | None = None) -> bytes:
    """A file of bytes."""
    count = len(data) if count is None else count
    dims = struct.pack("<q", count).ljust(64, b"\0")
    return struct.pack("<4s5i16xqq8x", b"TSR!", 2, 128, 0, 8, 1, count, count) + dims + data


@pytest.fixture
def outside(workspace: Path) -> Path:
    path = workspace / "canary"
    path.write_bytes(tsr(SECRET * 1000))
    return path


@pytest.fixture(params=["library", "pure"])
def evil(request: pytest.FixtureRequest, workspace: Path) -> Iterator[EvilHost]:
    """With a good mailbox; what it does with it is the test's."""
    environment = {"FRAMEWORK": "numpy"}
    if request.param == "pure":
        environment["TR_LIBRARY"] = ""
    with EvilHost(workspace, good, script=SERVERS / "tensors.py", environment=environment) as host:
        assert host.hello()["carrier"] == "mailbox"
        yield host


@pytest.mark.parametrize("kind", ["link", "fifo", "directory", "huge", "short", "magic", "version", "epoch"])
def test_a_mailbox_that_is_none_is_not_used(workspace: Path, outside: Path, kind: str) -> None:
    def prepare(directory: Path) -> None:
        words = {"magic": (0, _VERSION, 3), "version": (_MAGIC, 99, 3), "epoch": (_MAGIC, _VERSION, 4)}.get(kind)
        if words is not None:
            (directory / "mailbox").write_bytes(struct.pack("<IIQ", *words).ljust(FILE_BYTES, b"\0"))
        elif kind == "short":
            (directory / "mailbox").write_bytes(HEADER.ljust(FILE_BYTES - 1, b"\0"))
        else:
            put(kind, directory / "mailbox", outside)

    with EvilHost(workspace, prepare, script=SERVERS / "tensors.py") as host:
        hello = host.hello()
        assert hello["carrier"] == "files"
        assert "mailbox" in str(hello["fallback"])
        assert host.ask("__exit__")["result"] == "ok"


@pytest.mark.parametrize("kind", ["link", "hard link", "fifo", "directory", "huge", "text", "deep"])
def test_a_session_record_that_is_none_ends_the_worker(workspace: Path, outside: Path, kind: str) -> None:
    def prepare(directory: Path) -> None:
        path = directory / "session.json"
        if kind in ("text", "deep"):
            path.write_bytes({"text": b"{]", "deep": b'{"x":' + b"[" * 200_000}[kind])
        else:
            put(kind, path, outside)

    with EvilHost(workspace, prepare, script=SERVERS / "tensors.py") as host:
        assert host.exit_code() == 1
        assert "InputError" in host.log()
        assert SECRET.decode() not in host.log()


def test_messages_that_are_none_are_answered(evil: EvilHost) -> None:
    messages = [
        b"no JSON", b"[]", b'{"id":5', b'{"id":5,"command":7}', b'{"id":-1,"command":"c"}', b"\xff\xfe",
        b'{"command":""}',
        b'{"command":"c","x":' + b"[" * 60_000, b'{"id":5,"command":"c","parameters":"\\ud800"}', b'{"command":"c"}\0',
    ]  # fmt: skip
    for number, message in enumerate(messages, start=1):
        evil.post(message)
        assert evil.answer(number)["error"]["code"] == "E1001", message  # type: ignore[index]
    evil.post(b"x", length=SLOT_BYTES + 1)
    error = evil.answer(len(messages) + 1)["error"]
    assert "65537 bytes in a slot of 65536" in error["message"]  # type: ignore[index]
    evil.post(b"", length=2**32 - 1)
    assert evil.answer(len(messages) + 2)["result"] == "error"


def test_what_was_announced_and_is_not_there_is_ignored(evil: EvilHost, outside: Path) -> None:
    evil.post(b"")
    evil.post(b"")
    os.link(outside, evil.directory / "request.json")
    evil.post(b"")
    assert "hard links" in str(evil.answer(1)["message"])
    evil.command("describe", "../canary")
    assert evil.answer(2)["error"]["code"] == "E1001"  # type: ignore[index]


def test_one_id_over_and_over_is_served_each_time(evil: EvilHost) -> None:
    for number in range(1, 4):
        evil.command("nothing", number=5)
        assert evil.answer(number)["id"] == 5


@pytest.mark.parametrize("listed", [False, True])
def test_tensors_that_are_no_files_are_refused(evil: EvilHost, outside: Path, listed: bool) -> None:
    for number, kind in enumerate(["link", "fifo", "directory", "device", "huge"], start=1):
        if kind == "device" and os.geteuid():
            break
        put(kind, evil.directory / f"t{number}.tsr", outside)
        if listed:
            evil.list_buffer(number, f"t{number}.tsr")
        evil.command("describe", f"t{number}", number)
        answer = evil.answer(number)
        assert answer["error"]["code"] == "E1001", (kind, answer)  # type: ignore[index]
        assert SECRET.decode() not in str(answer)


@pytest.mark.parametrize("listed", [False, True])
def test_tensors_that_lie_are_refused(evil: EvilHost, listed: bool) -> None:
    lies = [tsr(bytes(10), 11), tsr(bytes(10), 2**62), tsr(bytes(10), -1), tsr(bytes(100_000), 99_999), b"", b"TSR!"]
    for number, data in enumerate(lies, start=1):
        evil.write(f"t{number}.tsr", data)
        if listed:
            evil.list_buffer(number, f"t{number}.tsr")
        evil.command("describe", f"t{number}", number)
        assert evil.answer(number)["error"]["code"] == "E1001", data[:150]  # type: ignore[index]


def test_leases_that_are_scribbled_over_harm_nothing(evil: EvilHost) -> None:
    evil.write("a.tsr", tsr(bytes(100_000)))
    for number, byte in enumerate([0xFF, 0, 1], start=1):
        with evil.map() as memory:
            memory[LEASES:] = (bytes([byte]) * 12 + bytes(4)) * 512
        evil.command("echo", "a", number)
        assert evil.answer(number)["tensors"] == ["result_0"]


def test_a_mailbox_that_is_cut_short_ends_the_worker(evil: EvilHost) -> None:
    os.truncate(evil.directory / "mailbox", 0)
    expect_end(evil)


def test_an_input_that_is_cut_short_ends_the_worker(evil: EvilHost) -> None:
    evil.write("a.tsr", tsr(bytes(100_000)))
    evil.list_buffer(0, "a.tsr")
    evil.command("keep", "a")
    assert evil.answer(1)["result"] == "ok"
    os.truncate(evil.directory / "a.tsr", 0)
    evil.command("kept")
    expect_end(evil)


def test_what_lies_in_the_place_of_room_and_cancel_json_is_no_cancellation(workspace: Path, outside: Path) -> None:
    kinds: list[str | bytes] = ["link", "fifo", "directory", "huge", "hard link"]
    kinds += [b"{]", b'{"x":' + b"[" * 200_000, b'{"id": 999}', b'{"id": "1"}', b"[1]", b"\xff", b""]
    if not os.geteuid():
        kinds.append("device")
    with EvilHost(
        workspace,
        good,
        script=SERVERS / "tensors.py",
        environment={"FRAMEWORK": "numpy"},
        record={"carriers": ["files"]},
    ) as host:
        host.hello()
        for kind in kinds:
            host.send("stream", "2")
            for _ in range(2):
                assert host.receive()["more"], kind
                occupy(host, "cancel.json", kind, outside)
                occupy(host, "room", kind, outside)
            assert host.receive()["result"] == "ok", kind
        occupy(host, "cancel.json", b"", outside)
        number = host.send("stream", "2")
        host.write("cancel.json", json.dumps({"id": number}).encode())
        assert host.receive()["more"]
        host.write("room", b"")
        assert host.receive()["error"]["code"] == "E4002"  # type: ignore[index]


def occupy(host: Host, name: str, kind: str | bytes, outside: Path) -> None:
    """Puts something there by renaming it, which rings."""
    path, made = host.directory / name, host.directory / "made"
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    path.unlink(missing_ok=True)
    if isinstance(kind, bytes):
        made.write_bytes(kind)
    else:
        put(kind, made, outside)
    made.rename(path)


def expect_end(host: EvilHost) -> None:
    """With the compiled module it is an error in the log; without it the worker dies of the signal."""
    if host.hello()["fallback"]:
        assert host.exit_code() == -signal.SIGBUS
        assert "Bus error" in host.log()
    else:
        assert host.exit_code() == 1
        assert "was cut short while it was mapped" in host.log()

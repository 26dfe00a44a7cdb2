"""The host's side of channels, with the standard library alone: files, or a mailbox and its futex."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import shutil
import struct
import time
from pathlib import Path

from host import Host, start_time

MAILBOX_BYTES = 139520
TO_WORKER, TO_HOST = 64, 128
HOST_LEASES, WORKER_LEASES = 131328, 135424
BELL, SEQUENCE, LENGTH, RECEIVED, NAMES, CHANNELS, SENT_NS = 0, 4, 8, 12, 16, 20, 24
SLOT_TO_WORKER, SLOT_TO_HOST, SLOT_BYTES = 256, 65792, 65536
_FUTEX, _WAIT, _WAKE = 202, 0, 1

#: How the worker of a test is reached, and how that is asked for.
TIERS = {
    "library": {"carriers": ["mailbox", "files"]},
    "ctypes": {"carriers": ["mailbox", "files"]},
    "inotify": {"carriers": ["files"], "wake_up": "inotify"},
    "watchdog": {"carriers": ["files"], "wake_up": "watchdog"},
    "polling": {"carriers": ["files"], "wake_up": "polling"},
}


class Box:
    """A mailbox that this process is the host of."""

    def __init__(self, path: Path, epoch: int, first: Box | None = None) -> None:
        path.write_bytes(struct.pack("<IIQI", 0x424D5254, 2, epoch, 1).ljust(MAILBOX_BYTES, b"\0"))
        with open(path, "r+b") as file:
            self._memory = mmap.mmap(file.fileno(), MAILBOX_BYTES)
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._syscall = ctypes.CDLL(None, use_errno=True).syscall
        self._first = first
        self._sent = self._received = 0

    def word(self, offset: int) -> int:
        return int(struct.unpack_from("<I", self._memory, offset)[0])

    def _set(self, offset: int, value: int) -> None:
        struct.pack_into("<I", self._memory, offset, value)

    def ring(self) -> None:
        """This channel's own bell, which says where there is news, then that of the first, which wakes the worker."""
        for box in dict.fromkeys((self, self._first or self)):  # in this order, or it would look before there is any
            box._set(TO_WORKER + BELL, box.word(TO_WORKER + BELL) + 1)
            self._syscall(_FUTEX, ctypes.c_void_p(box._address + TO_WORKER), _WAKE, 1 << 30)

    def tell_channels_changed(self) -> None:
        self._set(TO_WORKER + CHANNELS, self.word(TO_WORKER + CHANNELS) + 1)
        self.ring()

    def send(self, message: bytes) -> None:
        assert len(message) <= SLOT_BYTES
        self._memory[SLOT_TO_WORKER : SLOT_TO_WORKER + len(message)] = message
        self._set(TO_WORKER + LENGTH, len(message))
        struct.pack_into("<Q", self._memory, TO_WORKER + SENT_NS, time.monotonic_ns())
        self._sent += 1
        self._set(TO_WORKER + SEQUENCE, self._sent)
        self.ring()

    def take(self) -> bytes | None:
        sequence = self.word(TO_HOST + SEQUENCE)
        if sequence == self._received:
            return None
        length = self.word(TO_HOST + LENGTH)
        message = self._memory[SLOT_TO_HOST : SLOT_TO_HOST + length]
        self._received = sequence
        self._set(TO_HOST + RECEIVED, sequence)
        self.ring()  # there is room for the next part of a stream
        return message

    def tell_names_changed(self) -> None:
        self._set(TO_WORKER + NAMES, self.word(TO_WORKER + NAMES) + 1)

    def list_buffer(self, slot: int, inode: int) -> None:
        """In the host's lease table."""
        struct.pack_into("<QII", self._memory, HOST_LEASES + 16 * slot, inode, 0, 0)

    def hold(self, inode: int) -> None:
        """Takes a lease of the worker's buffer."""
        slot = next(slot for slot in range(256) if self.buffer(slot) == inode)
        self._set(WORKER_LEASES + 16 * slot + 8, 1)

    def buffer(self, slot: int) -> int:
        """Of the worker, in this slot."""
        return int(struct.unpack_from("<Q", self._memory, WORKER_LEASES + 16 * slot)[0])

    def wait(self, seen: int) -> None:
        """Until somebody rings for the host, for a moment at most."""
        limit = (ctypes.c_long * 2)(0, 20_000_000)
        address = ctypes.c_void_p(self._address + TO_HOST)
        self._syscall(_FUTEX, address, _WAIT, ctypes.c_uint32(seen), limit, None, 0)


class Channel:
    """One of a worker's channels.

    Attributes:
        directory: of the channel.
        box: its mailbox; None where messages are files.
    """

    def __init__(self, host: Host, directory: Path, box: Box | None) -> None:
        self.host = host
        self.directory = directory
        self.box = box
        self._next = 0

    def write(self, name: str, data: bytes) -> None:
        temporary = self.directory / f".tmp-channel-{name}"
        temporary.write_bytes(data)
        temporary.rename(self.directory / name)

    def read(self, name: str) -> bytes | None:
        try:
            return (self.directory / name).read_bytes()
        except FileNotFoundError:
            return None

    def hello(self, timeout: float = 20) -> dict[str, object]:
        self.host.wait_until(lambda: self.read("status.txt"), timeout)
        return json.loads(self.read("hello.json") or b"")  # type: ignore[no-any-return]

    def send(self, command: str, parameters: str = "", **members: object) -> int:
        self._next += 1
        message = {"id": self._next, "command": command, "parameters": parameters, "timestamp": 1, **members}
        data = json.dumps(message, separators=(",", ":")).encode()
        if self.box is None:
            self.write("request.json", data)
        else:
            self.box.send(data)
        return self._next

    def take(self) -> dict[str, object] | None:
        """The response that lies there."""
        if self.box is not None:
            data = self.box.take()
        elif (data := self.read("response.json")) is not None:
            (self.directory / "response.json").unlink()
            self.write("room", b"")
        return None if data is None else json.loads(data)

    def receive(self, timeout: float = 20) -> dict[str, object]:
        deadline = time.monotonic() + timeout
        while True:
            seen = 0 if self.box is None else self.box.word(TO_HOST)
            response = self.take()
            if response is not None:
                return response
            if self.host.process.poll() is not None:
                raise AssertionError(f"the worker died, exit code {self.host.process.returncode}: {self.host.log()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"no response within {timeout} s; log:\n{self.host.log()}")
            if self.box is None:
                self.host.watch.wait(deadline + 1)
            else:
                self.box.wait(seen)

    def ask(self, command: str, parameters: str = "", **members: object) -> dict[str, object]:
        self.send(command, parameters, **members)
        return self.receive()

    def cancel(self, request: int) -> None:
        self.write("cancel.json", json.dumps({"id": request}).encode())
        if self.box is None:
            self.write("room", b"")
        else:
            self.box.ring()


class ChannelHost(Host):
    """A session whose host knows of further channels.

    Attributes:
        first: the session directory's.
    """

    def __init__(self, workspace: Path, script: Path, tier: str, **options: object) -> None:
        self.tier = tier
        environment = {"TR_LIBRARY": ""} if tier == "ctypes" else {}
        environment |= options.pop("environment", {})  # type: ignore[arg-type]
        super().__init__(
            workspace, script, record=TIERS[tier] | options.pop("record", {}), environment=environment, **options
        )  # type: ignore[arg-type]

    def prepare(self) -> None:
        """See Host."""
        (self.directory / "channels").mkdir(mode=0o700)
        box = Box(self.directory / "mailbox", 3) if "mailbox" in TIERS[self.tier]["carriers"] else None
        self.first = Channel(self, self.directory, box)

    def channel(self, name: str, *, pid: int | None = None, sent: str = "", **record: object) -> Channel:
        """A further channel; with `sent`, a request lies in it from the first."""
        hidden = self.directory / "channels" / f".{name}"
        hidden.mkdir(mode=0o700)
        (hidden / "session.lock").touch(0o600)
        box = None if self.first.box is None else Box(hidden / "mailbox", 3, self.first.box)
        session = {
            "protocol": 1,
            "session_id": self.id,
            "host_pid": pid or os.getpid(),
            "host_start_time": start_time(pid or os.getpid()),
            "epoch": 3,
            "carriers": TIERS[self.tier]["carriers"],
            "wake_up": "auto",
            **record,
        }
        (hidden / "session.json").write_text(json.dumps(session))
        channel = Channel(self, hidden, box)
        if sent:
            channel.send(sent)
        channel.directory = hidden.with_name(name)
        hidden.rename(channel.directory)
        self.watch.add(channel.directory)
        if self.first.box is not None:
            self.first.box.tell_channels_changed()
        return channel

    def remove(self, channel: Channel) -> None:
        """Closes a further channel."""
        gone = channel.directory.rename(channel.directory.with_name(f".{channel.directory.name}.closed"))
        if self.first.box is not None:
            self.first.box.tell_channels_changed()
        shutil.rmtree(gone)

    def threads(self) -> int:
        """Of the worker."""
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

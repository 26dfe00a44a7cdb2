"""The file `mailbox` of a session: two message slots, their bells and the lease tables (docs/protocol.md, "Mailbox").

Mapped by host and worker. Where the host's library can be loaded, all goes through it: its loads and stores have the
order that the protocol asks for. Else Python does it, with ctypes for the futex, on x86-64 alone, where plain loads and
stores are enough.
"""

from __future__ import annotations

import mmap
import os
import stat
import struct
import time

from ..errors import InputError, RestartError
from ..platform import library, steps
from ..platform.system import CAREFUL, IS_WINDOWS
from ..protocol.messages import encode_success
from .busy_wait import BusyWait, busy_wait_us

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Callable, Union

    Messages = Union["PureMailbox", "LibraryMailbox"]
    Leases = Union["LeaseTable", "LibraryLeases"]

_MAGIC = 0x424D5254
_VERSION = 2
_REVISION = 16  # offset of what tells that the host knows of further channels
SLOT_BYTES = 64 << 10
LEASES = 256
_LINES = 64
_SLOTS = 256
_LEASES = _SLOTS + 2 * SLOT_BYTES
_LEASE_BYTES = 16
FILE_BYTES = _LEASES + 2 * LEASES * _LEASE_BYTES


def request_waits(path: str) -> bool:
    """Whether a worker has yet to take the request in a channel, for whoever looks at its mailbox."""
    try:
        descriptor = os.open(path, os.O_RDONLY | CAREFUL)
        try:
            line = os.pread(descriptor, 16, _LINES)
        finally:
            os.close(descriptor)
    except OSError:
        return False
    if len(line) < 16:
        return False
    _, sequence, _, received = struct.unpack("=4I", line)
    return bool(sequence != received)


class MailboxError(Exception):
    """The mailbox cannot be used here; the message says why."""


class LeaseTable:
    """Which buffers of one side, which writes their inodes, have a lease count, and the counts, which the other writes.

    Without the library; `LibraryLeases` has the same methods.
    """

    self: object = None  # by which the library knows one of its own

    def __init__(self, memory: memoryview, offset: int) -> None:
        table = memory[offset : offset + LEASES * _LEASE_BYTES]
        self._words = table.cast("Q")
        self._halves = table.cast("I")

    def inode(self, slot: int) -> int:
        """Of the buffer in a slot; 0 for none."""
        return self._words[2 * slot]

    def set_inode(self, slot: int, inode: int) -> None:
        """Lists a buffer, or with 0 frees its slot."""
        self._words[2 * slot] = inode

    def count(self, slot: int) -> int:
        """How many leases there are."""
        return self._halves[4 * slot + 2]

    def is_lent(self, slot: int) -> int:
        """Whether the buffer is another session's, which nobody may write to."""
        return self._halves[4 * slot + 3]

    def set_count(self, slot: int, count: int) -> None:
        """Says how many leases there are."""
        self._halves[4 * slot + 2] = count

    def find(self, inode: int) -> int:
        """The slot of a buffer; -1 when it is not listed."""
        for slot in range(LEASES):
            if self._words[2 * slot] == inode:
                return slot
        return -1


class MailboxFile:
    """The mapped file.

    Args:
        directory: of the session.
        epoch: of this worker; a mailbox of another one is refused.

    Attributes:
        path: of the file.
        memory: all of it.

    Raises:
        MailboxError: there is none that can be used.
    """

    def __init__(self, directory: str, epoch: int) -> None:
        self.path = f"{directory}/mailbox"
        try:
            descriptor = os.open(self.path, os.O_RDWR | CAREFUL)
        except OSError as error:
            raise MailboxError(f"{self.path}: {error.strerror}") from None
        try:
            status = os.fstat(descriptor)
            size = status.st_size
            if not stat.S_ISREG(status.st_mode) or size != FILE_BYTES:
                raise MailboxError(f"{self.path}: expected {FILE_BYTES} bytes, found {size}")
            mapping = mmap.mmap(descriptor, FILE_BYTES)
        except (OSError, ValueError) as error:
            raise MailboxError(f"{self.path} cannot be mapped: {error}") from None
        finally:
            os.close(descriptor)
        found = struct.unpack_from("<IIQ", mapping)
        if found != (_MAGIC, _VERSION, epoch):
            raise MailboxError(
                f"{self.path}: expected magic, version and epoch {(_MAGIC, _VERSION, epoch)}, found {found}"
            )
        self.memory = memoryview(mapping)


class PureMailbox:
    """A mailbox without the library.

    Attributes:
        host_leases: of the host's buffers; their counts are this side's to write.
        own_leases: of this side's buffers.

    Raises:
        MailboxError: this machine or interpreter cannot do it.
    """

    _FUTEX = 202
    _WAIT = 0
    _WAKE = 1
    # 32-bit words of a line of the mailbox.
    _BELL, _SEQUENCE, _LENGTH, _RECEIVED, _NAMES = range(5)
    _SENT_NS = 3  # in words of 64 bits
    _STATUS = 9

    def __init__(self, file: MailboxFile, first: PureMailbox | None = None) -> None:
        if IS_WINDOWS or os.uname().machine != "x86_64" or os.uname().sysname != "Linux" or struct.calcsize("P") != 8:
            raise MailboxError("without the host's library a mailbox needs Linux on x86-64")
        try:
            import ctypes
        except ImportError as error:
            raise MailboxError(f"a futex cannot be called: {error}") from None
        self.host_leases = LeaseTable(file.memory, _LEASES)
        self.own_leases = LeaseTable(file.memory, _LEASES + LEASES * _LEASE_BYTES)
        self._memory = file.memory
        self._own = file.memory[_LINES : _LINES + 64].cast("I")
        self._peer = file.memory[_LINES + 64 : _LINES + 128].cast("I")
        self._inbox = file.memory[_SLOTS : _SLOTS + SLOT_BYTES]
        self._outbox = file.memory[_SLOTS + SLOT_BYTES : _SLOTS + 2 * SLOT_BYTES]
        address = ctypes.addressof(ctypes.c_char.from_buffer(file.memory))
        # Of the first channel, whichever this is: there the worker sleeps.
        self._bell: Any = first._bell if first else self._own
        self._own_bell: Any = first._own_bell if first else ctypes.c_void_p(address + _LINES)
        self.revision: int = struct.unpack_from("<I", file.memory, _REVISION)[0]
        self._sent_at = file.memory[_LINES : _LINES + 64].cast("Q")
        self._syscall: Any = ctypes.CDLL(None, use_errno=True).syscall
        # Made once, as making them takes longer than the system call.
        self._timespec = ctypes.c_long * 2
        self._limit = (0, self._timespec())
        futex, wait, wake, everybody = map(ctypes.c_long, (self._FUTEX, self._WAIT, self._WAKE, 2**31 - 1))
        self._wait_for = (futex, self._own_bell, wait)
        self._wake_self = (futex, self._own_bell, wake, everybody)
        self._wake_peer = (futex, ctypes.c_void_p(address + _LINES + 64), wake, everybody)
        self._sent = 0
        self._received = 0
        self._busy = BusyWait(self._bell)

    def next(self, timeout_ms: int) -> bytes | None:
        """The message that lies ready or comes within the time; None when none did, or something else rang.

        Of a plain request the library gives a tuple of its members instead.

        Raises:
            InputError: the peer wrote an impossible length.
        """
        seen = self._bell[self._BELL]
        message = self._take()
        if message is not None or timeout_ms <= 0:
            return message
        self.wait(seen, timeout_ms)
        return self._take()

    def ready_since(self) -> int:
        """When the message that lies ready was sent, in nanoseconds of CLOCK_MONOTONIC, at least 1; 0 for none."""
        return max(1, self._sent_at[self._SENT_NS]) if self._own[self._SEQUENCE] != self._received else 0

    def _take(self) -> bytes | None:
        own = self._own
        sequence = own[self._SEQUENCE]
        if sequence == self._received:
            return None
        self._received = sequence
        length = own[self._LENGTH]
        if length > SLOT_BYTES:
            raise InputError(f"the host announced a message of {length} bytes in a slot of {SLOT_BYTES}")
        message = bytes(self._inbox[:length])
        if steps.hook:
            steps.hook("message seen")
        own[self._RECEIVED] = sequence
        if steps.hook:
            steps.hook("message acknowledged")
        return message

    def send(self, message: bytes) -> bool:
        """Publishes a message and rings the host; False when it is too long for the slot."""
        length = len(message)
        if length > SLOT_BYTES:
            return False
        self._outbox[:length] = message
        peer = self._peer
        self._sent = (self._sent + 1) & 0xFFFFFFFF
        peer[self._LENGTH] = length
        if steps.hook:
            steps.hook("message written")
        peer[self._SEQUENCE] = self._sent
        if steps.hook:
            steps.hook("message announced")
        peer[self._BELL] = (peer[self._BELL] + 1) & 0xFFFFFFFF
        self._syscall(*self._wake_peer)
        if steps.hook:
            steps.hook("message rung")
        return True

    def answer(self, request_id: int, command: str, result: str, tensors: Sequence[str], buffers: str) -> bool:
        """Publishes the answer to a request that succeeded; False when that has to be done in another way."""
        return self.send(encode_success(request_id, command, result, tensors, buffers))

    def received_by_peer(self) -> bool:
        """The host has taken the message sent last."""
        return self._peer[self._RECEIVED] == self._sent

    def bell(self) -> int:
        """What `wait` compares with; to be read before looking for news."""
        return self._bell[self._BELL]  # type: ignore[no-any-return]

    def wait(self, seen: int, timeout_ms: int) -> None:
        """Blocks while nobody has rung since `bell` gave `seen`, at most so long."""
        busy, begin = self._busy, 0.0
        if busy.on:
            begin = time.monotonic()
            if busy.look(seen, begin, timeout_ms * 1e-3):
                return
        limit = self._limit
        if limit[0] != timeout_ms:
            limit = self._limit = (timeout_ms, self._timespec(timeout_ms // 1000, timeout_ms % 1000 * 1_000_000))
        self._syscall(*self._wait_for, seen, limit[1], None, 0)
        if busy.on:
            busy.slept(begin)

    def ring_self(self) -> None:
        """Ends the waits of this worker; any thread."""
        self._bell[self._BELL] = (self._bell[self._BELL] + 1) & 0xFFFFFFFF
        self._syscall(*self._wake_self)

    def ring_peer(self) -> None:
        """Ends the host's wait; for news that lies in a file."""
        peer = self._peer
        peer[self._BELL] = (peer[self._BELL] + 1) & 0xFFFFFFFF
        self._syscall(*self._wake_peer)

    def rings(self) -> int:
        """How often the host of this channel has rung, or that of any where this is the first one."""
        return self._own[self._BELL]

    def tell_names_changed(self) -> None:
        """Says that this side has changed the name of a tensor file; after the change."""
        self._peer[self._NAMES] = (self._peer[self._NAMES] + 1) & 0xFFFFFFFF

    def tell_status_changed(self) -> None:
        """Says that status.txt has changed; after the change, one thread at a time."""
        self._peer[self._STATUS] = (self._peer[self._STATUS] + 1) & 0xFFFFFFFF

    def names_state(self) -> int:
        """The same as before as long as neither side has changed a name."""
        return self._own[self._NAMES] << 32 | self._peer[self._NAMES]


class LibraryLeases:
    """A lease table by the library. Its functions are those of LeaseTable."""

    inode: Callable[[int], int]
    set_inode: Callable[[int, int], None]
    count: Callable[[int], int]
    is_lent: Callable[[int], int]
    set_count: Callable[[int, int], None]
    find: Callable[[int], int]
    self: object

    def __init__(self, functions: dict[str, Any]) -> None:
        self.__dict__.update(functions)


class LibraryMailbox:
    """A mailbox by the host's library. Its functions are those of PureMailbox."""

    next: Callable[[int], Any]
    ready_since: Callable[[], int]
    send: Callable[[bytes], bool]
    answer: Callable[[int, str, str, Sequence[str], str], bool]
    received_by_peer: Callable[[], bool]
    bell: Callable[[], int]
    wait: Callable[[int, int], None]
    ring_self: Callable[[], None]
    ring_peer: Callable[[], None]
    rings: Callable[[], int]
    tell_names_changed: Callable[[], None]
    tell_status_changed: Callable[[], None]
    names_state: Callable[[], int]
    self: object
    revision: int

    def __init__(self, path: str, epoch: int, first: LibraryMailbox | None = None) -> None:
        functions = library.load().mailbox(
            os.fsencode(path), epoch, busy_wait_us(), first.self if first else None, InputError, RestartError
        )
        self.host_leases = LibraryLeases(functions.pop("host_leases"))
        self.own_leases = LibraryLeases(functions.pop("own_leases"))
        self.__dict__.update(functions)


#: Of the words of the line to the worker: how often a channel was made or removed, in the first one's mailbox.
CHANNELS = 5


def open_mailbox(directory: str, epoch: int, first: Messages | None = None) -> tuple[Messages, str, memoryview[int]]:
    """The mailbox of a channel, a note when it is not the library that does the work, and its line to here.

    Args:
        directory: of the channel.
        epoch: of this worker.
        first: that of the worker's first channel, for a further one.

    Raises:
        MailboxError: there is none that can be used in this process.
    """
    file = MailboxFile(directory, epoch)
    words = file.memory[_LINES : _LINES + 64].cast("I")
    note = ""
    if not isinstance(first, PureMailbox):
        try:
            return LibraryMailbox(file.path, epoch, first), "", words
        except library.LibraryError as error:
            note = f"the mailbox goes through Python and ctypes: {error}"
    return PureMailbox(file, first), note, words  # type: ignore[arg-type]

"""One file of shared memory, and who sees it; see `shared_tensor_store`."""

from __future__ import annotations

import _thread
import mmap
import os

from ..data.tsr_header import decode_header
from ..platform import library

TYPE_CHECKING = False
if TYPE_CHECKING:
    import weakref
    from typing import Any, Callable

    from ..data.tsr_header import TsrHeader
    from ..platform.mapping import Mapping
    from .mailbox import Leases
else:
    import _weakref as weakref  # without the containers

_MADV_POPULATE_WRITE = 23  # of Linux 5.14; makes each page writable, so a copy of it where it is the file's

# Tensors may be dropped on any thread, also by the garbage collector in the middle of the same work.
_leases_lock = _thread.RLock()


class Buffer:
    """A mapped file of either side.

    Attributes:
        path: its name; of one of ours that waits to be used again, a hidden one.
        place: the name that it is to have, where names are behind; else the same.
        slot: in its owner's lease table.
        address: of the memory.
        hand_out: gives the memory, for a tensor. Until that is gone, and with it the last tensor over it, this counts
            as a lease of the host's buffer.
        held: how many of those there are in this process.
        give_up_leases: has none of them count as a lease any more; only with the library, as the next one.
        is_untouched: of a private mapping: nothing has been written to it.
    """

    __slots__ = ("_header", "_header_bytes", "address", "give_up_leases", "hand_out", "held", "inode", "is_untouched",
                 "memory", "path", "place", "size", "slot")  # fmt: skip

    address: int
    hand_out: Callable[[], Any]
    held: Callable[[], int]
    give_up_leases: Callable[[], None]
    is_untouched: Callable[[], bool]

    def __init__(self, path: str, mapping: Mapping, inode: int, slot: int, leases: Leases | None) -> None:
        self.path = self.place = path
        self.memory = mapping
        self.size = len(mapping)
        self.inode = inode
        self.slot = slot
        self._header: TsrHeader | None = None
        self._header_bytes = b""
        if library.module is None:
            pure = PureMemory(mapping, leases, slot)
            self.address, self.hand_out, self.held = pure.address, pure.hand_out, pure.held
        else:
            shared = library.module.shared_memory(mapping, None if leases is None else leases.self, slot)
            self.address, self.hand_out, self.held = shared["address"], shared["hand_out"], shared["held"]
            self.give_up_leases, self.is_untouched = shared["give_up_leases"], shared["is_untouched"]

    def header(self, path: str) -> TsrHeader:
        """What the file says of its contents; it may have been written again since the last look."""
        known = self._header_bytes
        if self._header is None or self.memory[: len(known)] != known:
            with memoryview(self.memory) as view:
                self._header = decode_header(view, self.size, path)
            self._header_bytes = self.memory[: self._header.header_bytes]
        return self._header

    def make_own(self) -> None:
        """Of a private mapping: has it share no page with the file any more, and gives up the leases."""
        try:
            self.memory.madvise(_MADV_POPULATE_WRITE)
        except OSError:  # an older kernel
            for start in range(0, self.size, mmap.PAGESIZE):
                self.memory[start] = self.memory[start]
        self.give_up_leases()

    def give_back_space(self) -> None:
        """Though the other side may still map it; nobody may read or write it any more."""
        try:
            self.memory.madvise(mmap.MADV_REMOVE)
        except (AttributeError, OSError):
            return  # its space comes free when the last mapping goes


class PureMemory:
    """Counts, without the library, the tensors over a buffer.

    Attributes:
        address: of the memory.
        inherited: this process is a fork of the one whose tensors the lease tables count. It has copies of them, and of
            the tables, but no leases.
    """

    inherited = False

    def __init__(self, mapping: Mapping, leases: Leases | None, slot: int) -> None:
        import ctypes

        self._mapping = mapping
        self._array = ctypes.c_char * len(mapping)
        self.address = ctypes.addressof(self._array.from_buffer(mapping))
        self._leases = leases
        self._slot = slot
        self._refs: dict[int, weakref.ref[Any]] = {}  # by their ids, as they hash like what they refer to

    def hand_out(self) -> Any:
        """See Buffer."""
        token = self._array.from_buffer(self._mapping)
        with _leases_lock:
            ref = weakref.ref(token, self._give_back)
            self._refs[id(ref)] = ref
            self._tell()
        return token

    def held(self) -> int:
        """See Buffer."""
        return len(self._refs)

    def _give_back(self, ref: weakref.ref[Any]) -> None:
        with _leases_lock:
            del self._refs[id(ref)]
            self._tell()

    def _tell(self) -> None:
        if self._leases is not None and not PureMemory.inherited:
            self._leases.set_count(self._slot, len(self._refs))


def _inherit() -> None:
    PureMemory.inherited = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_inherit)

"""One file of shared memory, and who sees it; see `shared_tensor_store`."""

from __future__ import annotations

import _thread
import ctypes
import mmap
import os

from ..data.tsr_header import decode_header
from ..platform import steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    import weakref
    from typing import Any

    from ..data.tsr_header import TsrHeader
    from ..platform.mapping import Mapping
    from .mailbox import Leases
else:
    import _weakref as weakref  # without the containers

# Tensors may be dropped on any thread, also by the garbage collector in the middle of the same work.
_leases_lock = _thread.RLock()


class Buffer:
    """A mapped file of either side.

    Attributes:
        path: its name; of one of ours that waits to be used again, a hidden one.
        place: the name that it is to have, where names are behind; else the same.
        slot: in its owner's lease table.
        refs: one for each tensor over it that is alive in this process.
        inherited: this process is a fork of the one whose tensors the lease tables count. It has copies of them, and of
            the tables, but no leases.
    """

    inherited = False

    __slots__ = ("__weakref__", "_array", "_counts", "_header", "_header_bytes", "address", "inode", "memory", "path",
                 "place", "refs", "size", "slot")  # fmt: skip

    def __init__(self, path: str, mapping: Mapping, inode: int, slot: int, counts: Leases | None) -> None:
        self.path = self.place = path
        self.memory = mapping
        self.size = len(mapping)
        self.inode = inode
        self.slot = slot
        self.refs: dict[int, weakref.ref[Any]] = {}  # by their ids, as they hash like what they refer to
        self._counts = counts
        self._array = ctypes.c_char * self.size
        self.address = ctypes.addressof(self._array.from_buffer(mapping))
        self._header: TsrHeader | None = None
        self._header_bytes = b""

    def header(self, path: str) -> TsrHeader:
        """What the file says of its contents; it may have been written again since the last look."""
        known = self._header_bytes
        if self._header is None or self.memory[: len(known)] != known:
            with memoryview(self.memory) as view:
                self._header = decode_header(view, self.size, path)
            self._header_bytes = self.memory[: self._header.header_bytes]
        return self._header

    def give_back_space(self) -> None:
        """Though the other side may still map it; nobody may read or write it any more."""
        try:
            self.memory.madvise(mmap.MADV_REMOVE)
        except (AttributeError, OSError):
            return  # its space comes free when the last mapping goes

    def hand_out(self) -> Any:
        """The memory, for a tensor. Until the last tensor over it is gone, this counts as a lease."""
        token = self._array.from_buffer(self.memory)
        with _leases_lock:
            ref = weakref.ref(token, self._give_back)
            self.refs[id(ref)] = ref
            self._tell()
        if steps.hook:
            steps.hook("lease taken")
        return token

    def _give_back(self, ref: weakref.ref[Any]) -> None:
        with _leases_lock:
            del self.refs[id(ref)]
            self._tell()

    def _tell(self) -> None:
        if self._counts is not None and not Buffer.inherited:
            self._counts.set_count(self.slot, len(self.refs))


def _inherit() -> None:
    Buffer.inherited = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_inherit)

"""Tensors that a worker which is a host as well hands on between its sessions, where they lie.

The compiled module, with which it is a host, knows in which files of other sessions tensors lie (docs/protocol.md,
"Tensors of other sessions").
"""

from __future__ import annotations

import os
import sys

from ..platform import library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from .buffer import Buffer
    from .mailbox import Leases
    from .names import Names
    from .places import Places

# Up to here a copy is quicker, as TensorFiles::kSmall of the library has it.
_SMALL = 1 << 20
_MOST_LISTED = 4


class Borrowed:
    """A file of another session, in the place of a buffer of ours; nobody here writes to it.

    Attributes:
        path, place, inode, slot, size, address: as those of a Buffer.
        loan: what keeps its owner from writing to it.
        is_told: the answer that tells of it is out.
    """

    address = 0  # a tensor over it is none over a buffer

    def __init__(self, path: str, size: int, slot: int, loan: Any) -> None:
        self.path = self.place = path
        self.size = size
        self.slot = slot
        self.loan = loan
        self.inode: int = loan.inode
        self.is_told = False

    def held(self) -> int:
        """As one that is always in use."""
        return 1


class Lending:
    """Both directions, for one channel.

    Args:
        directory: of the channel.
        epoch: of this worker.
        own: the lease table of this side.
        names: of the files.
        places: of the buffers under tags.
        buffers: of this side, by their inodes.
    """

    def __init__(
        self,
        directory: str,
        epoch: int,
        own: Leases,
        names: Names,
        places: Places,
        buffers: dict[int, Buffer],
    ) -> None:
        self._directory = directory
        self._epoch = epoch
        self._own = own
        self._names = names
        self._places = places
        self._buffers = buffers
        self._borrowed: list[Borrowed] = []
        self._listed: dict[int, int] = {}  # slots of those that went back, by their inodes
        self._leases: Any = None

    def tell_of(self, buffer: Buffer, *, own: bool = False) -> None:
        """A tensor lies in a buffer of the host's, or of this side's, and may be sent to another session."""
        core = sys.modules.get("tech_renaissance._core")
        if core is None or buffer.size <= _SMALL or buffer.memory.when_gone is not None:
            return
        if library.module is None:
            return  # without it leases are set here, and not added to
        if self._leases is None:
            self._leases = core.Leases(os.fsencode(f"{self._directory}/mailbox"), self._epoch)
        core.add_buffer(
            self._leases,
            own,
            buffer.address,
            os.fsencode(self._directory),
            os.fsencode(buffer.path),
            buffer.inode,
            buffer.size,
            buffer.slot,
        )
        buffer.memory.when_gone = _forgetting(core.forget_buffer, buffer.address)

    def borrow(self, header: bytes, address: int, size: int, path: str) -> bool:
        """Puts a tensor that lies in a file of another session under a tag; False when it does not, or cannot be.

        Args:
            header: of the tensor.
            address: of its elements.
            size: of header and elements.
            path: of the tag.
        """
        core = sys.modules.get("tech_renaissance._core")
        if core is None or size <= _SMALL:
            return False
        loan = core.borrow(address, size - len(header), header)
        if loan is None or loan.inode in self._buffers:
            return False
        slot = self._listed.get(loan.inode, -1)
        if slot < 0:
            slot = self._own.find(0)
        if slot < 0:
            return False
        self._places.follow()
        name = self._places.hidden_path()
        if not loan.link(os.fsencode(name)):
            return False
        self._names.changed()
        borrowed: Any = Borrowed(name, size, slot, loan)
        if self._listed.pop(loan.inode, None) is None:
            self._own.set_count(slot, 0)
            self._own.set_inode(slot, loan.inode)
        self._buffers[loan.inode] = borrowed
        self._borrowed.append(borrowed)
        self._places.put_under(borrowed, path)
        return True

    def settle(self, copy: Callable[[memoryview, str], None]) -> None:
        """An answer is about to go out: what the server holds still of what it sends becomes a copy.

        Args:
            copy: puts the contents of a file under a path.
        """
        for borrowed in self._borrowed:
            if borrowed.is_told:
                continue
            borrowed.is_told = True
            if borrowed.loan.is_held() and borrowed.place in self._places.by_path:
                copy(borrowed.loan.memory(), borrowed.place)

    def give_back(self) -> None:
        """What the host has had, and holds no more."""
        if not self._borrowed:
            return
        self._places.follow()
        left = []
        for borrowed in self._borrowed:
            tagged: Any = self._places.by_path.get(borrowed.place)
            if self._own.count(borrowed.slot) or (tagged is borrowed and not borrowed.is_told):
                left.append(borrowed)
                continue
            if tagged is borrowed:
                del self._places.by_path[borrowed.place]
            if borrowed.path and self._names.names(borrowed.path, borrowed.inode):
                self._names.unlink(borrowed.path)
            # It stays listed for a while, so that the host keeps it mapped: it is likely to be lent again.
            self._listed[borrowed.inode] = borrowed.slot
            if len(self._listed) > _MOST_LISTED:
                self.unlist(next(iter(self._listed)))
            del self._buffers[borrowed.inode]
            borrowed.loan.end()
        self._borrowed = left

    def unlist(self, inode: int | None = None) -> None:
        """Has the host let go of one that went back, or of all of them."""
        for each in list(self._listed) if inode is None else [inode]:
            slot = self._listed.pop(each, None)
            if slot is not None:
                self._own.set_inode(slot, 0)


def _forgetting(forget: Callable[[int], None], address: int) -> Callable[[], None]:
    def forget_it() -> None:
        forget(address)

    return forget_it

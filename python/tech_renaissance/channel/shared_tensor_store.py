"""Tensors of a session in shared memory: the files `<tag>.tsr`, mapped by both sides (docs/protocol.md, "Tensors").

A buffer is a file that stays mapped. Its owner writes it again in place when nobody can see what it holds: no lease of
the other side, no tensor over it here, no second name. Otherwise another buffer gets the name, and this one waits to be
used again.
"""

from __future__ import annotations

import errno
import mmap
import os
import time

from ..data.quick_tensors import describe_tensor, read_tensor, write_tensor
from ..data.tensors import empty_header, export_tensor, header_of_torch, import_tensor, is_on_gpu
from ..data.tsr_header import MAX_HEADER, encode_header
from ..errors import NotFoundError
from ..platform import steps
from ..platform.files import close_file, open_file
from ..platform.mapping import Mapping
from ..platform.place import is_full, is_place_error, place_error
from ..platform.system import CAREFUL, CLOEXEC, NOFOLLOW
from ..protocol.messages import places_in
from .buffer import Buffer, PureMemory
from .lending import Lending
from .names import Names
from .places import Places
from .tensor_store import TensorStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..platform.files import AtomicWriter
    from .mailbox import Messages

_OPEN = os.O_RDWR | CAREFUL
_READ = os.O_RDONLY | CAREFUL
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | CLOEXEC | NOFOLLOW
_SPARE = 1 << 20
# Up to here a copy is quicker than a lease, and than giving a file another name.
_SMALL = (64 << 10) + MAX_HEADER
_MOST_UNTOUCHED = 8
# Up to here it is quicker than giving a file of the host's a second name at once, where that may not wait.
_MIDDLE = 200 << 10


class SharedTensorStore(TensorStore):
    """Hands tensors out of shared memory and puts them there.

    A tensor handed out is the file's memory. The host does not write to it as long as it is held; what is written to it
    here is what the tag holds from then on.

    Args:
        directory: of the channel.
        writer: of the files in it.
        mailbox: of the channel.
        epoch: of this worker.
        names_may_wait: the host reads where tensors lie whose names are behind.
    """

    def __init__(
        self, directory: str, writer: AtomicWriter, mailbox: Messages, epoch: int, *, names_may_wait: bool
    ) -> None:
        super().__init__(directory, writer)
        PureMemory.inherited = False
        self._host = mailbox.host_leases
        self._own = mailbox.own_leases
        self._names = Names(mailbox)
        self._host_buffers: dict[int, Buffer] = {}
        self._own_buffers: dict[int, Buffer] = {}
        self._places = Places(directory, self._names, self._own_buffers, may_wait=names_may_wait)
        self.loans: list[Buffer] = []
        self._untouched: dict[int, Mapping] = {}  # of loans that went back, by inodes
        self._lending = Lending(directory, epoch, self._own, self._names, self._places, self._own_buffers)
        self._sent_back: dict[str, Buffer] = {}  # the host's buffers that the answer to come refers to

    def has(self, tag: str) -> bool:
        """See TensorStore."""
        try:
            self._names.identify(self.path(tag))
        except OSError:
            return False
        return True

    # -------------------------------------------------------------------------------------------------- receiving

    def load(self, tag: str, framework: str, buffers: str = "") -> Any:
        """See TensorStore."""
        path = name = self.path(tag)
        told = places_in(buffers).get(tag) if buffers else None
        if told is not None:
            inode, name = told[0], f"{self.directory}/{told[1]}"
        else:
            if path in self._places.by_path or path in self._places.sent_back:
                self._places.follow()
            try:
                inode = self._names.identify(path)[0]
            except FileNotFoundError:
                raise self.missing(tag) from None
        buffer = self._host_buffers.get(inode) or self._own_buffers.get(inode) or self._map_host_buffer(name, inode)
        if buffer is None and told is not None:
            buffer = self._map_host_buffer(path, inode)  # which it may have got meanwhile
        if buffer is None:
            # The host may write its buffers again: of one that cannot be mapped only a copy will do.
            if told is not None:
                found = self._copy_of(inode, (name, path), tag, framework)
                # Where it is nowhere, somebody has put another tensor under the tag.
                return self.load(tag, framework) if found is None else found
            return self._load(path, tag, framework, map_large=self._host.find(inode) < 0)
        if not buffer.address:  # a result that is another session's
            return self._load(path, tag, framework, map_large=False)
        if inode in self._host_buffers:
            buffer.path, buffer.place = name, path  # by which it can be found, should it be sent back by reference
            self._lending.tell_of(buffer)
        if buffer.size <= _SMALL or inode in self._own_buffers:
            # A copy costs less than a lease; and what is done to a result read again must not touch the host's.
            return _tensor_in(buffer, path, framework, None)
        # The lease is taken before the look at the header, so that nothing changes between the two.
        memory = buffer.hand_out()
        if steps.hook:
            steps.hook("lease taken")
        return _tensor_in(buffer, path, framework, memory)

    def _copy_of(self, inode: int, paths: Sequence[str], tag: str, framework: str) -> Any:
        """The tensor in a buffer that has one of these names, and may get the other; None when it has neither."""
        for path in (*paths, *paths):
            try:
                found = self._load(path, tag, framework, map_large=False)
                if os.lstat(path).st_ino == inode:  # as it was before, since no other has got its name back
                    return found
            except (NotFoundError, FileNotFoundError):
                continue
        return None

    def _map_host_buffer(self, path: str, inode: int) -> Buffer | None:
        self.sweep()
        slot = self._host.find(inode)
        if slot < 0:
            return None
        lent = self._host.is_lent(slot)
        mapping = self._untouched.pop(inode, None) if lent else None
        if mapping is None:
            mapping = self._map(path, inode, private=bool(lent))
        if mapping is None:
            return None
        buffer = Buffer(path, mapping, inode, slot, self._host)
        if lent:
            self.stored_at = time.monotonic()
            self.loans.append(buffer)
        else:
            self._host_buffers[inode] = buffer
        return buffer

    def _map(self, path: str, inode: int, *, private: bool) -> Mapping | None:
        """The file of this inode, if that is what lies there; None where it cannot be mapped.

        Args:
            path: where it lies.
            inode: of the file.
            private: what is written to it reaches nobody.
        """
        size = 0
        try:
            descriptor = open_file(path, _READ if private else _OPEN)
            try:
                status = os.fstat(descriptor)
                size = status.st_size
                if status.st_ino != inode or size == 0:
                    return None
                access = mmap.ACCESS_COPY if private else mmap.ACCESS_DEFAULT
                return Mapping(descriptor, size, access=access).protect(path)
            finally:
                close_file(descriptor)
        except OSError as error:
            if error.errno == errno.EMFILE or not is_place_error(error):
                return None  # what else may be wrong with it, reading it will tell
            raise place_error(error, f"mapping {os.path.basename(path)}", self.directory, size) from None

    def own_loans(self) -> None:
        """See TensorStore."""
        for buffer in self.loans:
            if buffer.held():
                buffer.make_own()
            elif buffer.is_untouched():
                # It shows what the file holds, now and later; to map one takes as long as to copy it.
                self._untouched[buffer.inode] = buffer.memory
                if len(self._untouched) > _MOST_UNTOUCHED:
                    del self._untouched[next(iter(self._untouched))]
        self.loans.clear()

    def sweep(self) -> None:
        """Unmaps what the host has let go of."""
        for inode, buffer in list(self._host_buffers.items()):
            if not buffer.held() and self._host.inode(buffer.slot) != inode:
                del self._host_buffers[inode]

    # ---------------------------------------------------------------------------------------------------- sending

    def store(self, tensor: object, tag: str) -> None:
        """See TensorStore. A tensor whose memory is shared already is sent by reference."""
        path = self.path(tag)
        current = self._places.by_path.get(path)
        if (
            current is not None
            and current.size <= _SMALL
            and self._is_free(current)
            and write_tensor(tensor, current.address, current.size)
        ):
            self._places.take_back(path)
            return
        self.stored_at = time.monotonic()
        described, exported = describe_tensor(tensor), None
        if described is None:
            if is_on_gpu(tensor) and self._fetch(tensor, path, tag):
                return
            exported = export_tensor(tensor)
            described = encode_header(exported.dtype, exported.shape), exported.address, len(exported.data)
        header, address, data_bytes = described
        size = len(header) + data_bytes
        try:
            self._lending.give_back()
            if size > _SMALL and address and self._by_reference(header, address, size, path):
                return
            buffer = self._writable(size, path)
            if buffer is None:
                self._places.take_back(path)
                self._places.follow()
                self._places.set_aside(path)
                super().store(tensor, tag)
                self._names.changed()
                return
            if exported is not None or not write_tensor(tensor, buffer.address, size):
                buffer.memory[: len(header)] = header
                buffer.memory[len(header) :] = (exported or export_tensor(tensor)).data
            self._put_under(buffer, path)
        except OSError as error:
            raise place_error(error, f"writing tensor {tag!r}", self.directory, size) from None

    def _fetch(self, tensor: Any, path: str, tag: str) -> bool:
        """Copies a tensor from its device to where it is to lie; False where memory cannot be shared."""
        header, data_bytes = header_of_torch(tensor)
        size = len(header) + data_bytes
        try:
            buffer = self._writable(size, path)
            if buffer is None:
                return False
            buffer.memory[: len(header)] = header
            _tensor_in(buffer, path, "torch", buffer.hand_out()).copy_(tensor.detach())
            self._put_under(buffer, path)
        except OSError as error:
            raise place_error(error, f"writing tensor {tag!r}", self.directory, size) from None
        return True

    def empty(self, shape: Sequence[int], dtype: object, framework: str) -> Any:
        """See TensorStore."""
        known, header, data_bytes = empty_header(shape, dtype)
        size = len(header) + data_bytes
        try:
            buffer = self._writable(size, "")
        except OSError as error:
            raise place_error(error, "making an empty tensor", self.directory, size) from None
        if buffer is None:
            return super().empty(shape, dtype, framework)
        buffer.memory[: len(header)] = header
        if known.name == "bool":
            buffer.memory[len(header) :] = bytes(data_bytes)  # what was there before need not be bools
        self._lending.tell_of(buffer, own=True)
        return _tensor_in(buffer, buffer.path, framework, buffer.hand_out())

    def discard(self, tag: str) -> None:
        """See TensorStore."""
        path = self.path(tag)
        self._sent_back.pop(path, None)
        self._places.take_back(path)
        self._places.follow()
        self._places.set_aside(path)
        super().discard(tag)
        self._names.changed()

    def settle(self) -> None:
        """See TensorStore. What the server has kept of the inputs that it sends back is its own from now on."""
        self._lending.settle(self._copy_under)
        if not self._sent_back:
            return
        for path, buffer in self._sent_back.items():
            if not buffer.held() or not self._places.has(path, buffer):
                continue
            self._copy_under(buffer.memory, path)
        self._sent_back.clear()

    def _copy_under(self, contents: memoryview | Mapping, path: str) -> None:
        """Puts a copy of a tensor file where another is."""
        copy = self._writable(len(contents), "")
        if copy is None:
            self._places.take_back(path)
            self._places.follow()
            self._places.set_aside(path)
            self._writer.write(path, contents)
            self._names.changed()
        else:
            copy.memory[:] = contents
            self._places.put_under(copy, path)

    def _by_reference(self, header: bytes, address: int, size: int, path: str) -> bool:
        """Whether the tensor lies in a buffer, and has been sent with that.

        Args:
            header: of the tensor.
            address: of its elements.
            size: of header and elements.
            path: of the tag.
        """
        start = address - len(header)
        for buffer in self._own_buffers.values():
            if buffer.address == start and buffer.size == size and buffer.held():
                # Unless it has another shape now, which what is there under another name must not get.
                if buffer.memory[: len(header)] != header:
                    if not self._places.is_only_at(buffer, path):
                        return False
                    buffer.memory[: len(header)] = header
                return self._places.put_under(buffer, path)
        if self._lending.borrow(header, address, size, path):
            return True
        if size > _MIDDLE or self._places.may_wait:
            for buffer in self._host_buffers.values():
                if buffer.address == start and buffer.size == size and buffer.held():
                    if buffer.memory[: len(header)] != header:
                        return False
                    if not (self._places.send_back(buffer, path) or self._places.put_under(buffer, path)):
                        return False
                    self._sent_back[path] = buffer
                    return True
        return False

    def _put_under(self, buffer: Buffer, path: str) -> None:
        """One of ours that has been written."""
        if buffer.place == path:
            self._places.take_back(path)
        else:
            self._places.put_under(buffer, path)
            self._trim()

    def _writable(self, size: int, path: str) -> Buffer | None:
        """A buffer of this size that nobody sees: the one under the name, one set aside, or a new one."""
        current = self._places.by_path.get(path)
        if current is not None and current.size == size and self._is_free(current):
            return current
        for buffer in self._own_buffers.values():
            if buffer.size == size and buffer.place not in self._places.by_path and self._is_free(buffer):
                return buffer
        return self._make(size)

    def _is_free(self, buffer: Buffer) -> bool:
        if buffer.held() or self._own.count(buffer.slot):
            return False
        return self._places.has_one_name(buffer)

    def _make(self, size: int) -> Buffer | None:
        slot = self._own.find(0)
        if slot < 0:
            return None
        self._places.follow()
        path = self._places.hidden_path()
        try:
            mapping, inode = self._reserve(path, size)
        except OSError as error:
            if error.errno == errno.EMFILE:
                return None  # each mapping keeps a descriptor, a file that is written does not
            if not is_full(error) or not self._let_go(0):
                raise
            mapping, inode = self._reserve(path, size)
        self._names.changed()
        self._lending.unlist(inode)  # a file that has had this inode before
        buffer = self._own_buffers[inode] = Buffer(path, mapping, inode, slot, None)
        self._own.set_count(slot, 0)
        self._own.set_inode(slot, inode)
        return buffer

    def _reserve(self, path: str, size: int) -> tuple[Mapping, int]:
        """A new file of this size, mapped, and its inode."""
        descriptor = open_file(path, _CREATE)
        try:
            os.fchmod(descriptor, 0o600)  # whatever the umask
            # So that writing to the mapping cannot fail for want of room, which would be a fatal signal.
            os.posix_fallocate(descriptor, 0, size)
            return Mapping(descriptor, size).protect(path), os.fstat(descriptor).st_ino
        except BaseException:
            os.unlink(path)
            raise
        finally:
            close_file(descriptor)

    def _trim(self) -> None:
        """Lets go of buffers set aside beyond what is in use."""
        self._let_go(max(_SPARE, sum(buffer.size for buffer in self._places.by_path.values())))

    def _let_go(self, keep: int) -> int:
        """Of buffers set aside beyond so many bytes, the oldest first, and of those without a name; bytes set free."""
        aside = [buffer for buffer in self._own_buffers.values() if buffer.place not in self._places.by_path]
        excess = sum(buffer.size for buffer in aside) - keep
        freed = 0
        for buffer in aside:
            if not buffer.path:
                if not buffer.held() and not self._own.count(buffer.slot):
                    freed += buffer.size
                    self._release(buffer)
            elif excess > 0 and self._is_free(buffer):
                self._places.follow()
                excess -= buffer.size
                freed += buffer.size
                self._names.unlink(buffer.path)
                buffer.give_back_space()
                self._release(buffer)
        return freed

    def give_back(self) -> None:
        """See TensorStore. Raises OSError."""
        self._untouched.clear()
        self._lending.give_back()
        self._lending.unlist()
        self._places.withdraw_sent_back(_SPARE)
        self._places.follow()
        for path, buffer in list(self._places.by_path.items()):
            if buffer.size > _SPARE and self._is_free(buffer):
                self._places.withdraw(path)
        self._let_go(0)
        self.sweep()
        # What is held still is looked at again later.
        left = any(buffer.size > _SPARE for buffer in self._own_buffers.values())
        self.stored_at = time.monotonic() if left else 0.0

    def places(self, tags: Sequence[str]) -> str:
        """See TensorStore."""
        if not self._places.behind:
            return ""
        return " ".join([f"{tag} {place}" for tag in tags if (place := self._places.tell(self.path(tag)))])

    def name_all(self) -> None:
        """See TensorStore. Raises OSError."""
        self._places.follow()

    def names_are_due(self) -> bool:
        """See TensorStore."""
        return self._places.are_due()

    def _release(self, buffer: Buffer) -> None:
        self._own.set_inode(buffer.slot, 0)
        del self._own_buffers[buffer.inode]


def _tensor_in(buffer: Buffer, path: str, framework: str, memory: Any) -> Any:
    """The tensor in a buffer: over `memory`, which its hand_out gave, or a copy where that is None."""
    found = read_tensor(buffer.address, buffer.size, framework, memory)
    if found is not None:
        return found
    contents = buffer.header(path)
    return import_tensor(contents, bytearray(buffer.memory) if memory is None else memory, framework, path)

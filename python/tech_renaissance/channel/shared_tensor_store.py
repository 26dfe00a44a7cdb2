"""Tensors of a session in shared memory: the files `<tag>.tsr`, mapped by both sides (docs/protocol.md, "Tensors").

A buffer is a file that stays mapped. Its owner writes it again in place when nobody can see what it holds: no lease of
the other side, no tensor over it here, no second name. Otherwise another buffer gets the name, and this one waits to be
used again.
"""

from __future__ import annotations

import errno
import os
import time

from ..data.tensors import (
    describe_tensor,
    empty_header,
    export_tensor,
    import_tensor,
    read_tensor,
    write_tensor,
)
from ..data.tsr_header import MAX_HEADER, encode_header
from ..errors import NotFoundError
from ..platform.files import close_file, open_file
from ..platform.mapping import Mapping
from ..platform.place import is_full, is_place_error, place_error
from ..platform.system import CAREFUL, CLOEXEC, NOFOLLOW
from ..protocol.messages import places_in
from .buffer import Buffer
from .names import Names
from .tensor_store import TensorStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..data.tensors import Exported
    from ..platform.files import AtomicWriter
    from .mailbox import Messages

_OPEN = os.O_RDWR | CAREFUL
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | CLOEXEC | NOFOLLOW
_SPARE = 1 << 20
# Up to here a copy is quicker than a lease, and than giving a file another name.
_SMALL = (64 << 10) + MAX_HEADER
# Up to here it is quicker than giving a file of the host's a second name, as the host needs another one for the next.
_MIDDLE = 200 << 10
# For so many seconds names may be behind, where somebody has the time to see to them.
_LONG_ENOUGH = 0.05


class SharedTensorStore(TensorStore):
    """Hands tensors out of shared memory and puts them there.

    A tensor handed out is the file's memory. The host does not write to it as long as it is held; what is written to it
    here is what the tag holds from then on.

    Names may be behind: two buffers have changed places, the answer tells where a tag's tensor lies, and the files
    follow when there is time.

    Args:
        directory: of the channel.
        writer: of the files in it.
        mailbox: of the channel.
        names_may_wait: the host reads where tensors lie whose names are behind.
    """

    def __init__(self, directory: str, writer: AtomicWriter, mailbox: Messages, *, names_may_wait: bool) -> None:
        super().__init__(directory, writer)
        Buffer.inherited = False
        self._host = mailbox.host_leases
        self._own = mailbox.own_leases
        self._names = Names(mailbox)
        self._hidden = f"{directory}/.worker-{os.getpid()}-"
        self._count = 0
        self._host_buffers: dict[int, Buffer] = {}
        self._own_buffers: dict[int, Buffer] = {}
        self._by_path: dict[str, Buffer] = {}  # those that have a tag, by their places
        self._names_may_wait = names_may_wait
        self._behind = False
        self._followed = 0.0
        self._sent_back: dict[str, Buffer] = {}  # the host's buffers that the answer to come refers to

    # -------------------------------------------------------------------------------------------------- receiving

    def load(self, tag: str, framework: str, buffers: str = "") -> Any:
        """See TensorStore."""
        path = name = self.path(tag)
        told = places_in(buffers).get(tag) if buffers else None
        if told is not None:
            inode, name = told[0], f"{self.directory}/{told[1]}"
        else:
            if path in self._by_path:
                self.name_all()
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
        if inode in self._host_buffers:
            buffer.path, buffer.place = name, path  # by which it can be found, should it be sent back by reference
        if buffer.size <= _SMALL or inode in self._own_buffers:
            # A copy costs less than a lease; and what is done to a result read again must not touch the host's.
            return _tensor_in(buffer, path, framework, None)
        # The lease is taken before the look at the header, so that nothing changes between the two.
        return _tensor_in(buffer, path, framework, buffer.hand_out())

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
        size = 0
        try:
            descriptor = open_file(path, _OPEN)
            try:
                status = os.fstat(descriptor)
                size = status.st_size
                if status.st_ino != inode or size == 0:
                    return None
                mapping = Mapping(descriptor, size).protect(path)
            finally:
                close_file(descriptor)
        except OSError as error:
            if error.errno == errno.EMFILE or not is_place_error(error):
                return None  # what else may be wrong with it, reading it will tell
            raise place_error(error, f"mapping {os.path.basename(path)}", self.directory, size) from None
        buffer = self._host_buffers[inode] = Buffer(path, mapping, inode, slot, self._host)
        return buffer

    def sweep(self) -> None:
        """Unmaps what the host has let go of."""
        for inode, buffer in list(self._host_buffers.items()):
            if not buffer.refs and self._host.inode(buffer.slot) != inode:
                del self._host_buffers[inode]

    # ---------------------------------------------------------------------------------------------------- sending

    def store(self, tensor: object, tag: str) -> None:
        """See TensorStore. A tensor whose memory is shared already is sent by reference."""
        path = self.path(tag)
        current = self._by_path.get(path)
        if (
            current is not None
            and current.size <= _SMALL
            and self._is_free(current)
            and write_tensor(tensor, current.address, current.size)
        ):
            return
        exported = None
        described = describe_tensor(tensor)
        if described is None:
            exported = export_tensor(tensor)
            described = encode_header(exported.dtype, exported.shape), 0, len(exported.data)
        header, address, data_bytes = described
        size = len(header) + data_bytes
        try:
            if size > _SMALL and self._by_reference(header, address or exported, size, path):
                return
            buffer = self._writable(size, path)
            if buffer is None:
                self.name_all()
                self._set_aside(path)
                super().store(tensor, tag)
                self._names.changed()
                return
            if exported is not None or not write_tensor(tensor, buffer.address, size):
                buffer.memory[: len(header)] = header
                buffer.memory[len(header) :] = (exported or export_tensor(tensor)).data
            if buffer.place != path:
                self._put_under(buffer, path)
                self._trim()
        except OSError as error:
            raise place_error(error, f"writing tensor {tag!r}", self.directory, size) from None

    def empty(self, shape: Sequence[int], dtype: object, framework: str) -> Any:
        """See TensorStore."""
        header, data_bytes = empty_header(shape, dtype)
        size = len(header) + data_bytes
        try:
            buffer = self._writable(size, "")
        except OSError as error:
            raise place_error(error, "making an empty tensor", self.directory, size) from None
        if buffer is None:
            return super().empty(shape, dtype, framework)
        buffer.memory[: len(header)] = header
        if buffer.header(buffer.path).dtype.name == "bool":
            buffer.memory[len(header) :] = bytes(data_bytes)  # what was there before need not be bools
        return _tensor_in(buffer, buffer.path, framework, buffer.hand_out())

    def discard(self, tag: str) -> None:
        """See TensorStore."""
        path = self.path(tag)
        self._sent_back.pop(path, None)
        self.name_all()
        self._set_aside(path)
        super().discard(tag)
        self._names.changed()

    def settle(self) -> None:
        """See TensorStore. What the server has kept of the inputs that it sends back is its own from now on."""
        if not self._sent_back:
            return
        for path, buffer in self._sent_back.items():
            if not buffer.refs or not self._names.names(path, buffer.inode):
                continue
            copy = self._writable(buffer.size, "")
            if copy is None:
                self.name_all()
                self._writer.write(path, buffer.memory)
                self._names.changed()
            else:
                copy.memory[:] = buffer.memory
                self._put_under(copy, path)
        self._sent_back.clear()

    def _by_reference(self, header: bytes, elements: Exported | int | None, size: int, path: str) -> bool:
        """Whether the tensor lies in a buffer, and has been sent with that.

        Args:
            header: of the tensor.
            elements: their address, or what knows it.
            size: of header and elements.
            path: of the tag.
        """
        buffer = self._buffer_of(elements, len(header), size)
        if buffer is None:
            return False
        of_host = buffer.inode in self._host_buffers
        if buffer.memory[: len(header)] != header:
            # It has another shape now, which what is there under another name must not get.
            if of_host or not self._only_at(buffer, path):
                return False
            buffer.memory[: len(header)] = header
        if not self._put_under(buffer, path):
            return False
        if of_host:
            self._sent_back[path] = buffer
        return True

    def _buffer_of(self, elements: Exported | int | None, header_bytes: int, size: int) -> Buffer | None:
        """The one that is this tensor's memory."""
        buffers = list(self._own_buffers.values())
        if size > _MIDDLE:
            buffers += self._host_buffers.values()
        for buffer in buffers:
            if buffer.refs and buffer.size == size:  # a tensor lies over it
                address = elements if type(elements) is int else getattr(elements, "address", 0)
                if buffer.address + header_bytes == address:
                    return buffer
        return None

    def _only_at(self, buffer: Buffer, path: str) -> bool:
        """Whether a buffer of ours has no other name that anybody can see."""
        return self._has_one_name(buffer) and (buffer.place == path or buffer.place not in self._by_path)

    def _writable(self, size: int, path: str) -> Buffer | None:
        """A buffer of this size that nobody sees: the one under the name, one set aside, or a new one."""
        current = self._by_path.get(path)
        if current is not None and current.size == size and self._is_free(current):
            return current
        for buffer in self._own_buffers.values():
            if buffer.size == size and buffer.place not in self._by_path and self._is_free(buffer):
                return buffer
        return self._make(size)

    def _is_free(self, buffer: Buffer) -> bool:
        if buffer.refs or self._own.count(buffer.slot):
            return False
        return self._has_one_name(buffer)

    def _has_one_name(self, buffer: Buffer) -> bool:
        """The one that is known here, and no other."""
        try:
            return self._names.identify(buffer.path) == (buffer.inode, 1)
        except OSError:
            return False

    def _make(self, size: int) -> Buffer | None:
        slot = self._own.find(0)
        if slot < 0:
            return None
        self.name_all()
        path = self._hidden_path()
        try:
            mapping, inode = self._reserve(path, size)
        except OSError as error:
            if error.errno == errno.EMFILE:
                return None  # each mapping keeps a descriptor, a file that is written does not
            if not is_full(error) or not self._let_go(0):
                raise
            mapping, inode = self._reserve(path, size)
        self._names.changed()
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

    def _put_under(self, buffer: Buffer, path: str, *, may_wait: bool = True) -> bool:
        """False when the buffer has lost its name, and with it the way to another; nothing was done then."""
        if may_wait and self._change_places(buffer, path):
            return True
        self.name_all()
        if self._names.names(path, buffer.inode):
            return True  # of two names of one file, a rename would keep both
        if buffer.inode in self._own_buffers and buffer.path and buffer.path not in self._by_path:
            if not self._take_place(buffer, path):
                self._set_aside(path)
                self._names.rename(buffer.path, path)
            buffer.path = buffer.place = path
            self._by_path[path] = buffer
            return True
        # It keeps the name it has, and is not written in place as long as it has two.
        name = self._add_name(buffer)
        if not name:
            return False
        self._set_aside(path)
        self._names.rename(name, path)
        return True

    def _take_place(self, buffer: Buffer, path: str) -> bool:
        """What is under the name gets the hidden one of the buffer; False when that is nothing, or cannot be done."""
        old = self._by_path.get(path)
        if old is None or not self._names.exchange(buffer.path, path):
            return False
        old.path = old.place = buffer.path
        if not self._names.names(old.path, old.inode):  # what the host had put there meanwhile
            self._names.unlink(old.path)
            old.path = old.place = ""
        return True

    def _change_places(self, buffer: Buffer, path: str) -> bool:
        """The same, with the names left behind; False where that may not be, and nothing was done."""
        old = self._by_path.get(path)
        if old is None or not (self._names_may_wait and self._names.exchanges):
            return False
        file = old if old.path == path else self._file_at(path)  # or another's that has made way for it
        if file is None or not self._names.names(path, file.inode):
            return False  # the host has put a tensor there
        if old is buffer:
            return True
        if not buffer.place or buffer.place in self._by_path or buffer.inode not in self._own_buffers:
            return False
        if not self._names.names(buffer.path, buffer.inode):
            return False
        old.place, buffer.place = buffer.place, path
        self._by_path[path] = buffer
        self._behind = True
        return True

    def _file_at(self, path: str) -> Buffer | None:
        return next((buffer for buffer in self._own_buffers.values() if buffer.path == path), None)

    def places(self, tags: Sequence[str]) -> str:
        """See TensorStore."""
        if not self._behind:
            return ""
        late = ((tag, self._by_path.get(self.path(tag))) for tag in tags)
        return " ".join(
            f"{tag} {buffer.inode} {buffer.path[len(self.directory) + 1 :]}"
            for tag, buffer in late
            if buffer is not None and buffer.path != buffer.place
        )

    def name_all(self) -> None:
        """See TensorStore. Raises OSError.

        Where the host has put a tensor under a tag meanwhile, that is the newer one.
        """
        if not self._behind:
            return
        names = self._names
        for path, buffer in self._by_path.items():
            other = self._file_at(path)
            if buffer is other or other is None:
                continue
            if names.names(path, other.inode) and names.names(buffer.path, buffer.inode):
                if not names.exchange(buffer.path, path):
                    raise OSError(errno.EIO, "two names cannot be exchanged", path)
                other.path, buffer.path = buffer.path, path
        tags = set(self._by_path)
        self._by_path.clear()
        for buffer in self._own_buffers.values():
            buffer.place = buffer.path
            if buffer.path in tags:
                self._by_path[buffer.path] = buffer
        self._behind = False
        self._followed = time.monotonic()

    def names_are_due(self) -> bool:
        """See TensorStore."""
        return self._behind and time.monotonic() - self._followed > _LONG_ENOUGH

    def _add_name(self, buffer: Buffer) -> str:
        """A hidden name; "" when the one it had is not its own any more, as the host may send under any tag."""
        known = next((path for path in (buffer.path, buffer.place) if self._names.names(path, buffer.inode)), "")
        if not known:
            return ""
        name = self._hidden_path()
        self._names.link(known, name)
        if self._names.names(name, buffer.inode):
            return name
        self._names.unlink(name)
        return ""

    def _set_aside(self, path: str) -> None:
        """Keeps the buffer that is about to lose its name."""
        old = self._by_path.pop(path, None)
        if old is not None:
            old.path = old.place = self._add_name(old)

    def _trim(self) -> None:
        """Lets go of buffers set aside beyond what is in use."""
        self._let_go(max(_SPARE, sum(buffer.size for buffer in self._by_path.values())))

    def _let_go(self, keep: int) -> int:
        """Of buffers set aside beyond so many bytes, the oldest first, and of those without a name; bytes set free."""
        aside = [buffer for buffer in self._own_buffers.values() if buffer.place not in self._by_path]
        excess = sum(buffer.size for buffer in aside) - keep
        freed = 0
        for buffer in aside:
            if not buffer.path:
                if not buffer.refs and not self._own.count(buffer.slot):
                    freed += buffer.size
                    self._release(buffer)
            elif excess > 0 and self._is_free(buffer):
                self.name_all()
                excess -= buffer.size
                freed += buffer.size
                self._names.unlink(buffer.path)
                buffer.give_back_space()
                self._release(buffer)
        return freed

    def _release(self, buffer: Buffer) -> None:
        self._own.set_inode(buffer.slot, 0)
        del self._own_buffers[buffer.inode]

    def _hidden_path(self) -> str:
        self._count += 1
        return f"{self._hidden}{self._count}"


def _tensor_in(buffer: Buffer, path: str, framework: str, memory: Any) -> Any:
    """The tensor in a buffer: over `memory`, which its hand_out gave, or a copy where that is None."""
    found = read_tensor(buffer.address, buffer.size, framework, memory)
    if found is not None:
        return found
    contents = buffer.header(path)
    return import_tensor(contents, bytearray(buffer.memory) if memory is None else memory, framework, path)

"""Which of the worker's buffers is under which tag, and what their files are called; see `shared_tensor_store`."""

from __future__ import annotations

import errno
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .buffer import Buffer
    from .names import Names

# For so many seconds names may be behind, where somebody has the time to see to them.
_LONG_ENOUGH = 0.05


class Places:
    """Gives buffers the names of tags.

    Names may be behind: two buffers have changed places, or a tag has one of the host's, the answer tells where a tag's
    tensor lies, and the files follow when there is time.

    Args:
        directory: of the channel.
        names: of its files.
        buffers: of this side, by their inodes; whoever makes and drops them keeps it right.
        may_wait: the host reads where tensors lie whose names are behind.

    Attributes:
        by_path: the buffers that have a tag, by the path that is to be theirs.
        sent_back: the host's that have one, while their files lack its name, and the inode of the file that has it.
        behind: some files lack the names of their tags.
        may_wait: as given.
    """

    def __init__(self, directory: str, names: Names, buffers: dict[int, Buffer], *, may_wait: bool) -> None:
        self.by_path: dict[str, Buffer] = {}
        self.sent_back: dict[str, tuple[Buffer, int]] = {}
        self.behind = False
        self.may_wait = may_wait
        self._seconds: dict[str, Buffer] = {}  # those that got a tag as a second name
        self._names = names
        self._buffers = buffers
        self._directory = directory
        self._hidden = f"{directory}/.worker-{os.getpid()}-"
        self._count = 0
        self._followed = 0.0

    def hidden_path(self) -> str:
        """One that no file has, and that belongs to no tag."""
        self._count += 1
        return f"{self._hidden}{self._count}"

    def has_one_name(self, buffer: Buffer) -> bool:
        """The one that is known here, and no other."""
        try:
            return self._names.identify(buffer.path) == (buffer.inode, 1)
        except OSError:
            return False

    def is_only_at(self, buffer: Buffer, path: str) -> bool:
        """Whether a buffer of ours has no other name that anybody can see."""
        return self.has_one_name(buffer) and (buffer.place == path or buffer.place not in self.by_path)

    def put_under(self, buffer: Buffer, path: str) -> bool:
        """Has a buffer, of either side, be what is there.

        Returns:
            False when it has lost its name, and with it the way to another; nothing was done then.
        """
        self.take_back(path)
        if self._change_places(buffer, path):
            return True
        self.follow()
        if self._names.names(path, buffer.inode):
            return True  # of two names of one file, a rename would keep both
        if buffer.inode in self._buffers and buffer.path and buffer.path not in self.by_path:
            if not self._take_place(buffer, path):
                self.set_aside(path)
                self._names.rename(buffer.path, path)
            buffer.path = buffer.place = path
            self.by_path[path] = buffer
            return True
        return self._give_second_name(buffer, path)

    def _give_second_name(self, buffer: Buffer, path: str) -> bool:
        """It keeps the name it has, and is not written in place as long as it has two; False when it has lost it."""
        name = self._add_name(buffer)
        if not name:
            return False
        self.set_aside(path)
        self._names.rename(name, path)
        self._seconds[path] = buffer
        return True

    def send_back(self, buffer: Buffer, path: str) -> bool:
        """Has a buffer of the host's be what is there, with the names left behind.

        Returns:
            False where that may not be, or nothing is there yet; nothing was done then.
        """
        if not self.may_wait:
            return False
        try:
            there = self._names.identify(path)[0]
        except OSError:
            return False
        self.sent_back[path] = buffer, there
        self.behind = True
        return True

    def has(self, path: str, buffer: Buffer) -> bool:
        """Whether a buffer of the host's is what is there, whatever the files say yet."""
        lent = self.sent_back.get(path)
        return lent[0] is buffer if lent else self._names.names(path, buffer.inode)

    def take_back(self, path: str) -> None:
        """Another tensor is what is there from now on, and not the host's that may have been lent to it."""
        if self.sent_back:
            self.sent_back.pop(path, None)
        if self._seconds:
            self._seconds.pop(path, None)

    def _take_place(self, buffer: Buffer, path: str) -> bool:
        """What is under the name gets the hidden one of the buffer; False when that is nothing, or cannot be done."""
        old = self.by_path.get(path)
        if old is None or not self._names.exchange(buffer.path, path):
            return False
        old.path = old.place = buffer.path
        if not self._names.names(old.path, old.inode):  # what the host had put there meanwhile
            self._names.unlink(old.path)
            old.path = old.place = ""
        return True

    def _change_places(self, buffer: Buffer, path: str) -> bool:
        """The same, with the names left behind; False where that may not be, and nothing was done."""
        old = self.by_path.get(path)
        if old is None or not (self.may_wait and self._names.exchanges):
            return False
        file = old if old.path == path else self._file_at(path)  # or another's that has made way for it
        if file is None or not self._names.names(path, file.inode):
            return False  # the host has put a tensor there
        if old is buffer:
            return True
        if not buffer.place or buffer.place in self.by_path or buffer.inode not in self._buffers:
            return False
        if not self._names.names(buffer.path, buffer.inode):
            return False
        old.place, buffer.place = buffer.place, path
        self.by_path[path] = buffer
        self.behind = True
        return True

    def _file_at(self, path: str) -> Buffer | None:
        return next((buffer for buffer in self._buffers.values() if buffer.path == path), None)

    def tell(self, path: str) -> str:
        """Inode and name of the buffer under a path whose file lacks that; "" where it does not."""
        buffer = self.sent_back[path][0] if path in self.sent_back else self.by_path.get(path)
        if buffer is None or buffer.path == path:
            return ""
        return f"{buffer.inode} {buffer.path[len(self._directory) + 1 :]}"

    def follow(self) -> None:
        """Gives the files the names that are behind. Raises OSError.

        Where the host has put a tensor under a tag meanwhile, that is the newer one.
        """
        if not self.behind:
            return
        names = self._names
        lent = [(path, buffer) for path, (buffer, there) in self.sent_back.items() if names.names(path, there)]
        self.sent_back.clear()
        for path, buffer in self.by_path.items():
            other = self._file_at(path)
            if buffer is other or other is None:
                continue
            if names.names(path, other.inode) and names.names(buffer.path, buffer.inode):
                if not names.exchange(buffer.path, path):
                    raise OSError(errno.EIO, "two names cannot be exchanged", path)
                other.path, buffer.path = buffer.path, path
        tags = set(self.by_path)
        self.by_path.clear()
        for buffer in self._buffers.values():
            buffer.place = buffer.path
            if buffer.path in tags:
                self.by_path[buffer.path] = buffer
        for path, buffer in lent:
            if names.names(path, buffer.inode):
                continue
            if not self._give_second_name(buffer, path):
                # The host keeps what is in it for as long as this tag has it, and may have moved it.
                buffer.path = buffer.place = self._name_of(buffer)
                self._give_second_name(buffer, path)
        self.behind = False
        self._followed = time.monotonic()

    def withdraw_sent_back(self, least: int) -> None:
        """Takes the tags from larger buffers of the host's than this, which has had what they were given for."""
        for path in [path for path, (buffer, _) in self.sent_back.items() if buffer.size > least]:
            del self.sent_back[path]
        for path, buffer in list(self._seconds.items()):
            if buffer.size > least and buffer.inode not in self._buffers:
                del self._seconds[path]
                if self._names.names(path, buffer.inode):
                    self._names.unlink(path)

    def withdraw(self, path: str) -> None:
        """Takes the tag from a buffer of ours whose only name is that."""
        buffer = self.by_path.pop(path)
        hidden = self.hidden_path()
        self._names.rename(path, hidden)
        buffer.path = buffer.place = hidden

    def _name_of(self, buffer: Buffer) -> str:
        """One that its file has now; "" when it has none, as another tensor was put under the only one it had."""
        with os.scandir(self._directory) as entries:
            return next((entry.path for entry in entries if entry.inode() == buffer.inode), "")

    def are_due(self) -> bool:
        """They have been behind for a while: who looks at the files is to see what is."""
        return self.behind and time.monotonic() - self._followed > _LONG_ENOUGH

    def _add_name(self, buffer: Buffer) -> str:
        """A hidden name; "" when the one it had is not its own any more, as the host may send under any tag."""
        known = next((path for path in (buffer.path, buffer.place) if self._names.names(path, buffer.inode)), "")
        if not known:
            return ""
        name = self.hidden_path()
        self._names.link(known, name)
        if self._names.names(name, buffer.inode):
            return name
        self._names.unlink(name)
        return ""

    def set_aside(self, path: str) -> None:
        """Keeps the buffer that is about to lose its name."""
        old = self.by_path.pop(path, None)
        if old is not None:
            old.path = old.place = self._add_name(old)

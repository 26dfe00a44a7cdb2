"""The names of a session's tensor files, which both sides change (docs/protocol.md, "Tensors in shared memory")."""

from __future__ import annotations

import os

from ..platform.library import exchange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .mailbox import Messages


class Names:
    """Asks the file system what a file is only when the other side has changed a name since.

    Each side counts its changes in the mailbox, after the change and before the message that follows from it.

    Attributes:
        changed: tells of a name that was changed in another way.
        exchanges: two names have been exchanged here, so it can be done again.
    """

    def __init__(self, mailbox: Messages) -> None:
        self.exchanges = False
        self._changes = mailbox.names_state
        self.changed = mailbox.tell_names_changed
        self._state = 0  # as which `_known` was found
        self._known: dict[str, tuple[int, int]] = {}

    def identify(self, path: str) -> tuple[int, int]:
        """Inode and number of names of the file under this one.

        Raises:
            OSError: there is none.
        """
        # Read before the file system is asked: what changes meanwhile is asked for again.
        state = self._changes()
        if state != self._state:
            self._known.clear()
            self._state = state
        found = self._known.get(path)
        if found is None:
            status = os.lstat(path)
            found = self._known[path] = (status.st_ino, status.st_nlink)
        return found

    def names(self, path: str, inode: int) -> bool:
        """Whether the file of this name is this one."""
        try:
            return self.identify(path)[0] == inode
        except OSError:
            return False

    def rename(self, path: str, name: str) -> None:
        """Gives a file another name, which may have been another file's."""
        os.rename(path, name)
        if self._count():
            self._forget_file_at(name)
            moved = self._known.pop(path, None)
            if moved is not None:
                self._known[name] = moved

    def link(self, path: str, name: str) -> None:
        """Gives a file a second name."""
        os.link(path, name, follow_symlinks=False)
        if self._count():
            self._forget_file_at(path)

    def unlink(self, path: str) -> None:
        """Takes a name away."""
        os.unlink(path)
        if self._count():
            self._forget_file_at(path)

    def exchange(self, one: str, other: str) -> bool:
        """Each of two files gets the other's name; False where that cannot be done, and nothing was done."""
        if not exchange(one, other):
            return False
        self.exchanges = True
        if self._count():
            # What was under the other name may not be what was known of it: the host counts a change after it.
            self._forget_file_at(other)
            moved = self._known.pop(one, None)
            if moved is not None:
                self._known[other] = moved
        return True

    def _count(self) -> bool:
        """A change of this side; whether what is known is still true but for that."""
        current = self._changes() == self._state
        self.changed()
        if current:  # the lower half is what this side has counted
            self._state = self._state >> 32 << 32 | (self._state + 1) & 0xFFFFFFFF
        return current

    def _forget_file_at(self, path: str) -> None:
        """Under whatever names it is known, as it has one more or less."""
        found = self._known.get(path)
        if found is None:
            self._known.clear()  # it may be known under another
        else:
            self._known = {name: known for name, known in self._known.items() if known[0] != found[0]}

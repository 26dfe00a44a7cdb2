"""The names of a session's tensor files, which both sides change (docs/protocol.md, "Tensors in shared memory")."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .mailbox import Messages


class Names:
    """Asks the file system what a file is only when either side has changed a name since.

    Each side counts its changes in the mailbox, after the change and before the message that follows from it.

    Attributes:
        changed: tells of a name that was changed in another way.
    """

    def __init__(self, mailbox: Messages) -> None:
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
        self.changed()

    def link(self, path: str, name: str) -> None:
        """Gives a file a second name."""
        os.link(path, name, follow_symlinks=False)
        self.changed()

    def unlink(self, path: str) -> None:
        """Takes a name away."""
        os.unlink(path)
        self.changed()

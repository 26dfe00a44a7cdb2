"""Where what is served can be found: a folder of this user's in the workspace, for each name."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time

from ..channel.session_dir import workspaces
from ..errors import InputError, NotFoundError, RetryError
from ..platform.system import CLOEXEC, NOFOLLOW, is_mine
from ..protocol.messages import check_tag

_FOLDER = "served"
_LOCK = "lock"
_SOCKET = "control"
# Who looks whether a lock is held has it for a moment; there is nothing that would tell of the end of that.
_LOOKS = 10
_PAUSE_SECONDS = 0.02


class Place:
    """The folder of one name. Who serves it holds a lock on it, which goes with the process.

    Attributes:
        name: of what is served.
        directory: the folder, 0700.
    """

    def __init__(self, workspace: str, name: str) -> None:
        self.name = check_tag(name, "the name")
        self.directory = os.path.join(workspace, _FOLDER, name)
        self._lock = -1

    def claim(self) -> None:
        """Makes it this process's.

        Raises:
            RetryError: another one serves under this name.
            InputError: the folder is another user's.
        """
        for folder in (os.path.dirname(self.directory), self.directory):
            os.makedirs(folder, mode=0o700, exist_ok=True)
            found = os.lstat(folder)
            if not stat.S_ISDIR(found.st_mode) or not is_mine(found) or found.st_mode & 0o022:
                raise InputError(f"{folder} is no folder of this user alone: remove it")
        self._lock = os.open(f"{self.directory}/{_LOCK}", os.O_RDWR | os.O_CREAT | CLOEXEC | NOFOLLOW, 0o600)
        if not _locked(self._lock):
            os.close(self._lock)
            raise RetryError(
                f"{self.name!r} is being served by another process: end it with "
                f"'python -m tech_renaissance stop {self.name}', or take another --name"
            )
        with contextlib.suppress(FileNotFoundError):  # of a process that has died
            os.unlink(self.socket())

    def remove(self) -> None:
        """Nothing is served here any more."""
        shutil.rmtree(self.directory, ignore_errors=True)
        os.close(self._lock)

    def socket(self) -> str:
        """Path of the socket, on which orders come."""
        return f"{self.directory}/{_SOCKET}"

    def is_served(self) -> bool:
        """Some process holds the lock."""
        import fcntl

        try:
            lock = os.open(f"{self.directory}/{_LOCK}", os.O_RDWR | CLOEXEC | NOFOLLOW)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(lock)
        return False


def _locked(lock: int) -> bool:
    """Locks it; whoever looks just then whether it is locked is waited for."""
    import fcntl

    for _ in range(_LOOKS):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(_PAUSE_SECONDS)
        else:
            return True
    return False


def served(workspace: str = "") -> list[Place]:
    """All that this user serves."""
    found: dict[str, Place] = {}
    for place in [workspace] if workspace else workspaces():
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(os.path.join(place, _FOLDER))):
                with contextlib.suppress(InputError):
                    one = Place(place, name)
                    if one.is_served():
                        found.setdefault(name, one)
    return list(found.values())


def place_of(name: str, workspace: str = "") -> Place:
    """Where this name is served. Raises NotFoundError, with those that are."""
    names = {place.name: place for place in served(workspace)}
    if name not in names:
        there = f"served are {', '.join(names)}" if names else "nothing is served"
        raise NotFoundError(
            f"nobody serves {name!r} in {' or '.join([workspace] if workspace else workspaces())}: {there}"
        )
    return names[name]

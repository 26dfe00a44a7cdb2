"""Where what is served can be found: a folder of this user's in the workspace, for each name."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from typing import TYPE_CHECKING

from ..channel.session_dir import workspaces
from ..errors import InputError, NotFoundError, RetryError
from ..platform.system import CLOEXEC, NOFOLLOW, is_mine
from ..protocol.messages import check_tag

if TYPE_CHECKING:
    pass

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
        while not self._take():
            os.close(self._lock)
            os.makedirs(self.directory, mode=0o700, exist_ok=True)  # who looked just then has cleared it away
        os.ftruncate(self._lock, 0)
        os.write(self._lock, str(os.getpid()).encode())
        with contextlib.suppress(FileNotFoundError):  # of a process that has died
            os.unlink(self.socket())

    def _take(self) -> bool:
        """Locks it; False when it is not there any more. Raises RetryError when another process serves it."""
        self._lock = os.open(f"{self.directory}/{_LOCK}", os.O_RDWR | os.O_CREAT | CLOEXEC | NOFOLLOW, 0o600)
        if not _locked(self._lock):
            os.close(self._lock)
            raise RetryError(
                f"{self.name!r} is being served by another process: end it with "
                f"'python -m tech_renaissance stop {self.name}', or take another --name"
            )
        return _is_at(self._lock, f"{self.directory}/{_LOCK}")

    def remove(self) -> None:
        """Nothing is served here any more."""
        shutil.rmtree(self.directory, ignore_errors=True)
        os.close(self._lock)

    def socket(self) -> str:
        """Path of the socket, on which orders come."""
        return f"{self.directory}/{_SOCKET}"

    def is_served(self) -> bool:
        """Some process holds the lock."""
        return self.look()[0]

    def look(self, *, clear: bool = False) -> tuple[bool, int]:
        """Whether some process serves it, and which one has done so last; 0 where there is none.

        Args:
            clear: what that has left is removed, where it has died.
        """
        import fcntl

        try:
            lock = os.open(f"{self.directory}/{_LOCK}", os.O_RDWR | CLOEXEC | NOFOLLOW)
        except OSError:
            return False, 0
        try:
            text = os.read(lock, 20)
            last = int(text) if text.isdigit() else 0
            fcntl.flock(lock, (fcntl.LOCK_EX if clear else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            if clear and _is_at(lock, f"{self.directory}/{_LOCK}"):
                shutil.rmtree(self.directory, ignore_errors=True)
        except OSError:
            return True, last
        else:
            return False, last
        finally:
            os.close(lock)


def _is_at(lock: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), os.stat(path))
    except OSError:
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
    for place in _places(workspace):
        if place.is_served():
            found.setdefault(place.name, place)
    return list(found.values())


def dead(workspace: str = "", *, clear: bool = False) -> dict[str, int]:
    """The process of each that died and left its folder, by name; with `clear`, what it left is removed."""
    found = {place.name: place.look(clear=clear) for place in _places(workspace)}
    return {name: last for name, (served, last) in found.items() if last and not served}


def _places(workspace: str) -> list[Place]:
    found: list[Place] = []
    for place in [workspace] if workspace else workspaces():
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(os.path.join(place, _FOLDER))):
                with contextlib.suppress(InputError):
                    found.append(Place(place, name))
    return found


def place_of(name: str, workspace: str = "") -> Place:
    """Where this name is served. Raises NotFoundError, with those that are."""
    names = {place.name: place for place in served(workspace)}
    if name in names:
        return names[name]
    there = f"served are {', '.join(names)}" if names else "nothing is served"
    died = dead(workspace).get(name)
    if died is not None:
        raise NotFoundError(f"nobody serves {name!r} any more: process {died}, which did, has died; {there}")
    raise NotFoundError(f"nobody serves {name!r} in {' or '.join([workspace] if workspace else workspaces())}: {there}")

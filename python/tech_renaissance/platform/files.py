"""Files that appear whole or not at all, and small files of a peer that is not trusted."""

from __future__ import annotations

import errno
import itertools
import os
import stat
import time

from ..errors import InputError
from . import steps
from .system import CAREFUL, CLOEXEC, IS_WINDOWS, NOFOLLOW

TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable
    from typing import Any, Union

    Buffer = Union[bytes, bytearray, memoryview, mmap.mmap]

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | CLOEXEC | NOFOLLOW
_READ = os.O_RDONLY | CAREFUL
# Of temporary files. Only a hint: a name may be taken all the same, by a file that a dead process of this pid has left.
_numbers = itertools.count(1)
_PATIENCE = 1.0
_LONGEST_PAUSE = 0.016


def patient(call: Callable[..., Any]) -> Callable[..., Any]:
    """The same call, but it tries again for a second while the system denies it.

    Windows does as long as a peer or a virus scanner has the file open, and tells nobody when they close it.
    """

    def try_again(*arguments: Any) -> Any:
        end = time.monotonic() + _PATIENCE
        pause = 0.001
        while True:
            try:
                return call(*arguments)
            except PermissionError:
                if time.monotonic() > end:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    return try_again


_open_patiently: Callable[..., int] = patient(os.open)


def _open_no_link(path: str, flags: int, mode: int = 0o600) -> int:
    """As os.open with O_NOFOLLOW, where there is none. Nobody else may put a link there after the look."""
    if not flags & os.O_EXCL:
        found = os.lstat(path).st_mode
        if stat.S_ISLNK(found):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if stat.S_ISDIR(found):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    return _open_patiently(path, flags, mode)


def _remove_name(path: str) -> None:
    """As os.unlink, but the name goes at once, which else may stay until those who look at the file have closed it."""
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    aside = f"{os.path.dirname(path)}/.tmp-{os.getpid()}-{next(_numbers)}"
    os.replace(path, aside)
    os.unlink(aside)


_rename_patiently: Callable[[str, str], None] = patient(os.replace)
_remove_patiently: Callable[[str], None] = patient(_remove_name)

# Those of `os` are looked up in each call, as the fault tests take their place after a template has imported this.


def _open(path: str, flags: int, mode: int) -> int:
    return _open_no_link(path, flags, mode) if IS_WINDOWS else os.open(path, flags, mode)


def rename(source: str, path: str) -> None:
    """Gives a file a name, which may have been another file's."""
    if IS_WINDOWS:
        _rename_patiently(source, path)
    else:
        os.rename(source, path)


def unlink(path: str) -> None:
    """Takes a name away."""
    if IS_WINDOWS:
        _remove_patiently(path)
    else:
        os.unlink(path)


# Kept for the worker's own files, for when user code has used up all other descriptors: one for each thread of the
# worker that uses any.
_spares: list[int] = []
_wanted_spares = 0


def keep_spares() -> None:
    """Sets descriptors aside for `open_file`, as far as there are any to be had."""
    global _wanted_spares
    _wanted_spares = 2
    try:
        while len(_spares) < _wanted_spares:
            _spares.append(os.open(os.devnull, os.O_RDONLY | CLOEXEC))
    except OSError:
        return


def open_file(path: str, flags: int, mode: int = 0o600) -> int:
    """As os.open, also when no descriptor is left but the spare ones. For `close_file`."""
    try:
        return _open(path, flags, mode)
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
        try:
            spare = _spares.pop()
        except IndexError:  # Not asked first, as another thread may take the last one.
            raise error from None
    os.close(spare)
    return _open(path, flags, mode)


def close_file(descriptor: int) -> None:
    """Closes what `open_file` gave."""
    os.close(descriptor)
    if len(_spares) < _wanted_spares:
        keep_spares()


class Place:
    """The directory of a session, as it is now: what has its path later may be another session's.

    Attributes:
        directory: its path.
        inode: its number, which is no other's while this is held.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        # Held open, as the next directory may be given the number of one that is gone. Its number is kept as well, for
        # when user code closes what it does not know.
        self._held = -1
        if not IS_WINDOWS:  # which opens no directories so
            self._held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | CLOEXEC)
        self._identity = _identity(os.stat(directory) if self._held < 0 else os.fstat(self._held))
        self.inode = self._identity[1]

    def is_there(self) -> bool:
        """Nobody has removed it."""
        try:
            return _identity(os.stat(self.directory)) == self._identity
        except OSError:
            return False

    def close(self) -> None:
        """It is not asked about any more."""
        if self._held >= 0:
            os.close(self._held)

    def require(self) -> None:
        """Raises FileNotFoundError when it is not there."""
        if not self.is_there():
            raise FileNotFoundError(errno.ENOENT, "the session directory has been removed", self.directory)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


class AtomicWriter:
    """Writes files by way of a temporary one in the same directory; any thread may.

    Args:
        directory: of the files.
        place: the session's that it is; then they are this user's alone, whatever the umask, and nothing is written
            where another session has its path. Without one the umask decides, as it does for `open`.
    """

    def __init__(self, directory: str, place: Place | None) -> None:
        self._place = place
        self._prefix = f"{directory}/.tmp-{os.getpid()}-"
        self._mode = 0o600 if place else 0o666
        # A mask may even take away the owner's rights. Not known before the first file has been looked at, as to ask
        # for the mask is to change it for a moment, and for all threads.
        self._force_mode: bool | None = None if place else False

    def write(self, path: str, head: Buffer, body: Buffer = b"") -> None:
        """Puts head and body into the file of this path, in place of what was there."""
        temporary = self.prepare(path, head, body)
        try:
            rename(temporary, path)
        except BaseException:
            remove(temporary)
            raise

    def prepare(self, path: str, head: Buffer, body: Buffer = b"") -> str:
        """The path of a temporary file with this content, for the caller to rename to `path`."""
        descriptor, temporary = self._create()
        try:
            if steps.hook:
                steps.hook("created", path)
            try:
                if self._force_mode is None:
                    self._force_mode = not IS_WINDOWS and os.fstat(descriptor).st_mode & 0o600 != 0o600
                if self._force_mode:
                    os.fchmod(descriptor, 0o600)
                _write_all(descriptor, head, body)
            finally:
                close_file(descriptor)
        except BaseException:
            remove(temporary)
            raise
        return temporary

    def _create(self) -> tuple[int, str]:
        """A new file under a name that nobody uses."""
        if self._place is not None:
            self._place.require()
        while True:
            path = f"{self._prefix}{next(_numbers)}"
            try:
                return open_file(path, _CREATE, self._mode), path
            except FileExistsError:
                continue


def _write_all(descriptor: int, head: Buffer, body: Buffer) -> None:
    done = os.writev(descriptor, [head, body]) if body and not IS_WINDOWS else os.write(descriptor, head)
    total = len(head) + len(body)
    while done < total:  # The kernel takes at most 2 GiB at a time.
        part = memoryview(head)[done:] if done < len(head) else memoryview(body)[done - len(head) :]
        done += os.write(descriptor, part)


def read_small(path: str, limit: int) -> bytes | None:
    """The content of a regular file, None when there is none.

    Raises:
        InputError: it is a link, no regular file, or over the limit (E1005).
        OSError: it cannot be opened for want of resources.
    """
    try:
        descriptor = open_file(path, _READ)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            raise
        what = "a symbolic link" if error.errno == errno.ELOOP else (error.strerror or "an error")
        raise InputError(f"{path}: expected a readable regular file, found: {what}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path}: expected a regular file, found something else")
        if status.st_nlink > 1:
            raise InputError(f"{path}: refused, as it has other names (hard links), which may lie elsewhere")
        if status.st_size > limit:
            raise InputError(f"{path}: {status.st_size} bytes are over the limit of {limit}", "E1005")
        return _read_all(descriptor, status.st_size)
    finally:
        close_file(descriptor)


def _read_all(descriptor: int, size: int) -> bytes:
    data = os.read(descriptor, size)
    while len(data) < size:
        more = os.read(descriptor, size - len(data))
        if not more:
            break
        data += more
    return data


def remove(path: str) -> None:
    """Unlinks a file, if it is there and may be."""
    try:
        unlink(path)
    except OSError:
        return

"""The session directory: where it is, what the host says in it, and sweeping it after a host that died."""

from __future__ import annotations

import os
import stat
import sys

from ..errors import InputError, NotFoundError
from ..platform.files import read_small
from ..platform.system import CAREFUL, IS_WINDOWS, is_mine, user_id
from ..protocol.json_object import parse_object
from ..protocol.messages import check_tag, is_tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_PREFIX = "tr_session_"
_FOLDERS = ("python_session", "pytorch_session")  # of a workspace; the second is that of the first older hosts
_MAX_RECORD_BYTES = 1 << 20


class HostRecord:
    """What the host says of the session in session.json; all of it empty for a host that writes none."""

    __slots__ = ("carriers", "epoch", "features", "host_pid", "host_start_time", "known", "tags_of", "wake_up")

    def __init__(self, message: dict[str, object] | None) -> None:
        message = message or {}
        self.known = bool(message)
        self.host_pid = _integer(message.get("host_pid"))
        self.host_start_time = str(message.get("host_start_time") or "")
        self.epoch = _integer(message.get("epoch"))
        self.wake_up = str(message.get("wake_up") or "auto")
        tags_of = message.get("tags_of")
        self.tags_of = tags_of if isinstance(tags_of, str) else None
        carriers = message.get("carriers")
        self.carriers = [str(carrier) for carrier in carriers] if isinstance(carriers, list) else []
        features = message.get("features")
        self.features = [str(feature) for feature in features] if isinstance(features, list) else []

    def same_host(self, other: HostRecord) -> bool:
        """Both are of one process."""
        return (self.host_pid, self.host_start_time) == (other.host_pid, other.host_start_time)


def find_session(session_id: str | None, arguments: Sequence[str]) -> tuple[str, str]:
    """Path and id of the session that this process is the worker of.

    The host says where in $TR_SESSION_DIR. Older hosts give the id alone, as the script's argument; its directory is
    then looked for in the workspaces of docs/protocol.md, in their order.

    Raises:
        InputError: the id is no tag, or the directory is not this user's own.
        NotFoundError: there is no such directory.
    """
    directory = os.environ.get("TR_SESSION_DIR")
    if directory:
        directory = os.path.abspath(directory)
        _check_directory(directory)
        return directory, session_id or _id_of(directory)
    if session_id is None:
        session_id = arguments[1] if len(arguments) > 1 and is_tag(arguments[1]) else "default"
    check_tag(session_id, "a session id")
    candidates = [os.path.join(place, folder, _PREFIX + session_id) for place in workspaces() for folder in _FOLDERS]
    for candidate in candidates:
        # One that has a session.json is of a host that names the directory to its worker, which is not this process.
        if os.path.lexists(candidate) and not os.path.lexists(f"{candidate}/session.json"):
            _check_directory(candidate)
            return os.path.abspath(candidate), session_id
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    named = repr(os.path.basename(script)) if script else "the name of a file that holds this server"
    raise NotFoundError(
        f"this process is no worker: there is no directory of a session {session_id!r} that waits for one (looked for "
        f"{', '.join(candidates)}). A worker is started by its host: PythonSession({named}) in C++ or Python. To call "
        "a server without one, as in a test or a notebook: tech_renaissance.testing.ServerHarness"
    )


def _id_of(directory: str) -> str:
    name = os.path.basename(directory)
    return name[len(_PREFIX) :] if name.startswith(_PREFIX) else name


class _Arguments(list[str]):
    """`sys.argv` of a worker whose host has given it no arguments: the session id alone follows the script.

    Servers of the older bridge read it as `sys.argv[1]`. A slice is without it, as it is of slices that argparse and
    its like read what was said to the script.
    """

    def __getitem__(self, index: Any) -> Any:
        return [self[0]][index] if isinstance(index, slice) and len(self) == 2 else super().__getitem__(index)

    def __reduce__(self) -> Any:
        return list, (list(self),)  # for processes that may not find this class


def hide_session_id() -> None:
    """Makes `sys.argv` of a worker such that argparse finds what the host has given as arguments, and nothing else."""
    directory = os.environ.get("TR_SESSION_DIR")
    if directory is None or os.environ.get("TR_ARGUMENTS", "0") != "0":
        return
    if len(sys.argv) == 2 and sys.argv[1] == _id_of(directory):
        sys.argv = _Arguments(sys.argv)


def workspaces() -> list[str]:
    """Where sessions may live, in order."""
    named = os.environ.get("TR_WORKSPACE")
    if named:
        return [named]
    if not hasattr(os, "getuid"):
        return []  # a host there always names the directory
    folder = f"tech_renaissance-{os.getuid()}"
    temporary = next((os.environ[name] for name in ("TMPDIR", "TEMP", "TMP") if os.environ.get(name)), "/tmp")
    return [os.path.join("/dev/shm", folder), os.path.join(temporary, folder)]


def _check_directory(directory: str) -> None:
    try:
        status = os.lstat(directory)
    except FileNotFoundError:
        raise NotFoundError(f"the session directory {directory} does not exist") from None
    if not stat.S_ISDIR(status.st_mode):
        raise InputError(f"the session directory {directory} is no directory")
    if not is_mine(status):
        raise InputError(f"the session directory {directory} belongs to user {status.st_uid}, not to {user_id()}")


def read_host_record(directory: str) -> HostRecord:
    """What session.json says.

    Raises:
        InputError: it is there and malformed.
    """
    data = read_small(f"{directory}/session.json", _MAX_RECORD_BYTES)
    return HostRecord(None if data is None else parse_object(data, "session.json"))


def sweep(directory: str, host_pid: int, host_start_time: str) -> bool:
    """Removes the directory of a session whose host has died, unless it is or may be someone else's by now.

    Returns:
        Whether it was removed. What stays is swept by the next start in this workspace.
    """
    if IS_WINDOWS:
        return False
    import fcntl
    import shutil

    held = []
    try:
        for path in (os.path.join(os.path.dirname(directory), ".lock"), f"{directory}/session.lock"):
            descriptor = os.open(path, os.O_RDWR | CAREFUL)
            held.append(descriptor)
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        record = read_host_record(directory)
        # Without a record nobody's: a host that died before it wrote one.
        if record.known and (record.host_pid, record.host_start_time) != (host_pid, host_start_time):
            return False
        # First the name goes: half a directory might be taken for that of a host which takes no lock.
        hidden = os.path.join(os.path.dirname(directory), f".{os.path.basename(directory)}")
        os.rename(directory, hidden)
        shutil.rmtree(hidden)
        return True
    except (OSError, InputError):
        return False
    finally:
        for descriptor in held:
            os.close(descriptor)


def _integer(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0

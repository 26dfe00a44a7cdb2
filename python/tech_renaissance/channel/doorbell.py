"""How a worker learns that its host has written something: inotify, watchdog or polling.

A doorbell is a hint; the file is the truth. Whoever waits looks at the truth again after `timeout_ms()` at the latest.
"""

from __future__ import annotations

import errno
import os

from ..platform import waits
from ..platform.system import CLOEXEC, IS_WINDOWS, NONBLOCK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: How long a wait may rest on a doorbell alone.
RECHECK_MS = 1000
_PROBE_MS = 100
# watchdog passes events on through a queue of its own, and starts a thread first.
_WATCHDOG_PROBE_MS = 2000
# On Windows it tells of nothing before there has been nothing new for so long; by default a second.
_GATHERING_SECONDS = 0.02
_SHORTEST_MS = 32
_LONGEST_MS = 1024
_WAITS_PER_STEP = 8


class DoorbellError(Exception):
    """This kind of doorbell does not work here; the message says why."""


class Doorbell:
    """Rings when a file has appeared, under the name watched for, in one of the directories that it watches.

    Attributes:
        tier: its name in hello.json.
        descriptor: readable after it rang; -1 when there is nothing to wait on but time.
    """

    tier = ""
    descriptor = -1

    def timeout_ms(self) -> int:
        """The longest that the next wait may take."""
        return RECHECK_MS

    def clear(self) -> None:
        """Forgets that it rang; to be called before looking at the truth."""

    def expect(self) -> None:
        """Something has just happened, so that more is likely soon."""

    def watch(self, directory: str, *, comings: bool = False) -> None:
        """Watches another directory as well; with `comings` for what comes to it and goes, whatever its name.

        Raises:
            DoorbellError: the system refuses it.
        """

    def unwatch(self, directory: str) -> None:
        """Watches it no longer; it may be gone."""

    def close(self) -> None:
        """Releases what it holds."""


class PollingDoorbell(Doorbell):
    """Looks every 32 ms, and half as often after every 8 looks in vain, down to once in 1024 ms."""

    tier = "polling"

    def __init__(self) -> None:
        self._interval = _SHORTEST_MS
        self._waits = 0

    def timeout_ms(self) -> int:
        """The longest that the next wait may take."""
        self._waits += 1
        if self._waits > _WAITS_PER_STEP:
            self._waits = 1
            self._interval = min(self._interval * 2, _LONGEST_MS)
        return self._interval

    def expect(self) -> None:
        """Something has just happened, so that more is likely soon."""
        self._interval = _SHORTEST_MS
        self._waits = 0


class InotifyDoorbell(Doorbell):
    """The kernel's own notification (Linux), through the C library that Python runs on.

    Args:
        directory: to watch.
        loose: also watch for files written in place, as hosts may that follow older rules.
    """

    tier = "inotify"
    _NONBLOCK_CLOEXEC = NONBLOCK | CLOEXEC
    _CLOSE_WRITE = 0x8
    _MOVED_FROM = 0x40
    _MOVED_TO = 0x80
    _DELETE = 0x200
    _DELETE_SELF = 0x400
    _MOVE_SELF = 0x800
    _ONLYDIR = 0x1000000

    def __init__(self, directory: str, *, loose: bool = False) -> None:
        if IS_WINDOWS:
            raise DoorbellError("there is no inotify on this operating system")
        try:
            import ctypes

            libc = ctypes.CDLL(None, use_errno=True)
            init, self._add_watch, self._remove_watch = (
                libc.inotify_init1,
                libc.inotify_add_watch,
                libc.inotify_rm_watch,
            )
        except (ImportError, OSError, AttributeError) as error:
            raise DoorbellError(f"inotify cannot be called: {error}") from None
        self.descriptor = init(self._NONBLOCK_CLOEXEC)
        if self.descriptor < 0:
            raise DoorbellError(f"inotify_init1: {_inotify_reason(ctypes.get_errno())}")
        self._extra = self._CLOSE_WRITE if loose else 0
        self._watches: dict[str, int] = {}
        try:
            self.watch(directory)
        except DoorbellError:
            self.close()
            raise

    def watch(self, directory: str, *, comings: bool = False) -> None:
        """See Doorbell."""
        import ctypes

        mask = self._MOVED_TO | self._ONLYDIR | self._extra
        mask |= self._MOVED_FROM | self._DELETE if comings else self._DELETE_SELF | self._MOVE_SELF
        number = self._add_watch(self.descriptor, os.fsencode(directory), ctypes.c_uint32(mask))
        if number < 0:
            raise DoorbellError(f"inotify_add_watch: {_inotify_reason(ctypes.get_errno())}")
        self._watches[directory] = number

    def unwatch(self, directory: str) -> None:
        """See Doorbell."""
        self._remove_watch(self.descriptor, self._watches.pop(directory, -1))

    def probe(self, trigger: Callable[[], None]) -> None:
        """Trusts it only when it rings for a file that `trigger` puts in place."""
        self.clear()
        try:
            trigger()
        except OSError as error:
            self.close()
            raise DoorbellError(f"inotify cannot be probed: {error.strerror}") from None
        if not waits.is_readable(self.descriptor, _PROBE_MS):
            self.close()
            raise DoorbellError("inotify accepts a watch on this file system but stays silent")
        self.clear()

    def clear(self) -> None:
        """Forgets that it rang; to be called before looking at the truth."""
        try:
            while len(os.read(self.descriptor, 4096)) > 2048:  # Nearly full, so there may be more.
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        """Releases what it holds."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class WatchdogDoorbell(Doorbell):
    """The platform's own notification through the package watchdog, which calls on a thread of its own."""

    tier = "watchdog"

    def __init__(self, directory: str, names: tuple[str, ...]) -> None:
        try:
            from watchdog.events import FileSystemEventHandler
            from watchdog.observers import Observer
        except ImportError:
            import sys

            raise DoorbellError(f"{sys.executable} has no package watchdog ('-m pip install watchdog')") from None
        self.descriptor, self._bell = waits.pipe()
        handler = FileSystemEventHandler()
        handler.on_any_event = self._ring  # type: ignore[method-assign]
        self._names = names
        self._folders: set[str] = set()
        self._observer = Observer(timeout=_GATHERING_SECONDS) if IS_WINDOWS else Observer()
        self._observer.daemon = True
        try:
            # All below it, as watchdog starts threads for each directory that it is given.
            self._observer.schedule(handler, directory, recursive=True)
            self._observer.start()
        except OSError as error:
            self._close_pipe()
            raise DoorbellError(f"watchdog: {error}") from None

    def watch(self, directory: str, *, comings: bool = False) -> None:
        """See Doorbell. What is below the first directory is watched in any case."""
        if comings:
            self._folders.add(directory)

    def _ring(self, event: Any) -> None:
        # Opening and reading a file are events as well, and would ring for our own looks at it.
        if event.event_type not in ("moved", "created", "modified", "closed", "deleted"):
            return
        path = os.fsdecode(event.dest_path or event.src_path)
        if os.path.basename(path) in self._names or os.path.dirname(path) in self._folders:
            waits.ring(self._bell)

    def probe(self, trigger: Callable[[], None]) -> None:
        """Trusts it only when it rings for a file that `trigger` puts in place under one of its names."""
        trigger()
        if not waits.is_readable(self.descriptor, _WATCHDOG_PROBE_MS):
            self.close()
            raise DoorbellError("watchdog stays silent on this file system")
        self.clear()

    def clear(self) -> None:
        """Forgets that it rang; to be called before looking at the truth."""
        while len(waits.read(self.descriptor)) > 32:
            pass

    def close(self) -> None:
        """Releases what it holds."""
        if self.descriptor >= 0:
            self._observer.stop()
            self._observer.join(RECHECK_MS / 1000)
            self._close_pipe()

    def _close_pipe(self) -> None:
        waits.close(self.descriptor)
        waits.close(self._bell)
        self.descriptor = self._bell = -1


def open_doorbell(
    wanted: str, directory: str, names: tuple[str, ...], trigger: Callable[[], None], *, loose: bool = False
) -> tuple[Doorbell, str]:
    """The best doorbell that works in a directory, and why a better one, or the one asked for, was not taken.

    Args:
        wanted: "inotify", "watchdog", "polling", or anything else for the best there is.
        directory: to watch.
        names: of the files to ring for.
        trigger: puts a file of one of these names in place, to prove a doorbell with.
        loose: also ring for files written in place.
    """
    tiers = ["inotify", "watchdog", "polling"]
    reasons = []
    if wanted in tiers:
        tiers = tiers[tiers.index(wanted) :]
    elif wanted not in ("", "auto", "automatic"):
        reasons.append(f"wake-up tier {wanted!r} is not one of the files carrier")
    for tier in tiers:
        try:
            if tier == "inotify":
                inotify = InotifyDoorbell(directory, loose=loose)
                inotify.probe(trigger)
                return inotify, "; ".join(reasons)
            if tier == "watchdog":
                watchdog = WatchdogDoorbell(directory, names)
                watchdog.probe(trigger)
                return watchdog, "; ".join(reasons)
        except DoorbellError as error:
            reasons.append(str(error))
    return PollingDoorbell(), "; ".join(reasons)


def _inotify_reason(number: int) -> str:
    """What the system's text for these does not say."""
    if number == errno.EMFILE:
        return "the limit of descriptors (ulimit -n) or of instances (fs.inotify.max_user_instances) is reached"
    if number == errno.ENOSPC:
        return "the limit of watches (fs.inotify.max_user_watches) is reached"
    return os.strerror(number)

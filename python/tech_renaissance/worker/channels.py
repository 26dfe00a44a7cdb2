"""The channels of a worker: the session directory, and those that hosts make beside it while the worker runs."""

from __future__ import annotations

import os
import stat
import time

from ..channel.bell import Bell, FilesBell, MailboxBell
from ..channel.carrier import FilesCarrier, OlderFilesCarrier
from ..channel.channel import Channel
from ..channel.doorbell import RECHECK_MS, DoorbellError, open_doorbell
from ..channel.session_dir import HostRecord, read_host_record
from ..channel.status import StatusKeeper
from ..channel.tensor_store import TensorStore
from ..errors import InputError
from ..platform.files import AtomicWriter, Place, rename, unlink
from ..platform.output import log
from ..platform.process import ProcessWatch
from ..platform.system import is_mine, user_id
from ..protocol import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from ..channel.mailbox import Messages
    from ..platform.stop_signals import StopSignals
    from .guard import Guard

# Put in place for a moment, to see whether the doorbell rings.
_PROBE = ".tmp-doorbell"
_FOLDER = "channels"
# How long a folder's time stays the same although more is made in it, at most.
_TICK_NS = 100_000_000
_STALE = -1  # so that the next look asks for itself
# With more channels than that, not all of them are looked at for each request.
_FEW = 16
_WORD = 0xFFFFFFFF


class Channels:
    """All channels of a worker.

    Args:
        place: the session directory.
        writer: of the files in it.
        record: what its host says.
        stop: the worker's signals.
        host: the owner of the session.
        guard: tells of other hosts that die.
        announce: says hello in a channel, with a reason where it is refused. Raises OSError.

    Attributes:
        first: that of the session directory.
        further: the others, by name.
        bell: of all of them.
        mailbox: what the mailbox goes through, "library" or "python"; "" without one.
        fallback: why no better carrier or wake-up is in use; "" when nothing was given up.
        on_rest: called when there has been nothing to do for a second.
    """

    def __init__(
        self, place: Place, writer: AtomicWriter, record: HostRecord, stop: StopSignals, host: ProcessWatch,
        guard: Guard, announce: Callable[[Channel, str], None],
    ) -> None:  # fmt: skip
        self._stop = stop
        self._host = host
        self._guard = guard
        self._announce = announce
        self._keeper = StatusKeeper()
        self._box: Messages | None = None
        self._leases: Messages | None = None  # of tensors; the same, or where it is files that messages go through
        self._words: Sequence[int] = (_STALE,)  # with a mailbox, its word that changes with the channels
        self.mailbox = ""
        self.fallback = ""
        self.further: dict[str, Channel] = {}
        self._waiting: list[Channel] = []  # as they were found last, the one whose request was sent first at the end
        self._hosts: dict[tuple[int, str], ProcessWatch] = {}  # of these, but for the owner of the session
        self._refused: dict[str, tuple[int, int]] = {}  # and which directory it was
        self._folder = f"{place.directory}/{_FOLDER}"
        self._state = _STALE  # as which the channels were last looked at
        self._recent: dict[Channel, None] = {}  # of many channels those that may well have a request, the latest last
        self._rung: int | None = None  # the bell, when all that had rung it were taken; None: nobody knows
        self.on_rest: Callable[[], None] | None = None
        self.bell = self._open_bell(place, writer, record)
        self.first = self._fill(Channel("", record, place, writer, host, self.bell))
        # An older host makes none.
        knows = os.path.isdir(self._folder) and (self._box is None or self._box.revision > 0)
        self._more = knows and self._watch()
        self._older = self.first.carrier if isinstance(self.first.carrier, OlderFilesCarrier) else None
        if not self._more:
            self._words = (_STALE,)

    # ------------------------------------------------------------------------------------------------------ opening

    def _open_bell(self, place: Place, writer: AtomicWriter, record: HostRecord) -> Bell:
        wake_up = os.environ.get("TR_WAKEUP") or record.wake_up
        if "mailbox" in record.carriers and wake_up != "polling":
            from ..channel.mailbox import CHANNELS, MailboxError, open_mailbox

            try:
                self._leases, note, words = open_mailbox(place.directory, record.epoch)
                self.mailbox = "python" if note else "library"
                if wake_up in ("", "auto", "automatic", "futex"):
                    self._box, self.fallback = self._leases, note
                    self._words = words[CHANNELS : CHANNELS + 1]
                    return MailboxBell(self._box, self._stop, self._host)
            except MailboxError as error:
                self.fallback = str(error)

        def ring_for_probe() -> None:
            path = f"{place.directory}/{_PROBE}"
            writer.write(path, b"probe")
            unlink(path)

        names: tuple[str, ...] = ("request.json", "room", _PROBE)
        if not record.known:
            names += ("status.txt", "exit.flag")
        doorbell, reason = open_doorbell(wake_up, place.directory, names, ring_for_probe, loose=not record.known)
        self.fallback = "; ".join(text for text in (self.fallback, reason) if text)
        return FilesBell(doorbell, self._stop, self._host)

    def _fill(self, channel: Channel) -> Channel:
        """Its carrier and its tensors. Raises MailboxError when it has no mailbox that can be used."""
        if self._box is None:
            kind = FilesCarrier if channel.record.known else OlderFilesCarrier
            channel.carrier = kind(channel.place, channel.writer, self._keeper)
            leases = None if channel.name else self._leases
        else:
            from ..channel.mailbox import open_mailbox
            from ..channel.mailbox_carrier import MailboxCarrier

            leases = self._box
            if channel.name:
                leases = open_mailbox(channel.directory, channel.record.epoch, self._box)[0]
            files = FilesCarrier(channel.place, channel.writer, None)
            channel.carrier = MailboxCarrier(leases, files, self._keeper)
        if leases is None:
            channel.tensors = TensorStore(channel.directory, channel.writer)
        else:
            from ..channel.shared_tensor_store import SharedTensorStore

            reads = "buffers" in channel.record.features
            channel.tensors = SharedTensorStore(
                channel.directory, channel.writer, leases, channel.record.epoch, names_may_wait=reads
            )
        return channel

    def _watch(self) -> bool:
        try:
            self.bell.watch(self._folder, comings=True)
        except DoorbellError as error:
            log(f"there can be no further channels in {self._folder}: {error}")
            return False
        return True

    # ---------------------------------------------------------------------------------------------------- requests

    def receive(self) -> tuple[Channel, messages.Request] | None:
        """Waits for the next request; the one that was sent first of those that lie ready.

        None when there will be none: the worker was told to stop, or its host or directory is gone.
        """
        waited = False
        while not self._stop.requested:
            if self._box is not None and not self.further:
                # The usual case, in which the mailbox can look and wait in one step.
                if self._words[0] != self._state:
                    self.look()
                    continue
                request = self.first.carrier.take(RECHECK_MS)
                if request is not None:
                    return self.first, request
                if not self.recheck():
                    return None
                continue
            seen = self.bell.look()
            self.look()
            if (found := self.take()) is not None:
                return found
            if self._stop.requested:
                break
            if waited:
                if not self.recheck():
                    return None
                self.look()
            self.bell.wait(seen, self.bell.timeout_ms())
            waited = True
        return None

    def take(self) -> tuple[Channel, messages.Request] | None:
        """The request that was sent first of those that lie ready, without waiting."""
        for look in (False, True):  # those that were found last were sent before any that has come since
            if look:
                self._find_waiting()
            while self._waiting:
                channel = self._waiting.pop()
                request = None if channel.closed or not channel.carrier.idle else channel.carrier.take()
                if request is not None:
                    self.bell.expect()
                    return channel, request
                self._rung = None  # it was counted as taken
        return None

    def _find_waiting(self) -> None:
        found = self._ready_of_many() if len(self.further) >= _FEW else _ready(self.all())
        found.sort(reverse=True)
        self._waiting = [channel for _, _, channel in found]

    def _ready_of_many(self) -> list[tuple[int, int, Channel]]:
        """As _ready, without a look at each, where the bell tells that only those in use lately can have a request.

        Each request rings it once. Whatever else rings it has all looked at.
        """
        if self._box is None:
            return _ready(self.all())
        rings = self.bell.look()  # before, or one could be counted for a request that was not seen
        found = _ready(self._recent)
        # A ring may come behind its request.
        if self._rung is None or 0 < (rings - self._rung - len(found)) & _WORD < _WORD // 2:
            likely = [it for it in self.all() if not it.carrier.idle or it.carrier.ready_since()]
            self._recent = dict.fromkeys([*list(self._recent)[-_FEW:], *likely])
            found = _ready(likely)
            self._rung = rings - len(found)
        for _, _, channel in found:
            self._recent.pop(channel, None)
            self._recent[channel] = None
        self._rung += len(found)  # they are about to be taken
        return found

    def recheck(self) -> bool:
        """After a wait: looks at what rings no bell; False when the first channel is lost."""
        if self.first.is_lost():
            return False
        self._state = _STALE  # whoever makes a channel may die before it has told
        self._rung = None
        for channel in self.all():
            channel.carrier.doubt()
            channel.rest()
        if self.on_rest is not None:
            self.on_rest()
        return True

    def all(self) -> list[Channel]:
        """All that are open."""
        return [self.first, *self.further.values()]

    # ----------------------------------------------------------------------------------------------- coming and going

    def look(self) -> None:
        """Opens the channels that were made, and closes those that are gone. Costs next to nothing when none was."""
        if self._older is not None and self._older.is_dismissed():
            self._stop.requested = True
        if not self._more:
            return
        state = self._words[0] if self._box is not None else self._time_of_folder()
        if state == self._state:
            return
        self._state = state
        self._rung = None
        try:
            with os.scandir(self._folder) as entries:
                names = {entry.name: entry.inode() for entry in entries if messages.is_tag(entry.name)}
        except OSError:
            return  # it has gone, or there are no descriptors left for the moment
        dead = {host for host in self._hosts.values() if host.gone()}
        for name, channel in list(self.further.items()):
            if channel.host in dead:
                self._close(channel)
                self._remove(name)
                names.pop(name, None)
            elif name not in names or (names[name] != channel.place.inode and not channel.place.is_there()):
                self._close(channel)
        self._refused = {name: which for name, which in self._refused.items() if name in names}
        for name in sorted(set(names) - set(self.further)):
            self._open(name)

    def _time_of_folder(self) -> int:
        try:
            changed = os.stat(self._folder).st_mtime_ns
        except OSError:
            return 0
        # More may be made within the same tick of the file system's clock, which then tells nothing of it.
        return changed if time.time_ns() - changed > _TICK_NS else time.time_ns()

    def look_again(self) -> None:
        """Has the next `look` see for itself: a host has died; any thread."""
        self._state = _STALE
        self.bell.ring()

    def _open(self, name: str) -> None:
        path = f"{self._folder}/{name}"
        try:
            status = os.lstat(path)
        except OSError:
            return
        which = (status.st_dev, status.st_ino)
        if self._refused.get(name) == which:
            return
        self._refused[name] = which
        if not stat.S_ISDIR(status.st_mode) or not is_mine(status):
            log(f"{path} is no channel: expected a directory of user {user_id()}")
            return
        try:
            place = Place(path)
        except OSError as error:
            log(f"channel {name} cannot be opened: {error}")
            return
        writer = AtomicWriter(path, place)
        channel = Channel(name, HostRecord(None), place, writer, self._host, self.bell)
        reason = ""
        try:
            self._serve(channel)
        except Exception as error:  # of that channel alone
            reason = str(error) or type(error).__name__
        try:
            self._announce(channel, reason)
        except OSError as error:
            reason = str(error)
            log(f"channel {name} cannot be opened: {error}")
        if not reason:
            del self._refused[name]
            self.further[name] = channel
            if channel.host is not self._host and channel.host.gone():  # before it was watched
                self._close(channel)
                self._remove(name)
        else:
            self._close(channel)

    def _serve(self, channel: Channel) -> None:
        """Raises an exception when it cannot be served."""
        record = channel.record = read_host_record(channel.directory)
        if not record.known:
            raise InputError("there is no session.json")
        if record.epoch != self.first.record.epoch:
            raise InputError(f"its epoch is {record.epoch}: this worker's is {self.first.record.epoch}")
        if not record.same_host(self.first.record):
            channel.host = self._host_of(record)
        channel.find = lambda name: self.further.get(name) if name else self.first
        self._fill(channel)
        self.bell.watch(channel.directory)

    def _host_of(self, record: HostRecord) -> ProcessWatch:
        """One for all channels of a process."""
        which = (record.host_pid, record.host_start_time)
        if which not in self._hosts:
            self._hosts[which] = ProcessWatch(*which)
            self._guard.watch(list(self._hosts.values()), self.look_again)
        return self._hosts[which]

    def _release_host(self, host: ProcessWatch) -> None:
        """When none of its channels is left."""
        if host is not self._host and all(channel.host is not host for channel in self.further.values()):
            self._hosts = {which: it for which, it in self._hosts.items() if it is not host}
            self._guard.watch(list(self._hosts.values()), self.look_again)
            host.close()

    def _close(self, channel: Channel) -> None:
        channel.closed = True
        if channel.call is not None:
            channel.call.cancel()
            channel.call = None  # so that what it has mapped goes with its last tensor, not with the next collection
        self.further.pop(channel.name, None)
        self._recent.pop(channel, None)
        carrier: Any = getattr(channel, "carrier", None)
        if carrier is not None:
            carrier.close()
        self.bell.unwatch(channel.directory)
        channel.place.close()
        self._release_host(channel.host)

    def _remove(self, name: str) -> None:
        """The directory of a host that has died."""
        hidden = f"{self._folder}/.{name}.gone"
        import shutil

        try:
            shutil.rmtree(hidden, ignore_errors=True)
            rename(f"{self._folder}/{name}", hidden)
            shutil.rmtree(hidden)
        except FileNotFoundError:
            return  # its host has removed it before its end
        except OSError as error:
            log(f"the channel {name} of a host that has died cannot be removed: {error}")

    def close(self) -> None:
        """Releases what it holds; what there is yet to say, each channel says."""
        for channel in self.all():
            channel.carrier.close()
            channel.name_tensors()
        self._keeper.close()
        self.bell.close()


def _ready(channels: Iterable[Channel]) -> list[tuple[int, int, Channel]]:
    """Those that have a request: when it was sent, a number of each, and the channel."""
    found: list[tuple[int, int, Channel]] = []
    for channel in channels:
        carrier = channel.carrier
        if carrier.idle and (since := carrier.ready_since()):
            found.append((since, len(found), channel))
    return found

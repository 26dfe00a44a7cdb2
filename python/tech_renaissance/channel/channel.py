"""A channel: one directory in which a host sends requests, one at a time, and this worker answers them."""

from __future__ import annotations

import _thread
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..platform.files import AtomicWriter, Place
    from ..platform.process import ProcessWatch
    from .bell import Bell
    from .carrier import Carrier
    from .session_dir import HostRecord
    from .tensor_store import TensorStore

# Seconds without tensors after which memory is given back.
_A_WHILE = 1.0


class Channel:
    """What there is of a channel on the worker's side.

    Attributes:
        name: "" for the first one, the session directory.
        directory: its path.
        record: what its host says in session.json.
        host: the process that sends in it; that of the session, or another.
        call: the one that came last; None before the first.
        lock: whoever answers or touches tensors holds it.
        closed: it is gone, and nobody waits for answers.
        called_at: when a call came last that can be part of a batch, by time.monotonic; 0 where none has.
    """

    def __init__(
        self, name: str, record: HostRecord, place: Place, writer: AtomicWriter, host: ProcessWatch, bell: Bell
    ) -> None:
        self.name = name
        self.directory = place.directory
        self.record = record
        self.place = place
        self.writer = writer
        self.host = host
        self.bell = bell
        self.carrier: Carrier
        self.tensors: TensorStore
        self.call: Any = None
        self.lock = _thread.RLock()
        self.closed = False
        self.called_at = 0.0
        self.find: Callable[[str], Channel | None] = lambda name: None  # another one, by its name

    def is_lost(self) -> bool:
        """Its host or its directory is gone."""
        return self.closed or self.host.gone() or not self.place.is_there()

    def is_given_up(self) -> bool:
        """It is a further one, and lost: no reason for the worker to end."""
        return bool(self.name) and self.is_lost()

    def write_status(self, text: str) -> None:
        """Puts a line into its status.txt, if it is there."""
        try:
            self.writer.write(f"{self.directory}/status.txt", text.encode("utf-8", "replace"))
        except OSError:
            return  # the directory may be gone, which is one of the reasons to leave

    def name_tensors(self) -> None:
        """Gives tensors their names where these are behind, unless a call has this channel just then."""
        if self.lock.acquire(blocking=False):
            try:
                self.tensors.name_all()
            except OSError:
                return  # they stay behind, and who needs them says what is wrong
            finally:
                self.lock.release()

    def rest(self) -> None:
        """Nothing has been asked for a while: what can be seen of tensors is put right, what cannot is given back."""
        self.name_tensors()
        due = self.tensors.stored_at and self.carrier.idle and self.carrier.has_room()
        if due and self.lock.acquire(blocking=False):
            try:
                self.give_back()
            finally:
                self.lock.release()

    def give_back(self) -> None:
        """Memory that was used for the tensors of earlier answers, when the last one is a while ago.

        Under the lock, or where no other thread can be.
        """
        if time.monotonic() - self.tensors.stored_at < _A_WHILE:
            return
        try:
            self.tensors.give_back()
        except OSError:
            return  # whoever needs the room says what is wrong

    def load(self, tag: str, framework: str, buffers: str) -> Any:
        """The tensor under a tag, of this channel or else of the one that it shares tags with; under the lock.

        Args:
            tag: which.
            framework: of which library.
            buffers: where the request says that tensors lie.
        """
        other = None
        if self.record.tags_of is not None and not self.tensors.has(tag):
            other = self.find(self.record.tags_of)
        if other is None or other.closed or not other.record.same_host(self.record) or not other.tensors.has(tag):
            return self.tensors.load(tag, framework, buffers)
        # Never both locks at once, as the other may look for a tag here.
        self.lock.release()
        try:
            with other.lock:
                return other.tensors.load(tag, framework)
        finally:
            self.lock.acquire()

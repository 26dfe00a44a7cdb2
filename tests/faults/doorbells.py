"""Rings of the worker that are lost, late or repeated; the C++ side has the same in sequence_point.cpp.

`install` prepares it before the session is opened; the command `disturb <fault> <nth>` begins it, and without a fault
tells how many rings were disturbed.
"""

from __future__ import annotations

import select
import time

import points

_DELAY_SECONDS = 0.02


class Rings:
    """How often each ring is heard."""

    def __init__(self):
        self.fault = ""
        self.nth = 1
        self.count = self.disturbed = 0

    def times(self):
        self.count += 1
        if not self.fault or self.count % self.nth:
            return 1
        self.disturbed += 1
        if self.fault == "delay":
            time.sleep(_DELAY_SECONDS)  # the fault itself
        return {"drop": 0, "delay": 1, "repeat": 3}[self.fault]


rings = Rings()


def command(parameters):
    """What the server does on `disturb`."""
    if not parameters:
        compiled = points.library.tr_faults_disturbed_rings() if points.library else 0
        return str(rings.disturbed + compiled)
    fault, nth = parameters.split()
    rings.fault, rings.nth = fault, int(nth)
    if points.library:
        points.library.tr_faults_disturb_rings(fault.encode(), int(nth))
    return "ok"


class Bell:
    """The host's line of the mailbox, whose bell need not be rung."""

    times = 1

    def __init__(self, words, bell):
        self._words = words
        self._bell = bell

    def __getitem__(self, index):
        return self._words[index]

    def __setitem__(self, index, value):
        if index == self._bell:
            self.times = rings.times()
            if not self.times:
                return
        self._words[index] = value


class Poll:
    """A poll of the files carrier, which need not hear its doorbell."""

    def __init__(self, poll, doorbell):
        self._poll = poll
        self._doorbell = doorbell
        self._again = False

    def poll(self, timeout_ms):
        if self._again:
            self._again = False
            return [(self._doorbell.descriptor, select.POLLIN)]
        end = time.monotonic() + timeout_ms / 1000
        while True:
            ready = self._poll.poll(max(0, (end - time.monotonic()) * 1000))
            if len(ready) != 1 or ready[0][0] != self._doorbell.descriptor:
                return ready
            times = rings.times()
            if times:
                self._again = times > 1
                return ready
            self._doorbell.clear()


def install():
    """Both carriers' ways to ring and to hear."""
    from tech_renaissance.channel import bell, mailbox

    box = mailbox.PureMailbox
    open_box, open_files = box.__init__, bell.FilesBell.__init__

    def init_box(self, file, first=None):
        open_box(self, file, first)
        line = self._peer = Bell(self._peer, box._BELL)
        call = self._syscall

        def syscall(number, bell, operation, *rest):
            if operation.value != box._WAKE:
                return call(number, bell, operation, *rest)
            for _ in range(line.times):
                call(number, bell, operation, *rest)
            return 0

        self._syscall = syscall

    def init_files(self, *arguments, **options):
        open_files(self, *arguments, **options)
        self._poll = Poll(self._poll, self._doorbell)

    box.__init__, bell.FilesBell.__init__ = init_box, init_files

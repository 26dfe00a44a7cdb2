"""Names the steps of the worker's protocol and kills this process at one of them; disturbs its doorbells.

What C++ does with macros in a build of its own (cpp/src/platform/sequence_point.h), this does with the hook of the
package (platform/steps.py), and for files by replacing functions of `os` and `mmap`. The steps have the same names on
both sides.

$TR_FAULT_FILE names a file with three lines: who is to die ("worker" or "template"), the step, the passage. Whom it
concerns removes it. With an empty step nothing dies, and `write_trace` tells which steps were passed how often.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import sys
import time

FILE = os.environ.get("TR_FAULT_FILE", "")
NOTE = FILE + ".died"
_rename, _unlink, _open, _writev, _link, _fork = os.rename, os.unlink, os.open, os.writev, os.link, os.fork
_counts: dict[str, int] = {}
_armed: tuple[str, int] | None = None
library = None


def reached(step):
    count = _counts[step] = _counts.get(step, 0) + 1
    if (step, count) == _armed:
        note = _open(NOTE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(note, str(time.monotonic_ns()).encode())
        os.kill(os.getpid(), signal.SIGKILL)


def order_for(role):
    """Step and passage, when the file is meant for this process."""
    try:
        with open(FILE, encoding="utf-8") as file:
            whom, step, passage = file.read().split("\n")[:3]
        if whom == role:
            _unlink(FILE)
            return step, int(passage)
    except FileNotFoundError:
        pass
    return None


def kind_of(path):
    """What a file is in the protocol, from its name."""
    name = os.path.basename(os.fspath(path))
    if name.startswith((".host-", ".worker-")):
        return "buffer"
    if name.startswith(".tmp-"):
        return "temporary file"
    return "tensor" if name.endswith(".tsr") else name


def install():
    """In a worker, before it looks for its session."""
    global _armed
    if os.environ.get("TR_FAULT_BARE"):
        sys.path.insert(0, os.path.join(os.path.dirname(__file__), "bare"))
    load_library()
    if os.environ.get("TR_FAULT_RINGS"):
        import doorbells

        doorbells.install()
    order = order_for("worker")
    if order is None:
        return
    _armed = order
    if library is not None:
        library.tr_faults_arm(order[0].encode(), order[1], NOTE.encode())
    wrap_files()
    from tech_renaissance.platform import steps

    steps.hook = reached_in_package


def load_library():
    """The one that the package takes its mailbox from, whose steps have names as well."""
    global library
    path = os.environ.get("TR_LIBRARY")
    if path:
        library = ctypes.CDLL(path)
        library.tr_faults_passages.restype = ctypes.c_char_p


def write_trace():
    """For an order without a step: what was passed, beside the file."""
    if _armed == ("", 0):
        counts = dict(_counts)
        for line in (library.tr_faults_passages() if library else b"").decode().splitlines():
            step, count = line.split("\t")
            counts[step] = int(count)
        with open(FILE + ".trace", "w", encoding="utf-8") as file:
            file.writelines(f"{step}\t{count}\n" for step, count in counts.items())


# ------------------------------------------------------------------------------------------------------------- files


def reached_in_package(step, path=""):
    """What the package says of itself: the steps that are no calls of the system."""
    reached(f"{kind_of(path)} {step}" if path else step)


def wrap_files():
    """Each file's creation, its last byte, its name and its removal, for what the package does through `os`."""

    def opened(path, flags, mode=0o777):
        descriptor = _open(path, flags, mode)
        if flags & os.O_CREAT and kind_of(path) != "temporary file":  # for what is said by those who make one
            reached(f"{kind_of(path)} created")
        return descriptor

    def written(descriptor, parts):
        done = _writev(descriptor, parts[:1])  # the kernel may stop anywhere as well
        reached("tensor half written")
        return done

    def renamed(source, path):
        reached(f"{kind_of(path)} written")
        _rename(source, path)
        reached(f"{kind_of(path)} named")

    def unlinked(path):
        _unlink(path)
        reached(f"{kind_of(path)} removed")

    def linked(source, path, **options):
        _link(source, path, **options)
        reached(f"{kind_of(path)} linked")

    os.open, os.rename, os.unlink, os.link, os.writev = opened, renamed, unlinked, linked, written


class HalfWritten(mmap.mmap):
    """A mapping whose contents come in two steps."""

    def __setitem__(self, where, what):
        start = where.start or 0
        if start:
            half = len(what) // 2
            super().__setitem__(slice(start, start + half), what[:half])
            reached("tensor half written")
            super().__setitem__(slice(start + half, start + len(what)), what[half:])
        else:
            super().__setitem__(where, what)


mmap.mmap = HalfWritten  # before the package is imported, which makes a class of its own of it


# ---------------------------------------------------------------------------------------------------------- template


def watch_forks():
    """In a template, which imports this module: steps around the forks that the host asks for."""

    def fork():
        global _armed
        order = order_for("template")
        if order is not None:
            _armed = order
            _counts.clear()
        reached("fork requested")
        pid = _fork()
        if pid:
            reached("worker forked")
        return pid

    def waitpid(pid, options, _original=os.waitpid):
        order = order_for("template")
        global _armed
        if order is not None:
            _armed = order
            _counts.clear()
        reached("reaping requested")
        return _original(pid, options)

    os.fork, os.waitpid = fork, waitpid


if os.path.basename(sys.argv[0]) == "template.py":
    watch_forks()

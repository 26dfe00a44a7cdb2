"""Calls all that the default server offers with the paths of files, and says what came of it: call_everything.py DIR.

Prints one line of JSON: how many functions there are and how many calls did not fail, the events of Python's audit
hooks that tell of files, code or processes, and what the kernel saw being done to the files in DIR.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import sys
import sysconfig
import warnings

import numpy
import torch

from tech_renaissance.default_server.allow_list import NAMESPACES, allowed_names, resolve

warnings.simplefilter("ignore")
torch.set_num_threads(1)
DIRECTORY = sys.argv[1]
PATH = f"{DIRECTORY}/canary"
# Anything that is done to a file: IN_OPEN, IN_ACCESS, IN_CREATE, IN_DELETE, IN_MODIFY, IN_MOVED_FROM, IN_MOVED_TO.
WATCHED = 0x20 | 0x1 | 0x100 | 0x200 | 0x2 | 0x40 | 0x80
SUSPICIOUS = tuple(
    """
    open exec compile import os. subprocess. socket. ctypes.dlopen shutil. pickle. marshal. glob. tempfile. urllib.
    ftplib. smtplib. webbrowser. code.__new__
    """.split()  # noqa: SIM905 - one word a line would be 20 lines
)
LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})

seen: set[str] = set()
calling = ""


def audit(event: str, args: tuple[object, ...]) -> None:
    """What a call does, but for the libraries' own modules that it is the first to need."""
    if not calling or not event.startswith(SUSPICIOUS):
        return
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return
        frame = frame.f_back  # type: ignore[assignment]
    first = args[0] if args else ""
    if event == "open" and str(first).startswith(LIBRARIES):
        return
    if event == "import" and str(first).partition(".")[0] in ("torch", "numpy", *sys.stdlib_module_names):
        return
    seen.add(f"{calling}: {event} {str(first)[:80]}")


def attempts() -> list[tuple[list[object], dict[str, object]]]:
    """Arguments that a function which deals in files could do something with."""
    tensor, array = torch.ones(2, 2), numpy.ones((2, 2))
    values = [PATH, tensor, array, 2, b"\x80\x04."]
    positional: list[list[object]] = [[PATH], [tensor], [array], [PATH.encode()], [[PATH]]]
    positional += [list(pair) for pair in itertools.product(values, repeat=2) if PATH in map(str, pair)]
    positional += [[tensor, tensor, PATH], [array, array, PATH], [PATH, False, 4], [PATH, 2, tensor]]
    found: list[tuple[list[object], dict[str, object]]] = [(args, {}) for args in positional]
    names = ("file", "filename", "path", "f", "fname", "dtype", "mode", "input", "like", "name", "equation")
    found += [([tensor], {name: PATH}) for name in names] + [([array], {name: PATH}) for name in names]
    return found


def main() -> None:
    global calling
    with open(PATH, "wb") as file:
        file.write(b"\x80\x04cos\nsystem\n")
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(watch, os.fsencode(DIRECTORY), WATCHED) >= 0
    functions = []
    for namespace in NAMESPACES:
        module = sys.modules.get(namespace) or __import__(namespace, fromlist=["_"])
        functions += [f"{namespace}.{name}" for name in allowed_names(module)]
    sys.addaudithook(audit)
    succeeded = 0
    for name in functions:
        function = resolve(name)[2]
        calling = name
        for args, kwargs in attempts():
            try:
                function(*args, **kwargs)
                succeeded += 1
            except Exception:
                continue
        calling = ""
    try:
        touched = len(os.read(watch, 65536))
    except BlockingIOError:
        touched = 0
    print(json.dumps({"functions": len(functions), "succeeded": succeeded, "events": sorted(seen), "touched": touched}))


main()

"""Worker of the bare exchange through files and inotify; argument: the folder."""

from __future__ import annotations

import ctypes
import os
import sys

MOVED_TO = 0x80


def serve(folder: str) -> None:
    libc = ctypes.CDLL(None)
    inotify = libc.inotify_init1(os.O_CLOEXEC)
    libc.inotify_add_watch(inotify, os.fsencode(folder), MOVED_TO)
    request, response, temporary = f"{folder}/request", f"{folder}/response", f"{folder}/.worker"
    print("ready", flush=True)
    while True:
        # The name at the end of an event is padded with zeros.
        while b"request\0" not in os.read(inotify, 4096):
            pass
        file = os.open(request, os.O_RDONLY)
        text = os.read(file, 4096)
        os.close(file)
        os.unlink(request)
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(file, text)
        os.close(file)
        os.rename(temporary, response)


if __name__ == "__main__":
    serve(sys.argv[1])

"""Worker of the floor: two counters in a mapped file, through a compiled module or through ctypes.

Arguments: "futex" or "futex_ctypes", path of the mapped file.
"""

from __future__ import annotations

import sys
from typing import Any


def serve_compiled(path: str) -> None:
    from bare_futex_module import open_mailbox, receive, send

    open_mailbox(path)
    print("ready", flush=True)
    while True:
        send(receive())


def serve_ctypes(path: str) -> None:
    """The layout is that of host/bare.cpp: count, length and text of the request, and 128 bytes on of the response."""
    import ctypes
    import mmap

    sys_futex, wait, wake = 202, 0, 1  # Linux on x86-64
    syscall: Any = ctypes.CDLL(None).syscall
    with open(path, "r+b") as file:
        memory = memoryview(mmap.mmap(file.fileno(), 256))
    words = memory.cast("I")
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    request, response = ctypes.c_void_p(base), ctypes.c_void_p(base + 128)
    seen = 0
    print("ready", flush=True)
    while True:
        while words[0] == seen:
            syscall(sys_futex, request, wait, seen, None, None, 0)
        seen = words[0]
        text = bytes(memory[8 : 8 + words[1]])
        memory[136 : 136 + len(text)] = text
        words[33] = len(text)
        words[32] = seen
        syscall(sys_futex, response, wake, 1, None, None, 0)


if __name__ == "__main__":
    (serve_compiled if sys.argv[1] == "futex" else serve_ctypes)(sys.argv[2])

"""A system that refuses: a seccomp filter that answers system calls of this process, and of its children, by itself."""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys
from pathlib import Path

# Linux on x86-64.
NUMBERS = {"clone": 56, "inotify_add_watch": 254, "fallocate": 285, "inotify_init1": 294, "clone3": 435}
_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2
_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
#: As an error number: the call does nothing and tells that it went well.
PRETEND = 0


def available() -> bool:
    """Whether the numbers above are those of this machine."""
    return platform.machine() == "x86_64" and platform.system() == "Linux"


def refuse(**calls: int) -> None:
    """From here on this thread, and what it starts, gets these error numbers from these system calls."""
    code = struct.pack("HBBI", _LOAD, 0, 0, 0)
    for name, number in calls.items():
        code += struct.pack("HBBI", _JUMP_EQUAL, 0, 1, NUMBERS[name])
        code += struct.pack("HBBI", _RETURN, 0, 0, _ERRNO | number)
    code += struct.pack("HBBI", _RETURN, 0, 0, _ALLOW)
    instructions = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(instructions))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((_NO_NEW_PRIVS, 1, 0, 0, 0), (_SET_SECCOMP, _FILTER, program)):
        if libc.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), errno.errorcode[ctypes.get_errno()])


def interpreter(folder: str, **calls: int) -> str:
    """A Python that meets with `refuse` before it does anything else."""
    path = Path(folder, "python")
    path.write_text(
        f"#!{sys.executable}\nimport os, sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        f"import faulty_system\nfaulty_system.refuse(**{calls!r})\n"
        f"os.execv({sys.executable!r}, [{sys.executable!r}, *sys.argv[1:]])\n"
    )
    path.chmod(0o700)
    return str(path)

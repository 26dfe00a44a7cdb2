"""A server whose interpreter lacks what Windows lacks: `windows_floor.py SERVER [ARGUMENTS]`, or `-m MODULE`.

What is taken away is what CPython 3.11 for Linux has and CPython 3.11 for Windows has not, in the modules that the
package may ask. The standard library has been imported by then, as what it is on Windows cannot be had here.
"""

from __future__ import annotations

import asyncio  # noqa: F401
import concurrent.futures  # noqa: F401
import contextlib
import ctypes  # noqa: F401
import faulthandler  # noqa: F401
import mmap
import os
import re
import runpy
import select
import selectors
import shutil  # noqa: F401
import signal
import socket  # noqa: F401
import subprocess  # noqa: F401
import sys
import time
import traceback  # noqa: F401

with contextlib.suppress(ImportError):
    import numpy  # noqa: F401

_CONSTANTS = {
    os: "CLD_ EFD_ EX_(?!OK) F_(?!OK) GRND_ MFD_ POSIX_ PRIO_ P_ALL P_PGID P_PID RTLD_ RWF_ SCHED_ SEEK_DATA SEEK_HOLE "
    "SPLICE_ ST_ W[A-Z] XATTR_ NGROUPS_MAX O_(?!RDONLY|WRONLY|RDWR|APPEND|CREAT|EXCL|TRUNC)",
    signal: "SIG(?!INT$|ILL$|FPE$|SEGV$|TERM$|ABRT$|_DFL$|_IGN$) ITIMER_ ItimerError Sigmasks",
    select: "EPOLL POLL PIPE_BUF",
    mmap: "MADV_ MAP_ PROT_",
    time: "CLOCK_",
}
_FUNCTIONS = {
    os: """chown chroot confstr copy_file_range ctermid environb eventfd eventfd_read eventfd_write fchdir fchmod fchown
        fdatasync fork forkpty fpathconf fstatvfs fwalk get_blocking getegid getenvb geteuid getgid getgrouplist
        getgroups getloadavg getpgid getpgrp getpriority getrandom getresgid getresuid getsid getuid getxattr initgroups
        killpg lchown listxattr lockf login_tty major makedev memfd_create minor mkfifo mknod nice openpty pathconf
        pidfd_open pipe2 posix_fadvise posix_fallocate posix_spawn posix_spawnp pread preadv pwrite pwritev readv
        register_at_fork removexattr sched_getaffinity sched_setaffinity sched_yield sendfile set_blocking setegid
        seteuid setgid setgroups setpgid setpgrp setpriority setregid setresgid setresuid setreuid setsid setuid
        setxattr splice statvfs sync sysconf tcgetpgrp tcsetpgrp ttyname uname wait wait3 wait4 waitid writev""",
    signal: """alarm getitimer pause pidfd_send_signal pthread_kill pthread_sigmask setitimer siginterrupt sigpending
        sigtimedwait sigwait sigwaitinfo""",
    select: "epoll poll",
    mmap: "",
    time: "clock_getres clock_gettime clock_gettime_ns clock_settime clock_settime_ns pthread_getcpuclockid tzset",
}
_MODULES = ("fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty", "_posixsubprocess")


def take_away() -> None:
    """From here on this interpreter lacks it."""
    _CONSTANTS[sys.modules["_signal"]] = _CONSTANTS[signal]  # type: ignore[index]
    _FUNCTIONS[sys.modules["_signal"]] = _FUNCTIONS[signal]  # type: ignore[index]
    for module, constants in _CONSTANTS.items():
        pattern = re.compile("|".join(constants.split()))
        for name in dir(module):
            if pattern.match(name) or name in _FUNCTIONS[module].split():
                delattr(module, name)
    for name in _MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    selectors.DefaultSelector = selectors.SelectSelector  # type: ignore[misc]


if __name__ == "__main__":
    take_away()
    del sys.argv[0]
    if sys.argv[0] == "-m":
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = os.path.dirname(sys.argv[0])
        runpy.run_path(sys.argv[0], run_name="__main__")

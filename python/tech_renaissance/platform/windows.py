"""What Windows tells of processes and of memory. Imported there alone."""

from __future__ import annotations

import ctypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MAY_WAIT_AND_ASK = 0x100000 | 0x1000  # SYNCHRONIZE, PROCESS_QUERY_LIMITED_INFORMATION
_NOT_ENDED = 0x102  # WAIT_TIMEOUT
_ACCESS_DENIED = 5


def find_process(pid: int) -> tuple[bool, str]:
    """Whether a process runs, and when it started, in units of 100 ns since 1601; "" when that cannot be told."""
    kernel: Any = ctypes.CDLL("kernel32", use_last_error=True)
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = kernel.OpenProcess(_MAY_WAIT_AND_ASK, 0, pid)
    if not handle:
        return ctypes.get_last_error() == _ACCESS_DENIED, ""  # type: ignore[attr-defined]
    handle = ctypes.c_void_p(handle)
    try:
        # One that has ended can be opened for as long as anybody holds a handle of it.
        if kernel.WaitForSingleObject(handle, 0) != _NOT_ENDED:
            return False, ""
        times = [ctypes.c_uint64() for _ in range(4)]
        if not kernel.GetProcessTimes(handle, *map(ctypes.byref, times)):
            return True, ""
        return True, str(times[0].value)
    finally:
        kernel.CloseHandle(handle)


class _MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        ("physical", ctypes.c_uint64),
        ("others", ctypes.c_uint64 * 6),
    )


def memory_bytes() -> int:
    """How much memory this machine has."""
    status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
    ctypes.CDLL("kernel32").GlobalMemoryStatusEx(ctypes.byref(status))
    return int(status.physical)

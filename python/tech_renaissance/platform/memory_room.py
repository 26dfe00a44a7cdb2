"""How much more memory this process may take, enforced by the system: for calls whose needs nobody can foresee."""

from __future__ import annotations

import os

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_LITTLE = 4 << 30

#: What libraries need for themselves: caches, and a stack for each thread.
_SLACK = (256 << 20) + (os.cpu_count() or 1) * (16 << 20)


class MemoryRoom:
    """Lets this process take so many bytes more than it has, and no others: `RLIMIT_DATA`, see setrlimit(2).

    The kernel then refuses an allocation before any memory is taken (Linux; elsewhere this does nothing). Mapped files,
    and with them tensors in shared memory, do not count. Setting it takes some microseconds, so it stays set until
    `lift`: what is taken for good meanwhile makes the room smaller.
    """

    def __init__(self, extra: int) -> None:
        self._extra = extra + _SLACK
        self._usual = resource.getrlimit(resource.RLIMIT_DATA) if resource else (0, 0)
        self._start = -1

    def limit(self) -> None:
        """Sets the limit, unless it is set."""
        if self._start < 0:
            self._start = _data_bytes()
            if self._start >= 0:
                self._set(self._start + self._extra)

    def lift(self) -> None:
        """As it was before."""
        if self._start >= 0:
            self._start = -1
            self._set(self._usual[0])

    def has_shrunk(self) -> bool:
        """A good part of the room is used up by what was there before the last call."""
        return self._start >= 0 and _data_bytes() - self._start > _SLACK // 8

    def _set(self, wanted: int) -> None:
        soft, hard = self._usual
        bounds = [bound for bound in (wanted, soft, hard) if bound != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_DATA, (min(bounds, default=resource.RLIM_INFINITY), hard))


def memory_bytes() -> int:
    """How much memory this machine has; few where that cannot be told."""
    if hasattr(os, "sysconf"):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if os.name == "nt":
        from .windows import memory_bytes

        return memory_bytes()
    return _LITTLE


def _data_bytes() -> int:
    """What counts for RLIMIT_DATA, -1 where it cannot be told."""
    if resource is None:
        return -1
    try:
        with open("/proc/self/statm", "rb", buffering=0) as file:
            return int(file.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return -1

"""Which GPUs of NVIDIA each worker has."""

from __future__ import annotations

import os
import re
import threading

from ..errors import InputError

#: The variable that names them, for the libraries in a worker.
VARIABLE = "CUDA_VISIBLE_DEVICES"
_ROUNDING = 1e-9  # three times a third of one
_DEVICE = re.compile(r"nvidia\d+")


def gpus_here() -> list[str]:
    """Those that this process may use, as the variable names them: those in it, else all of this machine."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        return [name for name in named.split(",") if name and name != "-1"]
    nodes = os.listdir("/dev") if os.path.isdir("/dev") else []
    return [str(number) for number in range(len(list(filter(_DEVICE.fullmatch, nodes))))]


class Gpus:
    """All that there are, and how much of each is free. For any thread."""

    def __init__(self) -> None:
        self._free = dict.fromkeys(gpus_here(), 1.0)
        self._lock = threading.Lock()

    def take(self, each: float, who: str) -> list[str]:
        """The first so many that are free, or the first of which such a part is.

        Raises:
            InputError: there are not enough.
        """
        part, count = (each, 1) if each < 1 else (1.0, int(each))
        with self._lock:
            names = [name for name, free in self._free.items() if free >= part - _ROUNDING][:count]
            there = ", ".join(f"{name} ({free:.3g} of it free)" for name, free in self._free.items()) or "none"
            for name in names if len(names) == count else []:
                self._free[name] -= part
        if len(names) < count:
            raise InputError(
                f"{who} is to have {each:g} GPUs (resources.gpu), and there are {there}, in {VARIABLE} or as "
                "/dev/nvidia0 and so on: have fewer workers, or less for each; where GPUs are seen otherwise, name "
                "them in that variable"
            )
        return names

    def give_back(self, each: float, names: list[str]) -> None:
        """What a worker had that has left."""
        with self._lock:
            for name in names:
                self._free[name] += min(each, 1.0)

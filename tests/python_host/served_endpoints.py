"""Services for the tests of `serve`."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Annotated

import numpy as np

from tech_renaissance import TechRenaissanceServer, Tensor, endpoint, service

Image = Annotated[np.ndarray, Tensor["float32", "h w"]]


@service(framework="numpy", workers=2)
class Filters:
    """Endpoints of a plain class."""

    @endpoint(example={"image": np.zeros((2, 2), "f4")})
    def brighten(self, image: Image, by: float = 0.5) -> Image:
        return image + np.float32(by)

    @endpoint
    def wait_for(self, path: str) -> str:
        """Is at work until there is something to be read from a FIFO, and says what."""
        print("waiting", flush=True)
        return Path(path).read_text(encoding="utf-8")

    @endpoint
    def who(self) -> int:
        return os.getpid()

    @endpoint
    def threads(self) -> str:
        return os.environ.get("OMP_NUM_THREADS", "")

    @endpoint
    def variable(self, name: str) -> str:
        return os.environ.get(name, "")

    @endpoint
    def fail(self) -> str:
        raise ValueError("on purpose")

    @endpoint
    def die(self) -> str:
        os._exit(3)


@service(framework="numpy")
class Sick:
    """Is unwell as long as there is a file."""

    @endpoint
    def who(self) -> int:
        return os.getpid()

    def health(self) -> str | None:
        return "the disk is full" if Path(os.environ["SICK"]).exists() else None


@service(framework="numpy")
class Joined:
    """Has calls that wait run as one."""

    @endpoint(max_batch_size=8, max_queue_delay_ms=200)
    def double(self, x: Annotated[np.ndarray, Tensor["float32", "n"]]) -> Annotated[np.ndarray, Tensor["float32", "n"]]:
        return 2 * x

    @endpoint
    def last(self, ms: int) -> None:
        """At work for so long."""
        end = time.monotonic() + ms / 1000
        while time.monotonic() < end:
            pass


class Older(TechRenaissanceServer):
    """A main_logic alone."""

    def main_logic(self, command: str, parameters: str) -> bool:
        self.write_response(command, f"{command} {parameters} {self.threads}")
        return True


class Wrong:
    """An example that does not fit."""

    @endpoint(example={"number": "five"})
    def double(self, number: int) -> int:
        return 2 * number


class Slow:
    """Takes its time to start."""

    @endpoint
    def nothing(self) -> None: ...

    def on_start(self) -> None:
        print("starting", flush=True)
        threading.Event().wait()


class Never:
    """Cannot be started."""

    @endpoint
    def nothing(self) -> None: ...

    def on_start(self) -> None:
        raise ValueError("no weights here")

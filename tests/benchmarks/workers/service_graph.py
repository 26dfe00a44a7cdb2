"""Three services of which each passes its tensor on to the next, served by `python -m tech_renaissance serve`."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from tech_renaissance import TechRenaissanceServer, Tensor, depends, endpoint

Rows = Annotated[np.ndarray, Tensor["float32", "n m"]]


class Stage(TechRenaissanceServer):
    """What they have in common."""

    framework = "numpy"

    def write_ends(self, image: np.ndarray) -> np.ndarray:
        """A new tensor where others can see it."""
        result = self.empty(image.shape, "float32")
        result[0, 0], result[-1, -1] = image[0, 0] + 1, image[-1, -1] + 1
        return result


class Third(Stage):
    """The end of the chain."""

    @endpoint
    def step(self, image: Rows) -> Rows:
        """Adds one to the ends."""
        return self.write_ends(image)


class Second(Stage):
    """Between them."""

    third = depends(Third)

    @endpoint
    def step(self, image: Rows) -> Rows:
        """Adds one to the ends, and passes it on."""
        return self.third.step(self.write_ends(image))


class First(Stage):
    """What the host calls."""

    second = depends(Second)

    @endpoint
    def step(self, image: Rows) -> Rows:
        """Adds one to the ends, and passes it on."""
        return self.second.step(self.write_ends(image))

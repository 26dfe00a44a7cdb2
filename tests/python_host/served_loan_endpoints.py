"""A service that hands on what it gets and what another one gives, for the tests of tensors that are not copied."""

from __future__ import annotations

import numpy as np

from tech_renaissance import TechRenaissanceServer, depends, endpoint, service


def mapping_of(array: np.ndarray) -> tuple[str, int]:
    """Permissions and inode of what an array lies in, as the system tells them."""
    address = array.__array_interface__["data"][0]
    with open("/proc/self/maps") as maps:
        for line in maps:
            extent, permissions, _, _, inode = line.split()[:5]
            start, end = (int(part, 16) for part in extent.split("-"))
            if start <= address < end:
                return permissions, int(inode)
    return "", 0


@service(framework="numpy")
class Store:
    """The last stage."""

    @endpoint
    def where(self, image: np.ndarray) -> list:
        return [*mapping_of(image), float(image.sum())]

    @endpoint
    def fill(self, size: int, value: float) -> np.ndarray:
        return np.full(size, value, "f4")

    @endpoint
    def add(self, image: np.ndarray) -> np.ndarray:
        image += 1
        return image


class Stage(TechRenaissanceServer):
    """The one before."""

    framework = "numpy"
    store = depends(Store)

    def __init__(self) -> None:
        super().__init__()
        self.kept = np.zeros(1, "f4")

    @endpoint
    def where(self, image: np.ndarray) -> list:
        return self.store.where(image)

    @endpoint
    def filled(self, size: int, value: float) -> np.ndarray:
        return self.store.fill(size, value)

    @endpoint
    def filled_and_kept(self, size: int, value: float) -> np.ndarray:
        self.kept = self.store.fill(size, value)
        return self.kept

    @endpoint
    def where_made(self, size: int, value: float) -> list:
        made = self.empty((size,), "float32")
        made[:] = value
        found = self.store.where(made)
        made[:] = -1
        return [*found, *mapping_of(made)]

    @endpoint
    def echoed_and_kept(self, image: np.ndarray) -> np.ndarray:
        self.kept = image
        return image

    @endpoint
    def sum_of_kept(self) -> float:
        return float(self.kept.sum())

    @endpoint
    def added(self, image: np.ndarray) -> np.ndarray:
        return self.store.add(self.store.add(image))

"""The first stage: from the file of a scanned page to the digits on it. It needs NumPy alone.

A page is a grid of square boxes with a digit in each, as a form has them for account numbers.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np

from tech_renaissance import Tensor, endpoint, service

BOX = 40  # pixels of its side
MARGIN = 4  # around the digit, where the lines of the form are
SHADES = 16

File = Annotated[np.ndarray, Tensor["uint8", "bytes"]]
Page = Annotated[np.ndarray, Tensor["uint8", "height width"]]
Digits = Annotated[np.ndarray, Tensor["uint8", "n 8 8"]]


class Decoded(NamedTuple):
    """A page, white being 255; and what is in its boxes, row by row, from 0 (paper) to 16 (ink)."""

    page: Page
    digits: Digits


def blank_page(_: object) -> dict[str, np.ndarray]:
    """A page of two boxes, by which `serve` finds out whether a worker works."""
    return {"file": np.frombuffer(b"P5 80 40 255\n" + bytes([255]) * (80 * 40), np.uint8)}


@service(framework="numpy")
class Decode:
    """Reads pages."""

    @endpoint(example=blank_page)
    def decode(self, file: File) -> Decoded:
        """The contents of a PGM file ("P5")."""
        page = pixels_of(file)
        rows, columns = page.shape[0] // BOX, page.shape[1] // BOX
        boxes = page.reshape(rows, BOX, columns, BOX).swapaxes(1, 2).reshape(-1, BOX, BOX)
        inside = boxes[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
        step = inside.shape[1] // 8
        shades = inside.reshape(-1, 8, step, 8, step).mean(axis=(2, 4))
        return Decoded(page, np.round((255 - shades) * (SHADES / 255)).astype(np.uint8))


def pixels_of(file: np.ndarray) -> np.ndarray:
    """The picture in a PGM file: a view of its bytes, of shape (height, width).

    Raises:
        ValueError: it is none that this can read; the caller gets it as a RemoteError.
    """
    parts = file[:64].tobytes().split(None, 4)
    if len(parts) < 4 or parts[0] != b"P5" or parts[3] != b"255":
        raise ValueError(
            f"expected a PGM file with 8 bits, which begins like 'P5 320 120 255': {file[:20].tobytes()!r}"
        )
    width, height = int(parts[1]), int(parts[2])
    if file.size < width * height or width % BOX or height % BOX:
        raise ValueError(f"{file.size} bytes of a page of {width} x {height}: expected all of it, in boxes of {BOX}")
    return file[file.size - width * height :].reshape(height, width)

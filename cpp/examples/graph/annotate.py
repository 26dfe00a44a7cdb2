"""The last stage, and the one that programs call: has a page decoded and classified, and writes onto it what was read.

    python -m tech_renaissance serve annotate.py:Annotate -f graph.toml

runs all three stages, each in a process and an environment of its own. What the first stage gives goes to the second as
it came; the pixels are looked at here alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from classify import Classify
from decode import BOX, MARGIN, Decode, File, Page, blank_page

from tech_renaissance import RestartError, depends, endpoint, service

DARK = 96


class Reading(NamedTuple):
    """A page on which the length of the bar under each digit says how certain that is, and the digits, row by row."""

    page: Page
    lines: list[str]


@service(framework="numpy", threads=8)  # most of which wait for the other stages
class Annotate:
    """Reads whole pages."""

    decode = depends(Decode)
    classify = depends(Classify)

    @endpoint(example=blank_page)
    def read(self, file: File) -> Reading:
        """The contents of a PGM file."""
        try:
            return self._read(file)
        except RestartError:  # the process of a stage has died at work on it; none of them changes anything
            return self._read(file)

    def _read(self, file: np.ndarray) -> Reading:
        decoded = self.decode.decode(file)
        found = self.classify.classify(decoded.digits)
        page = decoded.page.copy()
        columns = page.shape[1] // BOX
        for box, share in enumerate(found.certainty):
            bottom, left = (box // columns + 1) * BOX, box % columns * BOX
            page[bottom - MARGIN : bottom - 1, left : left + round(float(share) * (BOX - MARGIN))] = DARK
        digits = [str(label) for label in found.labels]
        return Reading(page, ["".join(digits[first : first + columns]) for first in range(0, len(digits), columns)])

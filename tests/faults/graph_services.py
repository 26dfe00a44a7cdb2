"""A graph like cpp/examples/graph, with arithmetic in place of pictures, so that each answer can be compared."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np

from tech_renaissance import Tensor, depends, endpoint, service

Rows = Annotated[np.ndarray, Tensor["int64", "n 4"]]


class Read(NamedTuple):
    rows: Rows
    token: str


def one_row(_):
    return {"rows": np.zeros((1, 4), np.int64)}


def one_page(_):
    return {"rows": np.zeros((1, 4), np.int64), "token": "example"}


@service(framework="numpy")
class Decode:
    @endpoint(example=one_row)
    def decode(self, rows: Rows) -> Rows:
        return rows + 1


@service(framework="numpy")
class Classify:
    @endpoint(max_batch_size=64, max_queue_delay_ms=1, example=one_row)
    def classify(self, rows: Rows) -> Rows:
        return rows * 3


@service(framework="numpy", threads=8)
class Annotate:
    decode = depends(Decode)
    classify = depends(Classify)

    @endpoint(example=one_page)
    def read(self, rows: Rows, token: str) -> Read:
        decoded = self.decode.decode(rows)
        return Read(self.classify.classify(decoded), token)

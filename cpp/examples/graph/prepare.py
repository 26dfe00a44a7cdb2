"""Trains the network on three quarters of scikit-learn's handwritten digits, and makes pages of the others.

Usage: prepare.py FOLDER: network.pt, and of each page the picture, page_0.pgm, and what is on it, page_0.txt.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from decode import BOX, MARGIN, SHADES
from network import trained
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

ROWS, COLUMNS, PAGES = 3, 8, 16


def main(folder: Path) -> None:
    """Writes all of it."""
    torch.set_num_threads(1)
    data = load_digits()
    images, unseen, labels, truths = train_test_split(
        data.images.astype(np.uint8), data.target, test_size=0.25, stratify=data.target, random_state=0
    )
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(trained(torch.from_numpy(images), torch.from_numpy(labels)).state_dict(), folder / "network.pt")
    count = ROWS * COLUMNS
    for number in range(PAGES):
        chosen = slice(number * count, (number + 1) * count)
        page = page_of(unseen[chosen])
        head = f"P5 {page.shape[1]} {page.shape[0]} 255\n".encode()
        (folder / f"page_{number}.pgm").write_bytes(head + page.tobytes())
        rows = truths[chosen].reshape(ROWS, COLUMNS)
        (folder / f"page_{number}.txt").write_text("".join("".join(map(str, row)) + "\n" for row in rows))
    print(f"{folder}: network.pt, and {PAGES} pages with {count} digits each")


def page_of(digits: np.ndarray) -> np.ndarray:
    """A form that is filled with these, of shape (ROWS * COLUMNS, 8, 8)."""
    scale = (BOX - 2 * MARGIN) // 8
    boxes = np.full((ROWS, COLUMNS, BOX, BOX), 255, np.uint8)
    boxes[:, :, 0, :] = boxes[:, :, :, 0] = 160  # the lines
    shades = np.round(255 - digits * (255 / SHADES)).astype(np.uint8).reshape(ROWS, COLUMNS, 8, 8)
    boxes[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN] = shades.repeat(scale, axis=2).repeat(scale, axis=3)
    return boxes.swapaxes(1, 2).reshape(ROWS * BOX, COLUMNS * BOX)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))

"""Writes scikit-learn's 1,797 handwritten digits as .tsr files: a part to train on and a part held out.

Usage: prepare_digits.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from tech_renaissance import write_tsr


def main(folder: Path) -> None:
    """Write train_images, train_labels, test_images and test_labels into `folder`.

    Images are UINT8 of shape (n, 8, 8) with values from 0 to 16, labels INT64 of shape (n,).
    """
    digits = load_digits()
    images, labels = digits.images.astype(np.uint8), digits.target.astype(np.int64)
    parts = train_test_split(images, labels, test_size=0.25, stratify=labels, random_state=0)
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in zip(("train_images", "test_images", "train_labels", "test_labels"), parts):
        write_tsr(part, folder / f"{name}.tsr")
        print(f"{folder / name}.tsr: {part.dtype} {part.shape}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))

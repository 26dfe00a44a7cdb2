"""Has pages read by the graph that is served as "annotate", on several threads, for so many seconds.

Usage: read_pages.py FOLDER SECONDS   (FOLDER is what prepare.py has written)

Says how many were read, right, and how fast.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from tech_renaissance import ServiceClient, TRException, attach

THREADS = 4


def main(folder: Path, seconds: float) -> int:
    """Returns 0 when enough was read right."""
    pages = [
        (np.fromfile(path, np.uint8), path.with_suffix(".txt").read_text().split())
        for path in sorted(folder.glob("page_*.pgm"))
    ]
    with attach("annotate") as client, ThreadPoolExecutor(THREADS) as threads:
        start = time.monotonic()
        jobs = [threads.submit(read_until, start + seconds, client, pages[i:] + pages[:i]) for i in range(THREADS)]
        counts = sum((job.result() for job in jobs), Counter())
        took = time.monotonic() - start
    share = counts["right"] / max(1, counts["digits"])
    print(
        f"Python: {counts['pages']} pages read, {counts['pages'] / took:.0f} per second; {share:.1%} of the digits are "
        f"right; {counts['failed']} calls failed"
    )
    return 0 if share > 0.95 else 1


def read_until(end: float, client: ServiceClient, pages: list[tuple[np.ndarray, list[str]]]) -> Counter[str]:
    """Reads one page after the other."""
    counts: Counter[str] = Counter()
    while time.monotonic() < end:
        for file, truth in pages:
            try:
                reading = client.read(file)
            except TRException as error:  # most likely the worker died at work on it, and the error says so
                counts["failed"] += 1
                print("Python:", str(error).split("\n")[0], file=sys.stderr)
                continue
            counts["pages"] += 1
            counts["digits"] += sum(map(len, truth))
            counts["right"] += sum(a == b for a, b in zip("".join(reading.lines), "".join(truth)))
    return counts


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2])))

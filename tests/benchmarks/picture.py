"""docs/performance.svg: latency over size, both logarithmic."""

from __future__ import annotations

import math
from html import escape
from typing import Any

from figures import median_us, size_text, tensor, time_text
from rows import ROWS

WIDTH, HEIGHT = 860, 560
LEFT, RIGHT, TOP, BOTTOM = 76, 230, 44, 52
STYLE = {  # name, colour, dashes
    "memcpy": ("two memcpys", "#888888", "2 3"),
    "futex": ("memcpys + bare futex", "#444444", "6 3"),
    "socket": ("bare Unix socket", "#9a7d0a", ""),
    "mailbox": ("mailbox", "#c0392b", ""),
    "inotify": ("files + inotify", "#e67e22", ""),
    "polling": ("files + polling", "#f0b27a", ""),
    "zeromq": ("ZeroMQ", "#2874a6", ""),
    "grpc": ("gRPC", "#1e8449", ""),
    "pipe": ("multiprocessing.Pipe", "#76448a", ""),
    "shared_memory": ("shared_memory + Pipe", "#b03a8c", ""),
    "torch": ("torch.multiprocessing", "#5d6d7e", ""),
    "iceoryx2": ("iceoryx2", "#117a65", "8 2"),
    "appose": ("Appose", "#7e5109", "8 2"),
}
OURS = ("mailbox", "mailbox, in place", "files + inotify", "files + polling")
IN_PLACE = ("mailbox, in place", "#c0392b", "1 4")


def draw(results: dict[str, Any]) -> str:
    """The picture as SVG: echoes of every row, and ours in place."""
    lines = [(*STYLE[row.key], _points(results, "echo", row.key)) for row in ROWS if row.key in STYLE]
    lines.append((*IN_PLACE, _points(results, "in_place", "mailbox")))
    lines = [line for line in lines if line[3]]
    sizes = sorted(map(int, results["tensors"]["echo"]))
    values = [value for line in lines for _, value in line[3]]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    # 0 bytes have no logarithm: they stand a little to the left of the smallest size.
    steps = [_step(size) for size in sizes]
    first, last = steps[0], steps[-1]

    def x(size: int) -> float:
        return LEFT + (_step(size) - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (math.log10(value) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12" fill="#222">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        _text(LEFT, 24, "Echo of a tensor through a Python worker: median time over size", "start"),
    ]
    parts += [_text(x(size), HEIGHT - BOTTOM + 20, size_text(size), "middle") for size in sizes]
    for size in sizes:
        parts.append(_rule(x(size), TOP, x(size), HEIGHT - BOTTOM))
    for power in range(low, high + 1):
        parts.append(_rule(LEFT, y(10.0**power), WIDTH - RIGHT, y(10.0**power)))
        parts.append(_text(LEFT - 8, y(10.0**power) + 4, _power_text(power), "end"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, "size of the tensor", "middle"))
    label_ys = _spread([y(points[-1][1]) for *_, points in lines])
    for (title, colour, dashes, points), label_y in zip(lines, label_ys):
        path = " ".join(f"{x(size):.1f},{y(value):.1f}" for size, value in points)
        dash = f' stroke-dasharray="{dashes}"' if dashes else ""
        width = 3 if title in OURS else 1.5
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"{dash}/>')
        end_x, end_y = x(points[-1][0]), y(points[-1][1])
        edge = WIDTH - RIGHT
        parts.append(
            f'<path d="M{end_x:.1f} {end_y:.1f} L{edge + 14} {label_y:.1f}" stroke="{colour}" fill="none" '
            'stroke-width="0.7"/>'
        )
        parts.append(
            f'<text x="{edge + 18}" y="{label_y + 4:.1f}" fill="{colour}">'
            f"{escape(title)}: {time_text(points[-1][1])}</text>"
        )
    return "\n".join([*parts, "</svg>", ""])


def _points(results: dict[str, Any], operation: str, key: str) -> list[tuple[int, float]]:
    found = ((int(size), tensor(results, operation, int(size), key)) for size in results["tensors"][operation])
    return sorted((size, median_us(rounds)) for size, rounds in found if rounds)


def _step(size: int) -> float:
    return math.log2(size) if size else 7.0


def _power_text(power: int) -> str:
    exponent = power + 3  # of nanoseconds, as power is of microseconds
    unit = ("ns", "µs", "ms", "s")[max(0, min(exponent // 3, 3))]
    return f"{10 ** (exponent - 3 * max(0, min(exponent // 3, 3)))} {unit}" if exponent >= 0 else f"1e{exponent} ns"


def _spread(wanted: list[float]) -> list[float]:
    """Heights of labels, near those wanted and far enough apart to be read."""
    gap = 15.0
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed = [0.0] * len(wanted)
    last = -gap
    for i in order:
        last = placed[i] = max(wanted[i], last + gap)
    overhang = last - (HEIGHT - BOTTOM)
    for i in reversed(order):
        if overhang <= 0:
            break
        placed[i] -= overhang
        before = [placed[j] for j in order[: order.index(i)]]
        overhang = max(0.0, before[-1] + gap - placed[i]) if before else 0.0
    return placed


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path d="M{x1:.1f} {y1:.1f} L{x2:.1f} {y2:.1f}" stroke="#ddd" fill="none"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'

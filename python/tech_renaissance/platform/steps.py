"""Named steps of a worker, for a program that wants to hear of them: the fault tests end a worker at each.

    steps.hook = lambda step, path="": print(step, path)

From then on it is called on whatever thread comes by a step, with its name and, where a file is what it is about, that
file's path. Whoever comes by one says `if steps.hook: steps.hook("answer out")`: a look at a name while nobody listens.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: What is called; None for nothing.
hook: Any = None

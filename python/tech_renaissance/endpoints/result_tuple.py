"""Several results of an endpoint as a tuple; for hosts, as a worker has no need of what this imports."""

from __future__ import annotations

import re
from collections import namedtuple
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


@lru_cache(256)
def result_tuple(endpoint: str, names: tuple[str, ...]) -> Callable[..., Any]:
    """The type of a tuple with these names; one that is no identifier is its place behind an underscore."""
    title = "".join(word.capitalize() for word in re.split(r"\W+|_", endpoint, flags=re.ASCII)) or "Endpoint"
    return namedtuple(f"{title}Result" if title[0].isalpha() else "Result", names, rename=True, module=__name__)

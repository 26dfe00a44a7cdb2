"""The fixture that pytest finds by the entry point of the package. Loads nothing before it is used."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from tech_renaissance.testing import ServerHarness


@pytest.fixture
def server_harness() -> Iterator[Callable[..., ServerHarness]]:
    """Makes a ServerHarness of a server, which is closed at the end of the test.

    def test_double(server_harness):
        assert server_harness(Server()).calculate("double", 2.0) == 4.0
    """
    from .harness import ServerHarness

    with ExitStack() as harnesses:

        def make(*arguments: Any, **options: Any) -> ServerHarness:
            return harnesses.enter_context(ServerHarness(*arguments, **options))

        yield make

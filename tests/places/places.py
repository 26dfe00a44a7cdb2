"""What the tests and their fixtures share."""

from collections.abc import Callable

#: Runs a program in a place; see the fixture `inside`.
Inside = Callable[..., None]

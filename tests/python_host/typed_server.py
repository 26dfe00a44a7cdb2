"""A server as type checkers see it; read by them, and run by test_types.py."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

from tech_renaissance import TechRenaissanceServer, depends, endpoint


class TypedServer(TechRenaissanceServer[NDArray[np.float32]]):
    """Its tensors are arrays, in the worker and for type checkers, without another word."""

    commands = ("sum", "both", "all")

    def main_logic(self, command: str, parameters: str) -> bool:
        """Serves one request."""
        if command == "sum":
            one = self.get_tensors(parameters)
            assert_type(one, "NDArray[np.float32] | None")
            if one is not None:
                self.send_tensors(one.sum())
        elif command == "both":
            two = self.get_tensors(parameters, 2)
            assert_type(two, "list[NDArray[np.float32]] | None")
            if two is not None:
                self.send_tensors(two[0] + two[1])
        elif command == "all":
            for count in (None, -1):
                assert_type(self.get_tensors(parameters, count), "list[NDArray[np.float32]]")
            made = self.empty((2,), np.float32)
            assert_type(made, NDArray[np.float32])
            made[:] = sum(array.sum() for array in self.get_tensors(parameters, None))
            self.send_tensors(made)
        else:
            return False
        return True


class OtherServer(TechRenaissanceServer):
    """Without a kind of tensors; its main_logic is async."""

    framework = "torch"

    async def main_logic(self, command: str, parameters: str) -> bool:
        """Serves one request."""
        await self.until_cancelled()
        self.get_tensors(parameters).sum()  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
        self.get_tensors(parameters, None)[0].sum()
        return command == "wait"


class Counter:
    """A service that another one calls."""

    @endpoint
    def count(self, text: str) -> int:
        """Its words."""
        return len(text.split())


class Front:
    """A type checker sees an object of the other class."""

    counter = depends(Counter)

    @endpoint
    def twice(self, text: str) -> int:
        """As many again."""
        assert_type(self.counter.count(text), int)
        return 2 * self.counter.count(text)


class WrongServer(TechRenaissanceServer):
    """What a type checker has to find."""

    framework = "jax"  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


if __name__ == "__main__":
    TypedServer().run()

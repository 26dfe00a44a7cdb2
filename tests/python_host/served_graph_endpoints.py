"""Services that depend on one another, for the tests of `serve`."""

from __future__ import annotations

import os
from typing import Annotated

import numpy as np
from served_endpoints import Filters, Image

from tech_renaissance import Tensor, depends, endpoint, service

Bytes = Annotated[np.ndarray, Tensor["uint8", "h w"]]


@service(framework="numpy")
class Front:
    """Calls Filters."""

    filters = depends(Filters)

    @endpoint
    def twice(self, image: Image, by: float = 0.5) -> Image:
        once = self.filters.brighten(image, by)
        return self.filters.brighten(once, by=by)

    @endpoint
    def whose(self) -> list[int]:
        return [os.getpid(), self.filters.who()]

    @endpoint
    def fail(self) -> str:
        return self.filters.fail()

    @endpoint
    def kind_of_result(self, image: Image) -> str:
        return type(self.filters.brighten(image)).__module__


class UnknownEndpoint:
    filters = depends(Filters)

    @endpoint
    def show(self, image: Image) -> Image:
        return self.filters.brigthen(image)


class UnknownArgument:
    filters = depends(Filters)

    @endpoint
    def show(self, image: Image) -> Image:
        return self.filters.brighten(image, buy=0.5)


class MissingArgument:
    filters = depends(Filters)

    @endpoint
    def show(self) -> Image:
        return self.filters.brighten(by=0.5)


class OtherDtype:
    filters = depends(Filters)

    @endpoint
    def show(self, image: Bytes) -> Image:
        return self.filters.brighten(image)


class OtherResult:
    filters = depends(Filters)

    @endpoint
    def show(self, image: Image) -> Bytes:
        result = self.filters.brighten(image)
        return result  # noqa: RET504 - what is looked at


class OtherValue:
    filters = depends(Filters)

    @endpoint
    def show(self, image: Image) -> Image:
        return self.filters.brighten(image, "much")


class Egg:
    @endpoint
    def lay(self) -> None: ...


class Hen:
    egg = depends(Egg)

    @endpoint
    def hatch(self) -> None: ...


Egg.hen = depends(Hen)

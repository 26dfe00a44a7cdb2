"""Services that depend on one another, for the tests of `serve`."""

from __future__ import annotations

import os
from typing import Annotated

import numpy as np
from served_endpoints import Filters, Image

from tech_renaissance import Tensor, depends, endpoint, link, service

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


@service(framework="numpy")
class DarkFilters(Filters):
    """Darkens."""

    @endpoint
    def brighten(self, image: Image, by: float = 0.5) -> Image:
        return image - np.float32(by)


@service(framework="numpy")
class Pair:
    """The same service twice, or two."""

    left = depends(Filters)
    front = depends(Front)

    @endpoint
    def both(self, image: Image) -> list[float]:
        return [float(self.left.brighten(image)[0, 0]), float(self.front.twice(image)[0, 0])]


dark = link(Front, filters=DarkFilters)
mixed = link(Pair, front=dark)


class Few:
    @endpoint
    def brihten(self, image: Image) -> Image:
        return image


class LessFew(Few):
    brighten = Filters.brighten

    @endpoint
    def wait_for(self, path: str, until: str) -> str:
        return path


unlike = link(Front, filters=Few)
strict = link(Front, filters=LessFew)
twice = link(Pair, left=link(Front, filters=DarkFilters))


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


class Nest:
    egg = depends(Egg)

    @endpoint
    def rest(self) -> None: ...


closed = link(Nest, egg=Hen)  # which depends on Egg, and that on Hen

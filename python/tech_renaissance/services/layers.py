"""The value of each setting, and where it comes from: layers over one another, the first that says something counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..endpoints.declare import service_options
from ..errors import InputError, NotFoundError
from .settings import SETTINGS, checked, nearest, number_in, parsed, setting_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PREFIX = "TR_SERVE_"


class Value(NamedTuple):
    """What a setting is, and who says so."""

    value: Any
    origin: str


class Layer(NamedTuple):
    """What one place says of all services: settings by name, by service."""

    origin: str
    says: dict[str, dict[str, Any]]


class Settings:
    """Those of one service; an attribute for each.

    Attributes:
        values: by name. Of a table each entry by itself, as "environment.NAME".
    """

    def __init__(self, service: str, layers: Iterable[Layer]) -> None:
        self.service = service
        self.values: dict[str, Value] = {}
        found = list(layers)
        for name, setting in SETTINGS.items():
            if setting.is_table:
                self._merge(name, found)
                continue
            says = [
                Value(layer.says[service][name], layer.origin) for layer in found if name in layer.says.get(service, {})
            ]
            self.values[name] = says[0] if says else Value(setting.default, "default")

    def _merge(self, name: str, layers: list[Layer]) -> None:
        for layer in layers:
            for key, value in layer.says.get(self.service, {}).get(name, {}).items():
                self.values.setdefault(f"{name}.{key}", Value(value, layer.origin))

    def __getattr__(self, name: str) -> Any:
        setting = SETTINGS.get(name)
        if setting is None:
            raise AttributeError(name)
        if not setting.is_table:
            return self.values[name].value
        prefix = f"{name}."
        return {key[len(prefix) :]: it.value for key, it in self.values.items() if key.startswith(prefix)}

    def lines(self) -> list[str]:
        """Each with its origin, for people."""
        wide = max(len(f"{name} = {it.value!r}") for name, it in self.values.items())
        return [f"  {f'{name} = {it.value!r}':{wide}}  {it.origin}" for name, it in self.values.items()]


def of_assignments(texts: Iterable[str], services: Iterable[str]) -> Layer:
    """From "Service.key=value", or "Service.environment.NAME=value".

    Raises:
        InputError: one is none, or its value is of the wrong type.
        NotFoundError: there is no such service or setting.
    """
    says: dict[str, dict[str, Any]] = {}
    for text in texts:
        where = f"--set {text}"
        key, equals, value = text.partition("=")
        service, *path = key.split(".", 2)
        if not equals or not path:
            raise InputError(f"{where}: expected Service.setting=value")
        if service not in services:
            raise NotFoundError(f"{where}: there is no service {service!r}: {nearest(service, services)}")
        _put(says.setdefault(service, {}), path, value, where)
    return Layer("--set", says)


def of_environment(environment: Mapping[str, str], services: Iterable[str]) -> list[Layer]:
    """From TR_SERVE_<SERVICE>_<SETTING>; variables of services that are not in this graph are another's.

    Raises:
        InputError, NotFoundError: as for `of_assignments`.
    """
    layers: list[Layer] = []
    for variable, text in sorted(environment.items()):
        rest = variable[len(_PREFIX) :] if variable.startswith(_PREFIX) else ""
        owners = [service for service in services if rest.startswith(f"{service.upper()}_")]
        if not owners:
            continue
        service = max(owners, key=len)
        name = rest[len(service) + 1 :]
        path = [name.lower()]
        if name.startswith("ENVIRONMENT_"):
            path = ["environment", name[len("ENVIRONMENT_") :]]
        elif name.startswith("RESOURCES_"):
            path = name.lower().split("_", 1)
        said: dict[str, Any] = {}
        _put(said, path, text, variable)
        layers.append(Layer(variable, {service: said}))
    return layers


def _put(says: dict[str, Any], path: list[str], text: str, where: str) -> None:
    name = path[0]
    setting = setting_of(name, where)
    if len(path) == 1:
        value = parsed(name, text, where)
        says[name] = {**says.get(name, {}), **value} if setting.is_table else value
    elif setting.is_table:
        entry = text if setting.kind == "table" else number_in(text)
        says.setdefault(name, {}).update(checked(name, {path[1]: entry}, where))
    else:
        raise InputError(f"{where}: {name} has no entries: expected Service.{name}=value")


def of_class(kind: type) -> Layer:
    """What the decorator of a class says, or its attributes."""
    options = service_options(kind)
    said: dict[str, Any] = {}
    if options is not None:
        given = {name: getattr(options, name) for name in ("workers", "threads", "framework", "resources")}
        said = {name: value for name, value in given.items() if value}
    for name in ("threads", "framework"):
        value = getattr(kind, name, None)
        if name not in said and value and type(value) in (int, str):
            said[name] = value
    where = f"class {kind.__name__}"
    return Layer(where, {kind.__name__: {name: checked(name, value, where) for name, value in said.items()}})

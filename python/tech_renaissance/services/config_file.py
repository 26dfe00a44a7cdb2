"""Settings in a file, TOML or YAML: a table for each service, and `extends`, the file that it builds on."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from ..errors import InputError, NotFoundError
from .layers import Layer
from .settings import SETTINGS, checked, nearest, setting_of

if TYPE_CHECKING:
    from collections.abc import Collection

_EXTENDS = "extends"


def of_file(path: str, services: Collection[str]) -> list[Layer]:
    """What a file says, and behind it what the one says that it extends.

    Raises:
        InputError: it cannot be read, or a value is of the wrong type.
        NotFoundError: there is no such file, or it names a service or setting that there is not.
    """
    content = _read(path)
    base = content.pop(_EXTENDS, None)
    layers = [_layer(path, content, services)]
    if base is None:
        return layers
    if not isinstance(base, str):
        raise InputError(f"{path}: {_EXTENDS} is {base!r:.200}: expected the path of a file")
    base = os.path.join(os.path.dirname(path), base)
    below = _read(base)
    if _EXTENDS in below:
        raise InputError(f"{base}, which {path} extends, extends another file: expected one that does not")
    return [*layers, _layer(base, below, services)]


def _layer(path: str, content: dict[str, Any], services: Collection[str]) -> Layer:
    for service, says in content.items():
        if service not in services:
            raise NotFoundError(f"{path}: there is no service {service!r}: {nearest(service, services)}")
        if not isinstance(says, dict):
            raise InputError(f"{path}: {service} is {says!r:.200}: expected a table of settings")
        for name, value in says.items():
            where = f"{path}: {service}"
            if setting_of(name, where).kind == "table" and isinstance(value, dict):
                value = {key: str(it) if type(it) in (int, float) else it for key, it in value.items()}
            says[name] = checked(name, value, where)
    return Layer(path, content)


def _read(path: str) -> dict[str, Any]:
    reader = _toml if path.endswith(".toml") else _yaml if path.endswith((".yaml", ".yml")) else None
    if reader is None:
        raise InputError(f"{path}: expected a file that ends with .toml, .yaml or .yml")
    try:
        with open(path, "rb") as file:
            content = file.read().decode("utf-8")
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    found = reader(path, content)
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise InputError(f"{path} is no table: expected one of services, each a table of {', '.join(SETTINGS)}")
    return found


def _toml(path: str, content: str) -> Any:
    library = _import(path, ("tomllib", "tomli"), "Python 3.11, or the package tomli")
    try:
        return library.loads(content)
    except library.TOMLDecodeError as error:
        raise InputError(f"{path} is no TOML: {error}") from None


def _yaml(path: str, content: str) -> Any:
    library = _import(path, ("yaml",), "the package PyYAML")
    try:
        return library.safe_load(content) or {}
    except library.YAMLError as error:
        raise InputError(f"{path} is no YAML: {error}") from None


def _import(path: str, names: tuple[str, ...], needs: str) -> Any:
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise InputError(f"{path} cannot be read: it needs {needs}")

"""Finding the class of a server by its name on a command line."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import sys

from ..errors import InputError, NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Script(importlib.machinery.SourceFileLoader):
    """Leaves no bytecode behind, as a script that is run: it could be taken for that of a later version."""

    def get_code(self, fullname: str) -> Any:
        """See the base."""
        return self.source_to_code(self.get_data(self.path), self.path)


def class_named(name: str) -> Any:
    """The class that "path/server.py:Class" or "package.module:Class" names. Raises as `object_named`."""
    return object_named(name, type)


def object_named(name: str, *kinds: type) -> Any:
    """The object of one of these types, a class among them, that "path/server.py:Name" or "package.module:Name" names.

    Raises:
        InputError: the name is none.
        NotFoundError: there is no such file, module or object.
    """
    module_name, colon, own_name = name.rpartition(":")
    if not colon or not own_name.isidentifier():
        raise InputError(f"the server is {name!r}: expected path/server.py:Class or package.module:Class")
    module = _from_file(module_name) if module_name.endswith(".py") else _from_path(module_name)
    found = getattr(module, own_name, None)
    if not isinstance(found, kinds):
        import difflib

        close = difflib.get_close_matches(own_name, [it for it, x in vars(module).items() if isinstance(x, kinds)], 1)
        meant = f": did you mean {close[0]!r}?" if close else ""
        raise NotFoundError(f"there is no class {own_name} in {module_name}{meant}")
    return found


def _from_file(path: str) -> Any:
    if not os.path.isfile(path):
        raise NotFoundError(f"there is no file {path}")
    name = os.path.splitext(os.path.basename(path))[0]
    if name in sys.modules and os.path.samefile(getattr(sys.modules[name], "__file__", None) or os.devnull, path):
        return sys.modules[name]
    folder = os.path.dirname(os.path.abspath(path))
    if folder not in sys.path:
        sys.path.insert(0, folder)  # as it is when the script runs
    spec = importlib.util.spec_from_file_location(name, path, loader=_Script(name, path))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # which classes look their annotations up in
    spec.loader.exec_module(module)
    return module


def _from_path(name: str) -> Any:
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and name.startswith(error.name):
            raise NotFoundError(f"there is no module {error.name}, looked for in {sys.path}") from None
        raise

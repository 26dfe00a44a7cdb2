"""Leads a worker to the package as the wheel installed it, five folders up, without its neighbours on the path."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

_package = Path(__file__).resolve().parents[4]
_spec = spec_from_file_location(__name__, _package / "__init__.py", submodule_search_locations=[str(_package)])
if _spec is None or _spec.loader is None:
    raise ImportError(f"The package {__name__} was looked for in {_package} and is not there; install it again")
_module = module_from_spec(_spec)
sys.modules[__name__] = _module
_spec.loader.exec_module(_module)

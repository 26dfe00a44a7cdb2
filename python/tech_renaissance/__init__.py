"""The Python side of the bridge: a C++ (or Python) host calls Python tensor code in another process.

A worker overrides `TechRenaissanceServer.main_logic` and calls `run()`. A Python host drives a worker with
`PythonSession`. Everything is loaded on first use, so that importing the package needs the standard library alone.
"""

# This file alone is read by interpreters of any age, so as to tell the old ones: no annotations in it, nor other syntax
# that Python 2.7 does not know.
import sys

if sys.version_info < (3, 9):  # noqa: UP036 - others are told here
    raise ImportError(
        "tech_renaissance needs Python 3.9 or later, and this is Python %d.%d.%d (%s)"  # noqa: UP031 - see above
        % (sys.version_info[:3] + (sys.executable,))  # noqa: RUF005 - see above
    )

from ._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .data.tsr import TsrInfo, export_tsr, get_tsr_info, import_tsr, read_tsr, tsr_info, write_tsr
    from .endpoints.declare import endpoint, service
    from .endpoints.tensor_type import Tensor
    from .errors import (
        Cancelled,
        InputError,
        NotFoundError,
        OverloadedError,
        RemoteError,
        RestartError,
        RetryError,
        ServerError,
        TRException,
        TSRError,
    )
    from .errors import TimeoutError as TimeoutError  # noqa: A004 - the name it has in C++
    from .host.calls import wait_any as wait_any
    from .host.pool import Pool as Pool
    from .host.pool_options import PoolOptions as PoolOptions
    from .host.session import PythonSession as PythonSession
    from .host.session_options import RestartPolicy as RestartPolicy
    from .host.session_options import SessionOptions as SessionOptions
    from .host.several import start_all as start_all
    from .host.several import stop_all as stop_all
    from .host.tensor_stream import TensorStream
    from .services.client import ServiceClient as ServiceClient
    from .services.client import attach as attach
    from .services.depends import depends
    from .services.link import link
    from .worker.endpoints import run
    from .worker.server import TechRenaissanceServer

# PythonSession, Pool, attach and their options are left out: they need the compiled module, which a worker may not
# have. And so is TimeoutError, which would take the place of the builtin that it is one of.
__all__ = [
    "Cancelled",
    "InputError",
    "NotFoundError",
    "OverloadedError",
    "RemoteError",
    "RestartError",
    "RetryError",
    "ServerError",
    "TRException",
    "TSRError",
    "TechRenaissanceServer",
    "Tensor",
    "TensorStream",
    "TsrInfo",
    "__version__",
    "depends",
    "endpoint",
    "export_tsr",
    "get_tsr_info",
    "import_tsr",
    "link",
    "read_tsr",
    "run",
    "service",
    "tsr_info",
    "write_tsr",
]

_HOME = {
    "Cancelled": "errors",
    "InputError": "errors",
    "NotFoundError": "errors",
    "OverloadedError": "errors",
    "Pool": "host.pool",
    "PoolOptions": "host.pool_options",
    "PythonSession": "host.session",
    "RemoteError": "errors",
    "RestartError": "errors",
    "RestartPolicy": "host.session_options",
    "RetryError": "errors",
    "ServerError": "errors",
    "ServiceClient": "services.client",
    "SessionOptions": "host.session_options",
    "TRException": "errors",
    "TSRError": "errors",
    "TechRenaissanceServer": "worker.server",
    "TensorStream": "host.tensor_stream",
    "TimeoutError": "errors",
    "Tensor": "endpoints.tensor_type",
    "TsrInfo": "data.tsr",
    "attach": "services.client",
    "depends": "services.depends",
    "endpoint": "endpoints.declare",
    "export_tsr": "data.tsr",
    "get_tsr_info": "data.tsr",
    "import_tsr": "data.tsr",
    "link": "services.link",
    "read_tsr": "data.tsr",
    "run": "worker.endpoints",
    "service": "endpoints.declare",
    "start_all": "host.several",
    "stop_all": "host.several",
    "tsr_info": "data.tsr",
    "wait_any": "host.calls",
    "write_tsr": "data.tsr",
}


def __getattr__(name):
    # type: (str) -> object
    home = _HOME.get(name)
    if home is None:
        raise AttributeError("module {!r} has no attribute {!r}".format(__name__, name))  # noqa: UP032 - see above
    try:
        # Not by importlib, which would load twice as much as it needs.
        module = __import__(__name__ + "." + home, fromlist=[name])  # type: object
    except AttributeError as error:  # which would look as if the name itself were not there
        raise ImportError("{}.{} cannot be imported: {}".format(__name__, home, error))  # noqa: B904, UP032 - see above
    value = getattr(module, name)  # type: object
    globals()[name] = value
    return value


def __dir__():
    # type: () -> list[str]
    return sorted(set(globals()) | set(_HOME))

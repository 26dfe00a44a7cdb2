"""The server behind `PythonSession("default")`."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .default_server import DefaultServer as DefaultServer


def __getattr__(name: str) -> object:
    if name != "DefaultServer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .default_server import DefaultServer

    return DefaultServer

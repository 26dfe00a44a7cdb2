"""Messages, names and limits of the session protocol: bytes in, values out, no I/O.

`tech_renaissance.protocol` was one module once: what users take from it is that of `messages`.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .messages import *  # noqa: F403


def __getattr__(name: str) -> object:
    if name == "messages":  # asked for before it is imported
        raise AttributeError(name)
    import importlib

    return getattr(importlib.import_module(".messages", __name__), name)

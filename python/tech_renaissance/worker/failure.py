"""From a Python exception to the failure that a response carries."""

from __future__ import annotations

import os
import sys

from ..errors import UNKNOWN, TRException
from ..protocol.messages import Failure

MAX_TRACEBACK = 64 << 10
_MAX_MESSAGE = 16 << 10
_OWN_DIRECTORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


# Of what happens where somebody wants to type.
_NO_TERMINAL = (
    " (a worker has no terminal to read from. To debug it: keep_on_failure, and 'python -m tech_renaissance replay "
    "<directory> --pdb' repeats a failure under pdb; or SessionOptions::debug_port, to which a debugger can attach)"
)


def failure_from(error: BaseException) -> Failure:
    """Type, message and traceback of an exception; TRException keeps its code, all others are E9999."""
    code = error.code if isinstance(error, TRException) else UNKNOWN
    try:
        message = str(error)
    except Exception:
        message = "(its message cannot be told: str() of it failed)"
    message = _shorten(message, _MAX_MESSAGE) + _advice(error, message)
    return Failure(code, message, _name(error), _shorten(_traceback(error), MAX_TRACEBACK))


def _advice(error: BaseException, message: str) -> str:
    kind = _name(error)
    if kind == "bdb.BdbQuit" or (kind == "EOFError" and message == "EOF when reading a line"):
        return _NO_TERMINAL
    if isinstance(error, (ImportError, AttributeError)):
        return _hidden_module(message)
    return ""


def _hidden_module(message: str) -> str:
    """Of the modules that the message names, the first that is a file beside the script in place of another one."""
    folder = os.path.abspath(sys.path[0] or ".") if sys.path else ""
    for word in message.replace('"', "'").split("'")[1::2]:
        name = word.partition(".")[0]
        file = getattr(sys.modules.get(name), "__file__", None) or getattr(
            sys.modules.get("__main__"), "__file__", None
        )
        if not file or os.path.dirname(os.path.abspath(file)) not in (folder, os.path.join(folder, name)):
            continue
        stem = os.path.splitext(os.path.basename(file))[0]
        if stem not in (name, "__init__"):
            continue
        from importlib.machinery import PathFinder

        try:
            hidden = PathFinder.find_spec(name, sys.path[1:])
        except (ImportError, ValueError):
            return ""
        if hidden is not None or name in getattr(sys, "stdlib_module_names", ()):
            return f" ('{file}' hides the module {name} from all that import it: rename the file)"
    return ""


def _traceback(error: BaseException) -> str:
    try:
        import traceback

        # The frames of this package that lead to the user's code tell the user nothing.
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OWN_DIRECTORY):
            trace = trace.tb_next
        frames = error.__traceback__ if trace is None else trace
        return "".join(traceback.format_exception(type(error), error, frames))
    except (Exception, MemoryError):
        return ""


def _name(error: BaseException) -> str:
    kind = type(error)
    if kind.__module__ == "builtins" or isinstance(error, TRException):
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def _shorten(text: str, limit: int) -> str:
    """Head and tail of a long text: a traceback says where it began and, last, what happened."""
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")  # as it has to reach the host
    if len(text) <= limit:
        return text
    half = limit // 2 - 20
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"

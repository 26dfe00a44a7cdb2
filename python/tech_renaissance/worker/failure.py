"""From a Python exception to the failure that a response carries."""

from __future__ import annotations

import os
import sys

from ..errors import UNKNOWN, TRException
from ..protocol.messages import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType, TracebackType
    from typing import Any

    Frame = tuple[str, int, str]  # file, line and function

MAX_TRACEBACK = 64 << 10
_MAX_MESSAGE = 16 << 10
_MAX_FRAMES = 100
_OWN_DIRECTORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
# Out of these user code is called.
_CALLERS = tuple(
    f"{_OWN_DIRECTORY}worker{os.sep}{it}.py" for it in ("dispatch", "threads", "event_loop", "endpoints", "runtime")
)
_LIBRARY = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_TYPED = ("<stdin>", "<string>", "<ipython")
_PACKAGES = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


# Of what happens where somebody wants to type.
_NO_TERMINAL = (
    " (a worker has no terminal to read from. To debug it: keep_on_failure, and 'python -m tech_renaissance replay "
    "<directory> --pdb' repeats a failure under pdb; or SessionOptions::debug_port, to which a debugger can attach)"
)

_NO_PACKAGE = (
    " (a script belongs to no package: name it as a module, SessionOptions::module, with the folder of the package on "
    "PYTHONPATH, or import by the full name)"
)


def failure_from(error: BaseException) -> Failure:
    """Type, message and traceback of an exception; TRException keeps its code, all others are E9999."""
    code = error.code if isinstance(error, TRException) else UNKNOWN
    try:
        message = str(error)
    except Exception:
        message = "(its message cannot be told: str() of it failed)"
    message = _shorten(message, _MAX_MESSAGE) + at(place_of_error(error)) + _advice(error, message)
    return Failure(code, message, _name(error), _shorten(_traceback(error), MAX_TRACEBACK))


# ---------------------------------------------------------------------------------------------------- where code stands


def at(place: str) -> str:
    """A place as a message ends with it."""
    return f" (at {place})" if place else ""


def place_of(frames: Iterable[Frame]) -> str:
    """The innermost place in the user's code, of frames from the outermost on; "" when there is none."""
    place = called = ""
    first = True
    for file, line, function in frames:
        if file.startswith(_CALLERS):
            continue
        if _is_users(file):
            place = f"{file}:{line}, in {function}"
        elif first and not file.startswith(_OWN_DIRECTORY):
            called = f"{file}:{line}, in {function}"  # of a server that is installed itself
        first = False
    return place or called


def place_of_error(error: BaseException) -> str:
    """That of the code out of which an exception came."""
    return place_of(_frames_of(error.__traceback__))


def place_here() -> str:
    """That of the code that has called this package."""
    return place_of(frames_from(sys._getframe(1)))


def place_of_function(function: Any) -> str:
    """Where a function or method is defined."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return "" if code is None else place_of([(code.co_filename, code.co_firstlineno, code.co_name)])


def frames_from(frame: FrameType | None) -> list[Frame]:
    """Those of user code on a thread that is there, from the one that was called first on."""
    frames: list[Frame] = []
    while frame is not None and not frame.f_code.co_filename.startswith(_CALLERS):
        frames.append((frame.f_code.co_filename, frame.f_lineno or 0, frame.f_code.co_name))
        frame = frame.f_back
    return frames[::-1]


def stack_of(frames: list[Frame]) -> str:
    """Frames as in a traceback, without the lines themselves, which would have to be read; the innermost ones of many.

    For a thread that must import nothing: another one may be stuck in an import.
    """
    return "".join(f'  File "{file}", line {line}, in {function}\n' for file, line, function in frames[-_MAX_FRAMES:])


def _frames_of(trace: TracebackType | None) -> Iterable[Frame]:
    while trace is not None:
        code = trace.tb_frame.f_code
        yield code.co_filename, trace.tb_lineno, code.co_name
        trace = trace.tb_next


def _is_users(file: str) -> bool:
    """It is no file of this package, of Python's own, or of a package that was installed."""
    if file.startswith("<"):
        return file.startswith(_TYPED)
    return not (file.startswith((_OWN_DIRECTORY, _LIBRARY)) or any(folder in file for folder in _PACKAGES))


# -------------------------------------------------------------------------------------------------------------- advice


def _advice(error: BaseException, message: str) -> str:
    kind = _name(error)
    if kind == "bdb.BdbQuit" or (kind == "EOFError" and message == "EOF when reading a line"):
        return _NO_TERMINAL
    if isinstance(error, ImportError) and "attempted relative import with no known parent package" in message:
        return _NO_PACKAGE
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

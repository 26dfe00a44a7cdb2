"""What this package raises; one class for each action that a caller can take.

    TRException (RuntimeError)
    |-- InputError      fix the input: E1001, E1003, E1005
    |   |-- TSRError        a .tsr file is malformed, or cannot be read or written (also a ValueError)
    |   `-- NotFoundError   E1004: no such command or tensor
    |-- RetryError      try again later: E3002, E4001, E4002
    |   |-- TimeoutError    E3003: the deadline passed; the worker may still be at work (also the builtin TimeoutError)
    |   `-- OverloadedError E3002: the queue of a pool is full; it says when to try again
    |-- RestartError    the worker is gone or never came: start it again: E2002, E3001
    |-- RemoteError     the Python code raised: report it: E9999
    `-- ServerError     for servers of the older bridge to raise: E9999

The C++ library has the same tree with the same names, but for the last.
"""

from __future__ import annotations

import builtins

INVALID_REQUEST = "E1001"
PERMISSION_DENIED = "E1003"
NOT_FOUND = "E1004"
REQUEST_TOO_LARGE = "E1005"
QUOTA_EXHAUSTED = "E2002"
SERVER_ERROR = "E3001"
OVERLOADED = "E3002"
TIMEOUT = "E3003"
CONFLICT = "E4001"
CANCELLED = "E4002"
UNKNOWN = "E9999"


class TRException(RuntimeError):  # noqa: N818 - the name it has in C++
    """Base of everything that this package raises.

    Attributes:
        code: the code of docs/errors.md, e.g. "E1004".
        python_type: class name of the exception in the worker; empty when none was raised there.
        traceback: the worker's traceback as Python prints it; empty when there is none.
    """

    default_code = UNKNOWN

    def __init__(self, message: str, code: str = "", python_type: str = "", traceback: str = "") -> None:
        super().__init__(message)
        self.code = code or self.default_code
        self.python_type = python_type
        self.traceback = traceback


class InputError(TRException):
    """The input is wrong or not allowed: fix it."""

    default_code = INVALID_REQUEST


class TSRError(InputError, ValueError):
    """A `.tsr` file is malformed, or cannot be read or written."""


class NotFoundError(InputError):
    """There is no such command or tensor."""

    default_code = NOT_FOUND


class RetryError(TRException):
    """It may work when tried again later."""

    default_code = OVERLOADED


class TimeoutError(RetryError, builtins.TimeoutError):  # noqa: A001 - the name it has in C++; it is the builtin too
    """The deadline passed; the worker may still be at work."""

    default_code = TIMEOUT


class OverloadedError(RetryError):
    """The queue of a pool is full (`PoolOptions.max_queue_size`). The call was not made.

    Attributes:
        retry_after_ms: when a place may be free: an estimate, from how long calls have taken.
    """

    retry_after_ms = 0


class RestartError(TRException):
    """The worker is gone or never came: start it again.

    Attributes:
        may_retry: the request may be sent again once there is a worker: it was not run, or `RestartPolicy.idempotent`
            names its command. Otherwise nobody can tell what effect it had.
    """

    default_code = SERVER_ERROR
    may_retry = False


class RemoteError(TRException):
    """The Python code in the worker raised: report it."""


class ServerError(TRException):
    """For servers to raise, as those of the older bridge do: the host gets a RemoteError with its text."""


class Cancelled(BaseException):
    """Raised in a server's code to end it: the host has given the request up, or the worker is to leave.

    No Exception, as asyncio's is none, so that an `except Exception` lets it pass. Clean up in `finally`.

    Attributes:
        code: "E4002".
    """

    code = CANCELLED

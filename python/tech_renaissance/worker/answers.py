"""What becomes of a call when `main_logic` has come to its end, in whichever way it is run."""

from __future__ import annotations

from ..errors import NOT_FOUND, PERMISSION_DENIED, UNKNOWN, Cancelled, InputError
from ..platform.output import log
from ..protocol import messages
from ..protocol.messages import Failure
from .failure import failure_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .call import Call
    from .server import TechRenaissanceServer


def is_to_leave(call: Call) -> bool:
    """Of a call that is not for main_logic: whether the worker is asked to leave. All else is answered here."""
    problem = call.request.problem
    if problem is not None:
        call.fail(Failure(problem.code, str(problem), type(problem).__name__))
        return False
    if not call.channel.name:
        return True
    message = f"{messages.EXIT_COMMAND} is refused: this worker was started by another program, which alone may end it"
    call.fail(Failure(PERMISSION_DENIED, message, "InputError"))
    return False


def dismisses(call: Call, outcome: object) -> bool:
    """`main_logic` does not know a command `exit`: then it is for the worker, as hosts of the older bridge mean it."""
    return outcome is False and call.request.command == messages.EXIT and not call.answered and not call.channel.name


def returned(server: TechRenaissanceServer, call: Call, outcome: object) -> None:
    """`main_logic` has returned: the answer, unless it has given one."""
    if call.answered:
        return
    command = call.request.command
    if outcome is True:
        call.answer(messages.OK)
    elif outcome is False:
        call.fail(Failure(NOT_FOUND, _unknown_command(server, command), "NotFoundError"))
    else:
        message = (
            f"main_logic of {type(server).__name__} returned a {type(outcome).__name__} for {command!r:.200} "
            "and wrote no response: it must return True when it served the command, False when it does not know it"
        )
        call.fail(Failure(UNKNOWN, message, "TypeError"))


def raised(call: Call, error: BaseException) -> None:
    """`main_logic` has raised: the answer, or a line in the log when there is one already."""
    if isinstance(error, Cancelled):
        call.fail_as_cancelled()
        return
    failure = failure_from(error)
    command = call.request.command
    if isinstance(error, SystemExit):
        failure.message = f"the server called sys.exit({error.code!r}) in {command!r} and has left"
    if call.answered:
        log(f"{failure.type} after the answer to {command!r}: {failure.message}\n{failure.traceback}")
    else:
        log(f"{command!r} failed: {failure.type}: {failure.message}\n{failure.traceback}".rstrip())
        call.fail(failure)


def _unknown_command(server: TechRenaissanceServer, command: str) -> str:
    known = [str(name) for name in server.commands]
    text = f"unknown command {command!r:.200}"
    if not known:
        return f"{text}: main_logic of {type(server).__name__} does not know it"
    import difflib

    close = difflib.get_close_matches(command[:200], known, 1)
    meant = f"did you mean {close[0]!r}? " if close else ""
    return f"{text}: {meant}this server offers {', '.join(known)}"


def text_of(result: Any) -> str:
    """What `write_response` was given, as the text of an answer. Raises InputError for what is none."""
    if result is None:
        return messages.OK
    if isinstance(result, (dict, list, tuple)) or hasattr(type(result), "__dataclass_fields__"):
        return _json_of(result)
    if isinstance(result, (bytes, bytearray, memoryview)):
        raise InputError(
            f"result is {len(result)} bytes: expected text; decode them, or send them as a tensor, "
            "send_tensors(numpy.frombuffer(data, numpy.uint8))"
        )
    if hasattr(result, "dtype") and hasattr(result, "shape"):
        if len(result.shape):
            raise InputError(
                f"result is a {type(result).__name__} of shape {tuple(result.shape)}: expected text; "
                "send it with send_tensors(…)"
            )
        return str(result.item())
    return str(result)


def _json_of(result: Any) -> str:
    import json

    def simpler(value: Any) -> Any:
        if hasattr(type(value), "__dataclass_fields__"):
            return {name: getattr(value, name) for name in value.__dataclass_fields__}
        if hasattr(value, "dtype") and hasattr(value, "tolist"):
            return value.tolist()
        raise TypeError(f"a {type(value).__name__}")

    try:
        return json.dumps(result if isinstance(result, (dict, list, tuple)) else simpler(result), default=simpler,
                          ensure_ascii=False, allow_nan=False)  # fmt: skip
    except (TypeError, ValueError) as error:
        raise InputError(
            f"result is {result!r:.200}, which JSON cannot say ({error}): expected texts, finite numbers, dicts with "
            "texts as keys, lists and dataclasses of these"
        ) from None

"""What becomes of a call when `main_logic` has come to its end, in whichever way it is run."""

from __future__ import annotations

import sys

from ..errors import NOT_FOUND, PERMISSION_DENIED, UNKNOWN, Cancelled, InputError
from ..platform.output import log
from ..protocol import messages
from ..protocol.messages import Failure
from .failure import at, failure_from, place_of_error, place_of_function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .call import Call
    from .endpoints import Endpoints
    from .server import TechRenaissanceServer


def endpoints_of(server: TechRenaissanceServer) -> Endpoints | None:
    """Those of a server; None for one that has none, but a main_logic.

    Raises:
        InputError: it has neither, and so serves nothing; or an endpoint is none.
    """
    from .server import TechRenaissanceServer as Base

    has_logic = getattr(server.main_logic, "__func__", None) is not Base.main_logic
    has_health = has_logic and getattr(server.health, "__func__", None) is not Base.health
    if "tech_renaissance.endpoints.declare" in sys.modules or has_health:  # or nothing can be marked
        from .endpoints import Endpoints

        endpoints = Endpoints(server, server.main_logic if has_logic else None)
        if endpoints.by_name or has_health:
            return endpoints
    if has_logic:
        return None
    import difflib

    kind = type(server)
    own = [name for owner in kind.__mro__ if not issubclass(Base, owner) for name in vars(owner)]
    close = difflib.get_close_matches("main_logic", own, 1, 0.5)
    where = at(place_of_function(getattr(kind, close[0]))) if close else ""
    meant = f": did you mean this by its method {close[0]!r}{where}?" if close else ""
    raise InputError(
        f"{kind.__name__} has no endpoint, and does not override main_logic(command, parameters), which serves "
        f"requests{meant}"
    )


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
            f"{at(place_of_function(server.main_logic))}"
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
        failure.message += at(place_of_error(error))
    if call.answered:
        log(f"{failure.type} after the answer to {command!r}: {failure.message}\n{failure.traceback}")
    else:
        log(f"{command!r} failed: {failure.type}: {failure.message}\n{failure.traceback}".rstrip())
        call.fail(failure)


def _unknown_command(server: TechRenaissanceServer, command: str) -> str:
    known = [str(name) for name in server.commands]
    compared = known or _commands_compared(server.main_logic)
    text = f"unknown command {command!r:.200}"
    where = f"main_logic of {type(server).__name__} does not know it{at(place_of_function(server.main_logic))}"
    if not compared:
        return f"{text}: {where}"
    import difflib

    close = difflib.get_close_matches(command[:200], compared, 1)
    meant = f"did you mean {close[0]!r}? " if close else ""
    if known:
        return f"{text}: {meant}this server offers {', '.join(known)}"
    return f"{text}: {meant}{where}; it compares with {', '.join(map(repr, compared))}"


def _commands_compared(logic: Any) -> list[str]:
    """The texts that the source of main_logic compares its command with, for a server that declares none."""
    import ast
    import inspect
    import textwrap

    try:
        tree: Any = ast.parse(textwrap.dedent(inspect.getsource(logic))).body[0]
        name = tree.args.args[-2].arg  # behind self, where there is one
    except (OSError, TypeError, SyntaxError, ValueError, AttributeError, IndexError):
        return []
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and _is_name(node.left, name):
            parts = node.comparators
        elif hasattr(node, "cases") and _is_name(getattr(node, "subject", None), name):
            parts = [case.pattern for case in node.cases]
        else:
            continue
        constants = [getattr(inner, "value", None) for part in parts for inner in ast.walk(part)]
        found += [value for value in constants if isinstance(value, str)]
    return list(dict.fromkeys(found))


def _is_name(node: Any, name: str) -> bool:
    return getattr(node, "id", None) == name


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

"""Messages, tags and status lines of the session protocol (docs/protocol.md): bytes in, values out, no I/O.

Requests and responses have two spellings. The older one says `cmd` and `params`; it is read everywhere, and a request
in it is answered in it.
"""

from __future__ import annotations

import time

from ..errors import InputError
from .json_object import (
    BLANKS,
    MAX_MESSAGE_BYTES,
    encode,
    encode_object,
    encode_text,
    kind_of,
    parse_object,
    quote,
    sound_object,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

PROTOCOL_VERSION = 1
#: The command that asks a worker to leave; never passed to `main_logic`.
EXIT_COMMAND = "__exit__"
#: The same from hosts of the older bridge, and from people; a server may have a command of that name.
EXIT = "exit"

#: What a worker of this version can do besides the first version of the protocol; its hello says so.
FEATURES = ("channels", "cancel", "arguments", "names", "buffers", "endpoints")
#: The same of one that has the library.
LIBRARY_FEATURES = (*FEATURES, "loans")

READY = "ready"
BUSY = "busy"
OK = "ok"
EXITING = "exiting"
#: The same to a host of the older bridge.
TERMINATED = "terminated"

_MAX_STATUS = 500
_MAX_ID = 2**64 - 1

_FIRST_OF_TAG = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
_IN_TAG = _FIRST_OF_TAG | frozenset(".-")
_MAX_TAG = 128
# Of what was taken apart before, as most requests name the same few tags.
_MANY = 64


class Request:
    """One request.

    Attributes:
        id: the host's number for it, None when it gave none.
        legacy: it came in the older spelling.
        deadline_ms: how long the host will wait, as it said so, else None.
        buffers: where tensors lie whose files have yet to get the names of their tags; see `places_in`.
        names: of tensors, each behind its tag; see `names_in`.
        traceparent: of the host's span, as W3C Trace Context has it; "" when it gave none.
        problem: why it cannot be served, when reading it failed.
    """

    __slots__ = ("_arguments", "buffers", "command", "deadline_ms", "id", "legacy", "names", "parameters", "problem",
                 "traceparent")  # fmt: skip

    def __init__(
        self,
        command: str,
        parameters: str = "",
        id: int | None = None,  # noqa: A002 - its name on the wire
        deadline_ms: int | None = None,
        buffers: str = "",
        names: str = "",
        traceparent: str = "",
        arguments: dict[str, object] | bytes | None = None,
        *,
        legacy: bool = False,
    ) -> None:
        self.command = command
        self.parameters = parameters
        self.id = id
        self.legacy = legacy
        self.deadline_ms = deadline_ms
        self.buffers = buffers
        self.names = names
        self.traceparent = traceparent
        self._arguments = arguments
        self.problem: InputError | None = None

    @property
    def arguments(self) -> dict[str, object]:
        """The typed arguments; empty when there are none. From the library they come as JSON, for here."""
        if not isinstance(self._arguments, dict):
            self._arguments = sound_object(self._arguments, "arguments") if self._arguments else {}
        return self._arguments


class Failure:
    """What went wrong in a worker, as a response carries it."""

    __slots__ = ("code", "message", "traceback", "type")

    def __init__(self, code: str, message: str, type: str = "", traceback: str = "") -> None:  # noqa: A002 - as on the wire
        self.code = code
        self.message = message
        self.type = type
        self.traceback = traceback


class Response:
    """The answer to one request, or with `more` a part of it; `tensors` are the tags of its tensors, in order.

    With `leaving` it is the worker's last, as it was asked to end.

    `buffers` tells where those of them lie whose files have yet to get the names of their tags, `names` what the server
    calls some of them, each behind its tag. `values` are results that are no tensors, by name.
    """

    __slots__ = ("buffers", "command", "failure", "id", "leaving", "legacy", "message", "more", "names", "result",
                 "tensors", "values")  # fmt: skip

    def __init__(
        self,
        command: str,
        result: str = OK,
        id: int | None = None,  # noqa: A002 - its name on the wire
        tensors: Sequence[str] = (),
        *,
        message: str = "",
        failure: Failure | None = None,
        legacy: bool = False,
    ) -> None:
        self.command = command
        self.result = result
        self.id = id
        self.tensors = tensors
        self.message = message
        self.failure = failure
        self.legacy = legacy
        self.more = False
        self.leaving = False
        self.buffers = ""
        self.names = ""
        self.values: dict[str, object] = {}

    def is_plain(self) -> bool:
        """It tells of success and no more, as nearly all do."""
        return self.failure is None and not (self.legacy or self.more or self.leaving or self.message)


def is_tag(name: str) -> bool:
    """Whether a string may name a tensor or a session."""
    return 0 < len(name) <= _MAX_TAG and name[0] in _FIRST_OF_TAG and _IN_TAG.issuperset(name)


def check_tag(name: str, what: str = "a tensor tag") -> str:
    """The name itself.

    Raises:
        InputError: it may not name a tensor or a session.
    """
    if not is_tag(name):
        shown = name if len(name) <= 150 else name[:150] + "…"
        raise InputError(
            f"{shown!r} cannot be {what}: expected 1 to 128 letters, digits, '_', '-' or '.', "
            "the first of them a letter, digit or '_'"
        )
    return name


def split_tags(parameters: str) -> tuple[str, ...]:
    """The tags in "input_a input_b" or "input_a,input_b".

    Raises:
        InputError: something there is no tag.
    """
    found = _tags_in.get(parameters)
    if found is None:
        found = tuple(map(check_tag, parameters.replace(",", " ").split()))
        if len(_tags_in) >= _MANY:
            _tags_in.clear()
        _tags_in[parameters] = found
    return found


_tags_in: dict[str, tuple[str, ...]] = {}


def places_in(buffers: str) -> dict[str, tuple[int, str]]:
    """Of "a 1234 .host-1": for each tag the inode of its buffer, and the name that its file has for now.

    Raises:
        InputError: it is not such a text.
    """
    known = _places_in.get(buffers)
    if known is not None:
        return known
    words = buffers.split(" ") if buffers else []
    places = {tag: (inode, name) for tag, inode, name in zip(words[::3], words[1::3], words[2::3])}
    good = len(words) == 3 * len(places) and all(
        is_tag(tag) and _is_inode(inode) and is_tag(name.removeprefix(".")) for tag, (inode, name) in places.items()
    )
    if not good:
        raise InputError(
            f"{buffers[:200]!r} in 'buffers' does not tell where tensors lie: expected a tag, an inode and a "
            "file's name for each, with a blank between two words"
        )
    if len(_places_in) >= _MANY:
        _places_in.clear()
    _places_in[buffers] = {tag: (int(inode), name) for tag, (inode, name) in places.items()}
    return _places_in[buffers]


_places_in: dict[str, dict[str, tuple[int, str]]] = {}


def names_in(names: str) -> dict[str, str]:
    """Of "a obs b act": the tag of each tensor by its name.

    Raises:
        InputError: it is not such a text.
    """
    known = _names_in.get(names)
    if known is not None:
        return known
    words = names.split(" ") if names else []
    tags = dict(zip(words[1::2], words[::2]))
    if len(words) != 2 * len(tags) or len(set(tags.values())) < len(tags) or not all(map(is_tag, words)):
        raise InputError(
            f"{names[:200]!r} in 'names' does not name tensors: expected a tag and a name for each, with a blank "
            "between two words, and none of them twice"
        )
    if len(_names_in) >= _MANY:
        _names_in.clear()
    _names_in[names] = tags
    return tags


_names_in: dict[str, dict[str, str]] = {}


def _is_inode(text: str) -> bool:
    return text.isascii() and text.isdigit() and text[0] != "0" and len(text) <= 20 and int(text) <= _MAX_ID


def error_status(text: str) -> str:
    """The line for `status.txt` that tells of an error."""
    return "error: " + one_line(text)


def one_line(text: str) -> str:
    """The first line of a text that has something in it, shortened to what a status file should hold."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    line = "".join(letter if letter.isprintable() else " " for letter in line)
    return line if len(line) <= _MAX_STATUS else line[: _MAX_STATUS - 1] + "…"


def now_ms() -> int:
    """Milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


def parse_request(data: bytes | bytearray | memoryview) -> Request:
    """Reads a request in either spelling.

    Raises:
        InputError: it is none. What was understood of it (id, command, spelling) is in the exception's `request`.
    """
    request = Request("")
    try:
        _fill_request(request, parse_object(data, "request"))
    except InputError as error:
        error.request = request  # type: ignore[attr-defined]
        raise
    return request


def read_request(data: bytes | bytearray | memoryview) -> Request:
    """The same, but what makes it unreadable becomes the request's `problem`, for the answer."""
    match = _match_plain(data) if len(data) <= MAX_MESSAGE_BYTES else None
    if match is not None:  # as nearly all are, in a third of the time that JSON takes
        command, parameters, id, deadline_ms, names, buffers = match.groups(b"")  # noqa: A001 - its name on the wire
        deadline = int(deadline_ms) if deadline_ms else None
        return Request(command.decode(), parameters.decode(), int(id), deadline, buffers.decode(), names.decode())
    try:
        return parse_request(data)
    except InputError as error:
        if len(data) < 16 and bytes(data).strip() == EXIT.encode():
            return Request(EXIT, legacy=True)  # hosts of the older bridge send what they are given as it is
        return unreadable(error)


def _match_plain(data: bytes | bytearray | memoryview) -> Any:
    """The parts of a request in the one form that hosts write. Workers with the library never come here."""
    global _plain_request
    if _plain_request is None:
        import re  # which takes as long as everything else that a worker imports

        plain, number = rb"[ !#-\[\]-~]", rb"0|[1-9][0-9]{0,18}"
        _plain_request = re.compile(
            rb'\{"command":"(%b+)","parameters":"(%b*)","id":(%b),"timestamp":(?:%b)(?:,"deadline_ms":(%b))?'
            rb'(?:,"names":"(%b*)")?(?:,"buffers":"(%b*)")?\}' % (plain, plain, number, number, number, plain, plain)
        ).fullmatch
    return _plain_request(data)


_plain_request: Callable[[Any], Any] | None = None


def unreadable(error: InputError) -> Request:
    """A request that could not be read, for the answer to it."""
    request = getattr(error, "request", None) or Request("")
    request.problem = error
    return request


def _fill_request(request: Request, message: dict[str, object]) -> None:
    # First, so that whatever else is wrong can be answered under it.
    request.id = _whole_number(message, "id", "request", _MAX_ID)
    command, parameters = message.get("command"), message.get("parameters")
    if type(command) is str and type(parameters) is str and command:
        request.command, request.parameters = command, parameters
    else:
        request.legacy = "command" not in message and "cmd" in message
        request.command = _text(message, "cmd" if request.legacy else "command", "request")
        if not request.command:
            raise InputError(f"request: expected a text in 'command', found keys {sorted(message)[:20]!r}")
        # A host that knows only the older names may still add "command", so each name is looked for by itself.
        request.parameters = _text(message, "parameters" if "parameters" in message else "params", "request")
    request.deadline_ms = _whole_number(message, "deadline_ms", "request", _MAX_ID)
    request.buffers = _text(message, "buffers", "request")
    request.names = _text(message, "names", "request")
    request.traceparent = _text(message, "traceparent", "request")
    arguments = message.get("arguments")
    if arguments is not None and not isinstance(arguments, dict):
        raise InputError(f"request: expected an object in 'arguments', found {kind_of(arguments)}")
    request._arguments = arguments


def encode_response(response: Response) -> bytes:
    """The bytes of a response, in the spelling that its `legacy` says."""
    failure = response.failure
    if response.is_plain() and response.id is not None:
        return encode_success(
            response.id, response.command, response.result, response.tensors, response.buffers, response.names,
            response.values,
        )  # fmt: skip
    message: dict[str, object] = {}
    if response.id is not None:
        message["id"] = response.id
    if response.legacy:
        message["cmd"] = response.command
        message["params"] = ",".join(response.tensors) if response.tensors and failure is None else response.result
        if failure is not None:
            message["message"] = response.message
    else:
        message["command"] = response.command
        message["result"] = response.result
        message["message"] = response.message
        message["tensors"] = list(response.tensors)
        if response.more:
            message["more"] = True
        if response.leaving:
            message["leaving"] = True
    if response.names and not response.legacy:
        message["names"] = response.names
    if response.buffers:
        message["buffers"] = response.buffers
    if failure is not None:
        message["error"] = {
            "code": failure.code,
            "type": failure.type,
            "message": failure.message,
            "traceback": failure.traceback,
        }
    message["timestamp"] = now_ms()
    if response.values:
        message["values"] = response.values
    return encode_object(message)


def encode_success(
    id: int,  # noqa: A002 - as on the wire
    command: str,
    result: str,
    tensors: Sequence[str],
    buffers: str = "",
    names: str = "",
    values: dict[str, object] | None = None,
) -> bytes:
    """What nearly every response is, in a fifth of the time that the general way takes."""
    # Tags are quoted as they are: no letter of theirs needs an escape.
    tags = '"' + '","'.join(tensors) + '"' if tensors else ""
    places = f'"buffers":"{buffers}",' if buffers else ""
    named = f'"names":"{names}",' if names else ""
    more = f',"values":{encode(values)}' if values else ""
    text = (
        f'{{"id":{id},"command":{quote(command)},"result":{quote(result)},"message":"","tensors":[{tags}],'
        f'{named}{places}"timestamp":{now_ms()}{more}}}'
    )
    return encode_text(text)


def parse_response(data: bytes | bytearray | memoryview) -> Response:
    """Reads a response in either spelling.

    In the older one the text may be a list of tags: they are then in `tensors` as well, and whoever has the files
    knows whether there are such tensors.

    Raises:
        InputError: it is no response.
    """
    message = parse_object(data, "response")
    legacy = "command" not in message and "cmd" in message
    for key in ("command", "result", "cmd", "params"):  # those of the other spelling as well
        _text(message, key, "response")
    response = Response(
        _text(message, "cmd" if legacy else "command", "response"),
        _text(message, "params" if legacy else "result", "response"),
        _whole_number(message, "id", "response", _MAX_ID),
        message=_text(message, "message", "response"),
        failure=_failure(message),
        legacy=legacy,
    )
    response.more = message.get("more") is True
    response.leaving = message.get("leaving") is True
    response.tensors = _tags(message)
    response.buffers = _text(message, "buffers", "response")
    response.names = _text(message, "names", "response")
    values = message.get("values")
    if values is not None and not isinstance(values, dict):
        raise InputError(f"response: expected an object in 'values', found {kind_of(values)}")
    response.values = values or {}
    if legacy:
        words = [word.strip(BLANKS) for word in response.result.split(",")]
        response.tensors = words if response.failure is None and all(map(is_tag, words)) else []
    return response


def _failure(message: dict[str, object]) -> Failure | None:
    error = message.get("error")
    if error is None:
        return None
    if not isinstance(error, dict):
        raise InputError(f"response: expected an object in 'error', found {kind_of(error)}")
    code, text, kind, traceback = (
        _text(error, key, "response error") for key in ("code", "message", "type", "traceback")
    )
    return Failure(code, text, kind, traceback)


def _tags(message: dict[str, object]) -> list[str]:
    tags = message.get("tensors")
    if tags is None:
        return []
    if not isinstance(tags, list):
        raise InputError(f"response: expected a list in 'tensors', found {kind_of(tags)}")
    for tag in tags:
        if not isinstance(tag, str):
            raise InputError(f"response: expected tags in 'tensors', found {kind_of(tag)}")
        check_tag(tag)
    return tags


def _text(message: dict[str, object], key: str, what: str) -> str:
    value = message.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InputError(f"{what}: expected a text in {key!r}, found {kind_of(value)}")
    return value


def _whole_number(message: dict[str, object], key: str, what: str, limit: int) -> int | None:
    value = message.get(key)
    if value is None:
        return None
    if type(value) is not int or not 0 <= value <= limit:
        raise InputError(f"{what}: expected a whole number from 0 to {limit} in {key!r}, found {str(value)[:40]}")
    return value

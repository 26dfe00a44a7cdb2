"""What each reader of a peer's bytes makes of an input, in the words of targets.cpp.

"refused", or "accepted" and what was understood; anything but an answer is a finding. NumPy is all that it needs.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import shutil
import tempfile
from pathlib import Path

from tech_renaissance.channel import mailbox, session_dir
from tech_renaissance.data import tsr, tsr_header
from tech_renaissance.default_server import call_syntax
from tech_renaissance.errors import InputError, TSRError
from tech_renaissance.protocol import messages as protocol
from tech_renaissance.protocol.json_object import parse_object

REFUSED = "refused"


def read_tsr(data: bytes) -> str:
    """The reader of headers, and that of streams."""
    says = REFUSED
    try:
        header = tsr_header.decode_header(data, len(data), "input")
        assert header.header_bytes + header.data_bytes == len(data)
        says = f"{header.dtype} ({', '.join(map(str, header.shape))}{',' if len(header.shape) == 1 else ''})"
        if header.dtype.name == "bool" and data[header.header_bytes :].translate(None, b"\0\1"):
            says = REFUSED
    except TSRError:
        says = REFUSED
    try:
        tsr.read_tsr(io.BytesIO(data), "numpy")
    except TSRError:
        assert says == REFUSED
    except InputError as error:
        assert "ml_dtypes" in str(error)  # noqa: PT017 - a dtype that NumPy alone does not have
    return REFUSED if says == REFUSED else "accepted " + says


def read_response(data: bytes) -> str:
    """The reader of answers."""
    try:
        found = protocol.parse_response(data)
    except InputError:
        return REFUSED
    assert all(map(protocol.is_tag, found.tensors))
    command, result = (word.encode("utf-8").hex() for word in (found.command, found.result))
    number = "none" if found.id is None else found.id
    tags = "".join(f"{tag}," for tag in found.tensors)
    return (
        f"accepted id={number} more={int(found.more)} older={int(found.legacy)} command={command} result={result} "
        f"tensors={tags} places={_places(found.buffers)} names={_names(found.names)} values={_kinds_in(found.values)}"
    )


def _kinds_in(values: dict[str, object]) -> str:
    return "".join(
        sorted(f"{name.encode('utf-8', 'surrogateescape').hex()}:{_kind(value)}," for name, value in values.items())
    )


def _kind(value: object) -> str:
    if type(value) is int:
        return "a whole number" if -(2**63) <= value < 2**63 else "a number"
    kinds = {type(None): "null", bool: "a bool", float: "a number", str: "a text", list: "a list", dict: "an object"}
    return kinds[type(value)]


def _places(buffers: str) -> str:
    try:
        return "".join(f"{tag}:{inode}:{name}," for tag, (inode, name) in protocol.places_in(buffers).items())
    except InputError:
        return REFUSED


def _names(names: str) -> str:
    try:
        return "".join(f"{tag}:{name}," for name, tag in protocol.names_in(names).items())
    except InputError:
        return REFUSED


def read_request(data: bytes) -> str:
    """The reader of requests; what it refuses has to be answered all the same."""
    request = protocol.read_request(data)
    protocol.encode_response(protocol.Response(request.command, id=request.id, legacy=request.legacy))
    if request.problem is not None:
        return REFUSED
    with contextlib.suppress(InputError):
        protocol.split_tags(request.parameters)
    protocol.error_status(request.parameters)
    assert isinstance(request.arguments, dict)
    return "accepted " + request.command.encode("utf-8").hex()


def read_arguments(data: bytes) -> str:
    """What a worker makes of the arguments of a request, where a host has put in anything."""
    try:
        found = parse_object(data, "arguments")
        request = protocol.parse_request(b'{"command":"c","parameters":"","id":7,"arguments":' + data + b"}")
    except InputError:
        return REFUSED
    assert request.arguments == found
    return "accepted"


def read_session(data: bytes) -> str:
    """What a worker makes of session.json."""
    try:
        record = session_dir.HostRecord(parse_object(data, "session.json"))
    except InputError:
        return REFUSED
    assert record.host_pid >= 0
    return f"accepted pid={record.host_pid} epoch={record.epoch}"


class Scene:
    """A mailbox as an evil host sees it."""

    EPOCH = 1

    def __init__(self) -> None:
        self.directory = tempfile.mkdtemp(prefix="tr_fuzz_", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        atexit.register(shutil.rmtree, self.directory, ignore_errors=True)
        self._file = open(f"{self.directory}/mailbox", "w+b", buffering=0)  # noqa: SIM115 - as long as the process
        self._file.truncate(mailbox.FILE_BYTES)
        self._last = 0

    def write(self, data: bytes) -> None:
        """16 bytes of header, 16 of each line, and what goes into both slots; see targets.cpp."""
        parts = [data[start : start + 16].ljust(16, b"\0") for start in (0, 16, 32)]
        body = data[48 : 48 + mailbox.SLOT_BYTES]
        body, self._last = body.ljust(self._last, b"\0"), len(body)
        for offset, part in zip((0, 64, 128, 256, 256 + mailbox.SLOT_BYTES), [*parts, body, body]):
            self._file.seek(offset)
            self._file.write(part)


_scene: list[Scene] = []


def read_mailbox(data: bytes) -> str:
    """The worker's side of a mailbox, without the compiled module."""
    if not _scene:
        _scene.append(Scene())
    _scene[0].write(data)
    try:
        file = mailbox.MailboxFile(_scene[0].directory, Scene.EPOCH)
    except mailbox.MailboxError:
        return REFUSED
    try:
        message = mailbox.PureMailbox(file).next(0)
    except InputError:
        return REFUSED
    return "accepted nothing" if message is None else "accepted " + message.hex()


def read_call(data: bytes) -> str:
    """The argument syntax of the default server."""
    try:
        args, kwargs = call_syntax.parse_arguments(data.decode("utf-8", "replace"))
    except InputError:
        return REFUSED
    assert all(key.isidentifier() and not key.startswith("_") for key in kwargs)

    def check(name: call_syntax.Name) -> object:
        assert protocol.is_tag(name.text)
        return name.text

    call_syntax.substitute([*args, *kwargs.values()], check)
    return "accepted"


TARGETS = {
    "tsr": read_tsr,
    "response": read_response,
    "request": read_request,
    "arguments": read_arguments,
    "session": read_session,
    "mailbox": read_mailbox,
    "call": read_call,
}

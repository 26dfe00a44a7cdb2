"""`ServerHarness`: calls a server in this process, as a session would call it in a worker."""

from __future__ import annotations

import os
import shutil
import string
import sys
import tempfile
import threading
import time
import warnings
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from ..data.tensors import choose_framework, framework_of
from ..errors import InputError, RestartError
from ..protocol.json_object import parse_object
from ..protocol.messages import check_tag, names_in
from ..worker.server import TechRenaissanceServer
from .in_process import InProcess, write_record
from .line import Line
from .typed_calls import result_of, signature_of, split

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from ..data.tensors import Framework
    from ..protocol.messages import Response

_ID = "harness"
_GRACE_SECONDS = 5.0
_LETTERS = string.ascii_lowercase


class ServerHarness:
    """A server at work in this process, and the calls that a session makes of it.

        with ServerHarness(Server()) as h:
            assert h.calculate("double", 2.0) == 4.0

    It runs the code that serves in a worker, on a thread of this process, and carries requests and tensors through
    files in a temporary directory. So what the server does can be followed by a debugger, replaced by a test and
    counted by a coverage tool; what it prints is printed here; and errors are those of a session, with the same texts.
    A worker's death, what belongs to a process (signals, forks, the current directory), and the mailbox are for tests
    of a PythonSession.

    Calls may be made from any thread, and at the same time, which a server with `threads` or an `async def main_logic`
    serves beside each other.

    Attributes:
        server: the one it was made with.
    """

    def __init__(
        self, server: TechRenaissanceServer, *, framework: Framework | None = None, timeout_ms: int = 60_000
    ) -> None:
        """Nothing happens before `start` or `with`.

        Args:
            server: to call; it is in use until `close`.
            framework: "torch" or "numpy", of results; None for that of the tensors sent last, as in a session.
            timeout_ms: the limit of calls that are given none, milliseconds; 0: for ever.
        """
        if not isinstance(server, TechRenaissanceServer):
            made = "; make one of it: ServerHarness(Server())" if isinstance(server, type) else ""
            raise InputError(f"server is {server!r:.200}: expected a TechRenaissanceServer{made}")
        if framework is not None:
            choose_framework(framework)
        self.server = server
        self._framework = framework
        self._timeout_ms = timeout_ms
        self._last_sent: Framework | None = None
        self._mutex = threading.Condition()
        self._requests = self._waiting = 0
        self._directory = ""
        self._running: InProcess | None = None
        self._lines: list[Line] = []
        self._free: list[Line] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Has the server run `on_start` and take requests.

        Raises:
            RestartError: it has ended instead; its cause is what the server raised.
        """
        if self._running is not None:
            return
        self._directory = os.path.join(tempfile.mkdtemp(prefix="tr_harness_"), f"tr_session_{_ID}")
        os.makedirs(f"{self._directory}/channels", mode=0o700)
        write_record(self._directory, _ID)
        self._running = InProcess(self.server, self._directory, _ID)
        self._running.start()
        if not self._running.runs():
            error = self._running.error
            self.close()
            raise RestartError(f"the server ended before it was ready: {type(error).__name__}: {error}") from error
        self._by_hand = Line(self._directory, self._running)
        self._lines.append(self._by_hand)

    def close(self) -> None:
        """Ends the server: a request at work is told that it is cancelled, and waited for 5 seconds at most."""
        running, self._running = self._running, None
        if running is None:
            return
        if not running.stop(_GRACE_SECONDS):
            warnings.warn(
                f"{type(self.server).__name__} is still at work {_GRACE_SECONDS:.0f} s after its request was cancelled "
                "and its thread goes on; have main_logic look at self.cancelled()",
                RuntimeWarning,
                stacklevel=2,
            )
        else:
            running.close()
        with self._mutex:
            self._mutex.wait_for(lambda: self._waiting == 0)  # which is soon, as they are told
        for line in self._lines:
            line.close()
        self._lines, self._free = [], []
        shutil.rmtree(os.path.dirname(self._directory), ignore_errors=True)

    def calculate(self, command: str, *tensors: Any, timeout_ms: int | timedelta | None = None, **named: Any) -> Any:
        """The one result of a command on tensors, as `PythonSession.calculate` has it."""
        answer = self._calculate(command, tensors, named, timeout_ms)
        if len(answer.results) > 1:
            names = ", ".join(f"'{name}'" for name in answer.names if name)
            raise InputError(
                f"'{answer.command}' answered with {len(answer.results)} tensors, where calculate() gives one: use "
                f"calculate_many() for all of them{f', or calculate_named() for {names}' if names else ''}"
            )
        return answer.results[0]

    def calculate_many(
        self, command: str, *tensors: Any, timeout_ms: int | timedelta | None = None, **named: Any
    ) -> list[Any]:
        """All its results, in the order sent."""
        return self._calculate(command, tensors, named, timeout_ms).results

    def calculate_named(
        self, command: str, *tensors: Any, timeout_ms: int | timedelta | None = None, **named: Any
    ) -> dict[str, Any]:
        """All its results by the names that the server has given them."""
        answer = self._calculate(command, tensors, named, timeout_ms)
        results = {name: result for name, result in zip(answer.names, answer.results) if name}
        if len(results) < len(answer.results):
            names = ", ".join(f"'{name}'" for name in results)
            raise InputError(
                f"'{answer.command}' answered with {len(answer.results)} tensors, and names "
                f"{f'of these only {names}' if names else 'none of them'}: calculate_many() gives them in order; its "
                "server names them with send_tensors(name=...)"
            )
        return results

    def call(self, endpoint: str, *arguments: Any, timeout_ms: int | timedelta | None = None, **named: Any) -> Any:
        """What an endpoint gives, as `PythonSession.call` has it."""
        it = signature_of(self.server, endpoint)
        if it is not None and it.stream:
            raise InputError(f"{endpoint} answers in parts: read them with stream()")
        tensors, values = split(endpoint, it, arguments, named)
        message = _with_tags(endpoint, tensors)
        if values:
            message["arguments"] = values
        answer = self._exchange(message, [tensor for _, tensor in tensors], timeout_ms)
        return result_of(endpoint, answer.text, answer.results, answer.names, answer.values, it)

    def stream(
        self, command: str, *tensors: Any, timeout_ms: int | timedelta | None = None, **named: Any
    ) -> Iterator[Any]:
        """What comes in parts, as `PythonSession.stream` gives it. To stop reading, by `close()`, cancels the request.

        Args:
            command: as for `calculate`, or an endpoint.
            tensors: as for `calculate`; of an endpoint its arguments.
            timeout_ms: for each part.
            named: as for `call`.
        """
        it = signature_of(self.server, command.partition(" ")[0])
        as_tensors = not named and all(hasattr(one, "dtype") for one in tensors)  # numbers of NumPy among them
        given, values = ([("", one) for one in tensors], {}) if as_tensors else split(command, it, tensors, named)
        message = _with_tags(command, given)
        if values:
            message["arguments"] = values
        limit = self._limit(timeout_ms)
        with self._line() as line:
            framework = self._send(line, message, [tensor for _, tensor in given], 0)
            more = True
            while more:
                response = line.receive(_deadline(limit))
                part = [line.tensors.load(tag, framework) for tag in response.tensors]
                more = response.more
                if more:
                    line.took_part()
                if it is None:
                    yield from part
                elif more or part:
                    yield result_of(command, "", part, _names_of(response), response.values, it)

    def fetch_response(self, message: str, timeout_ms: int | timedelta | None = None) -> str:
        """The text of the answer to a request, as `PythonSession.fetch_response` has it."""
        return self._exchange(_request_of(message), (), timeout_ms).text

    def fetch_tensor(self, message: str, timeout_ms: int | timedelta | None = None) -> Any:
        """The one tensor of the answer to a request, the first where there are several."""
        return _with_results(self._exchange(_request_of(message), (), timeout_ms)).results[0]

    def send_tensor(self, tensor: Any, tag: str) -> None:
        """Puts a tensor where requests find it under `tag`."""
        self._require()
        self._kind([tensor])
        self._by_hand.tensors.store(tensor, tag)

    # ------------------------------------------------------------------------------------------------------ requests

    def _calculate(
        self, command: str, tensors: Sequence[Any], named: dict[str, Any], timeout_ms: int | timedelta | None
    ) -> _Answer:
        pairs: list[tuple[str, Any]] = []
        for item in (*tensors, named):
            pairs += item.items() if isinstance(item, dict) else [("", item)]
        for name in named:
            if name.startswith("timeout"):
                raise InputError(f"{name} is no option: expected timeout_ms; a tensor of that name goes into a dict")
        message = _with_tags(command, pairs)
        return _with_results(self._exchange(message, [tensor for _, tensor in pairs], timeout_ms))

    def _exchange(
        self, message: dict[str, object], tensors: Sequence[Any], timeout_ms: int | timedelta | None
    ) -> _Answer:
        limit = self._limit(timeout_ms)
        with self._line() as line, self._awaited():
            framework = self._send(line, message, tensors, limit)
            deadline = _deadline(limit)
            answer = _Answer(str(message["command"]), "", [], [], {})
            while True:
                response = line.receive(deadline)
                answer.names.extend(_names_of(response))
                answer.results.extend(line.tensors.load(tag, framework) for tag in response.tensors)
                if not response.more:
                    return answer._replace(text=response.result, values=response.values)
                line.took_part()

    def _send(self, line: Line, message: dict[str, object], tensors: Sequence[Any], limit: int) -> str:
        """Returns the framework that results are to be of."""
        framework = self._kind(tensors)
        for index, tensor in enumerate(tensors):
            line.tensors.store(tensor, _tag(index))
        with self._mutex:
            self._requests += 1
            request = self._requests
        line.send(request, message, limit)
        return framework

    @contextmanager
    def _awaited(self) -> Iterator[None]:
        """Somebody waits for an answer, which `close` waits for."""
        with self._mutex:
            self._waiting += 1
        try:
            yield
        finally:
            with self._mutex:
                self._waiting -= 1
                self._mutex.notify_all()

    @contextmanager
    def _line(self) -> Iterator[Line]:
        """A channel that nobody uses, for one request."""
        with self._mutex:
            running = self._require()
            line = self._free.pop() if self._free else self._open(running)
        try:
            yield line
        finally:
            if line.busy and running is self._running:
                line.cancel()
                # Of a request that is given up, the server still waits until each of its parts has been taken.
                threading.Thread(target=self._drain, args=(line,), daemon=True).start()
            else:
                with self._mutex:
                    self._free.append(line)

    def _drain(self, line: Line) -> None:
        with self._awaited():
            line.drain()
        with self._mutex:
            self._free.append(line)

    def _open(self, running: InProcess) -> Line:
        path = f"{self._directory}/channels/{{}}line{len(self._lines)}"
        os.mkdir(path.format("."), mode=0o700)
        write_record(path.format("."), _ID, tags_of="")
        os.rename(path.format("."), path.format(""))  # from now on the server can see it
        line = Line(path.format(""), running)
        self._lines.append(line)
        return line

    def _require(self) -> InProcess:
        if self._running is None:
            raise InputError("the harness is not started, or has been closed: use it in a with statement")
        return self._running

    def _limit(self, timeout_ms: int | timedelta | None) -> int:
        if timeout_ms is None:
            return self._timeout_ms
        if isinstance(timeout_ms, timedelta):
            timeout_ms = -(-timeout_ms // timedelta(milliseconds=1))
        if type(timeout_ms) is not int or timeout_ms < 0:
            raise InputError(f"timeout_ms is {timeout_ms!r:.200}: expected milliseconds or a timedelta, 0 for ever")
        return timeout_ms

    def _kind(self, tensors: Sequence[Any]) -> Framework:
        self._last_sent = framework_of(tensors) or self._last_sent
        kind = self._framework or self._last_sent or ("torch" if "torch" in sys.modules else "numpy")
        return choose_framework(kind)


class _Answer(NamedTuple):
    """What came for a request; of each of the results its name, or ""."""

    command: str
    text: str
    results: list[Any]
    names: list[str]
    values: dict[str, Any]


def _names_of(response: Response) -> list[str]:
    """Of each of its tensors, "" for one without."""
    names = {tag: name for name, tag in names_in(response.names).items()}
    return [names.get(tag, "") for tag in response.tensors]


def _with_results(answer: _Answer) -> _Answer:
    if not answer.results:
        raise InputError(
            f"'{answer.command}' answered without a tensor, with the text '{answer.text}'; read it with "
            "fetch_response(), or have the server call send_tensors()"
        )
    return answer


def _tag(index: int) -> str:
    return _LETTERS[index] if index < len(_LETTERS) else f"input_{index}"


def _with_tags(command: str, tensors: Sequence[tuple[str, Any]]) -> dict[str, object]:
    """The request for a command on tensors with names, "" for none."""
    name, blank, rest = command.partition(" ")
    tags = ",".join(_tag(index) for index in range(len(tensors)))
    named = [(_tag(index), given) for index, (given, _) in enumerate(tensors) if given]
    message: dict[str, object] = {"command": name, "parameters": f"{tags}{blank}{rest}" if tags else rest}
    for index, (_, given) in enumerate(named):
        check_tag(given)
        if given in [other for _, other in named[:index]]:
            raise InputError(f"two tensors of one call are named '{given}': expected a name for each")
    if named:
        message["names"] = " ".join(f"{tag} {given}" for tag, given in named)
    return message


def _request_of(message: str) -> dict[str, object]:
    if not isinstance(message, str):
        raise InputError(f"message is {message!r:.200}: expected a string")
    if message.lstrip().startswith("{"):
        request = parse_object(message.encode("utf-8", "surrogateescape"), "a request")
        command, parameters = request.get("command", request.get("cmd", "")), request.get("params", "")
        return {"command": command, "parameters": parameters, **request}
    command, _, parameters = message.partition(" ")
    if not command:
        raise InputError(f"a request needs a command: expected 'command parameters', found {message!r:.200}")
    return {"command": command, "parameters": parameters}


def _deadline(limit_ms: int) -> float | None:
    return time.monotonic() + limit_ms / 1000 if limit_ms else None

"""The base class of servers: what runs in the worker process."""

from __future__ import annotations

from ..data.tensors import choose_framework
from ..errors import INVALID_REQUEST
from ..platform.output import log
from ..protocol import messages
from ..protocol.messages import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .runtime import Runtime
    from .turn import Turn


class TechRenaissanceServer:
    """Answers the requests of one session; override `main_logic` and call `run()`.

        class Server(TechRenaissanceServer):
            def main_logic(self, command: str, parameters: str) -> bool:
                if command != "matmul":
                    return False
                a, b = self.get_tensors(parameters, 2)
                self.send_tensors(a @ b)
                return True

        Server().run()

    An exception in `main_logic` is answered with its traceback, and the server goes on. Standard output and error are
    free for use; what is printed lands in the session's worker.log.

    These methods are for the thread that `main_logic` runs on, but for `write_status`, which is for any. Tensors may be
    used and dropped on any.

    Attributes:
        commands: names of the commands on offer; optional, for the host and for messages about unknown commands.
        framework: "torch" or "numpy", of the tensors that `get_tensors` gives; None for PyTorch when it is installed,
            else NumPy. A subclass may set it.
        debug: whether `debug_message` prints.
        session_id: id of the session, while it runs.
        session_dir: path of its directory, while it runs.
    """

    # On the class, so that a subclass whose __init__ does not call this one's works as well.
    commands: Sequence[str] = ()
    framework: str | None = None
    debug = False
    session_id = ""
    session_dir = ""
    _turn: Turn | None = None
    _runtime: Runtime | None = None

    def __init__(self, debug: bool = False, framework: str | None = None) -> None:
        """Nothing happens before `run()`.

        Args:
            debug: whether `debug_message` prints.
            framework: "torch" or "numpy"; see the attribute.
        """
        self.debug = debug
        if framework is not None:
            self.framework = framework

    def main_logic(self, command: str, parameters: str) -> bool:
        """Serves one request. To be overridden.

        Args:
            command: its name.
            parameters: the rest of the request, usually tags of tensors for `get_tensors`.

        Returns:
            True when the command was served: without a `write_response`, the answer "ok" goes out by itself, with the
            tensors sent. False when there is no such command.
        """
        raise NotImplementedError(f"{type(self).__name__} does not override main_logic(command, parameters)")

    def on_start(self) -> None:
        """Called once before the worker takes requests, also in a worker that takes the place of a dead one."""

    def run(self, session_id: str | None = None) -> None:
        """Serves until the host asks to exit, SIGINT or SIGTERM comes, or the host is gone.

        Args:
            session_id: of the session; usually left out, as the host says it.

        Raises:
            NotFoundError: there is no such session.
        """
        from .runtime import Runtime, is_multiprocessing_child

        if is_multiprocessing_child():
            return  # this process runs the script only to find a function in it; the worker is its parent
        self._runtime = Runtime(self, session_id)
        self.session_id = self._runtime.session_id
        self.session_dir = self._runtime.directory
        try:
            self._runtime.serve()
        finally:
            self._runtime = None

    def get_tensors(self, parameters: str, count: int | None = 1) -> Any:
        """The tensors whose tags stand in `parameters`, separated by spaces or commas.

        Keeping one is safe: the host never changes what is held here. Writing to one does not touch the host's tensor
        either, unless the host shares its memory on purpose, with `PythonSession.empty`; but it is what the tag holds
        from then on. To be called in a request, before its answer: afterwards the host may be writing.

        Args:
            parameters: tags, and nothing else.
            count: how many there have to be; None or -1 for any number.

        Returns:
            The tensor itself when `count` is 1, else a list. None when the number is wrong: the request has then been
            answered as invalid, and `main_logic` has only to return.

        Raises:
            InputError: a tag is malformed, or its file is; the library for tensors is not installed.
            NotFoundError: there is no such tensor.
            RuntimeError: this is not the time for it.
        """
        if self._turn is None or self._turn.answered:
            raise RuntimeError(
                f"get_tensors({parameters!r:.100}) outside a request, or after its answer: the host may be writing "
                "them; take tensors before write_response"
            )
        tags = messages.split_tags(parameters)
        if count is not None and count >= 0 and len(tags) != count:
            self._refuse_count(parameters, count, len(tags))
            return None
        if not tags:
            return []
        framework = choose_framework(self.framework)
        storage = self._turn.storage
        if count == 1:
            return storage.load(tags[0], framework)
        return [storage.load(tag, framework) for tag in tags]

    def empty(self, shape: Sequence[int], dtype: object = None) -> Any:
        """A tensor, not initialised, whose memory the host shares: sending it copies nothing.

        It belongs to the answer that it is sent with: make another one for the next.

        Args:
            shape: its dims.
            dtype: torch or NumPy dtype, as this server's tensors are, or its name; None for float32.

        Raises:
            InputError: there is no such dtype.
            RetryError: there is no room (E3002).
        """
        return self._running().storage.empty(shape, dtype, choose_framework(self.framework))

    def send_tensors(self, *tensors: object) -> None:
        """Sends tensors with the answer to come, in this order; further calls in the same request add to them.

        Args:
            tensors: torch tensors on any device, contiguous or not, NumPy arrays, or numbers.

        Raises:
            InputError: one of them is no tensor, or of a dtype or layout that cannot be sent.
        """
        turn = self._turn
        if turn is None or turn.answered:
            log("send_tensors outside a request, or after its answer: dropped")
            return
        for tensor in tensors:
            turn.stage(tensor)

    def stream_tensors(self, *tensors: object) -> None:
        """Sends tensors at once, as a part of the answer; the host reads them while this goes on.

        The last part is the answer itself, as ever. Waits while the host has not taken the part before.

        Args:
            tensors: as for `send_tensors`.

        Raises:
            RetryError: the host has cancelled the request (E4002); clean up and let it pass.
            InputError: as in `send_tensors`; or the host is an older one.
        """
        turn = self._turn
        if turn is None or turn.answered:
            log("stream_tensors outside a request, or after its answer: dropped")
            return
        for tensor in tensors:
            turn.stage(tensor)
        turn.send_part()

    def write_response(self, command: str, result: object = messages.OK) -> None:
        """Answers the request, with the tensors sent so far. A request has one answer: another one is dropped.

        Args:
            command: name of the command, as the answer repeats it.
            result: text of the answer; anything else is turned into text.
        """
        if self._turn is None:
            log(f"write_response({command!r:.100}) outside a request: dropped")
            return
        self._turn.answer(messages.OK if result is None else str(result), str(command))

    def write_status(self, text: str) -> None:
        """Puts a line into status.txt, for people who look: progress, or `error: …`. Line breaks end it."""
        turn = self._turn  # which may end meanwhile, as this is for any thread
        if turn is not None:
            turn.status(text)

    def debug_message(self, *message: object) -> None:
        """Prints when this server was made with debug=True."""
        if self.debug:
            print("[debug]", *message, flush=True)  # noqa: T201 - what it is for

    def _refuse_count(self, parameters: str, count: int, found: int) -> None:
        message = f"expected {count} tensor{'' if count == 1 else 's'}, found {found} in {parameters!r:.200}"
        if self._turn is None:
            log(message)
        else:
            self._turn.fail(Failure(INVALID_REQUEST, message, "InputError"), result="invalid")

    def _running(self) -> Runtime:
        if self._runtime is None:
            raise RuntimeError(f"{type(self).__name__} is not running: tensors can be had inside run()")
        return self._runtime

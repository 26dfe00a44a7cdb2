"""The life of a worker: find the session, say hello, serve, leave."""

from __future__ import annotations

import os
import sys

from .._version import __version__
from ..channel.carrier import Carrier, FilesCarrier
from ..channel.session_dir import find_session, read_host_record, sweep
from ..channel.storage import FileStorage
from ..errors import CANCELLED, NOT_FOUND, UNKNOWN
from ..platform.files import AtomicWriter, Place, keep_spares
from ..platform.output import log, log_output
from ..platform.place import place_error
from ..platform.process import ProcessWatch
from ..platform.stop_signals import Cancelled, StopSignals
from ..protocol import messages
from ..protocol.failure import failure_from
from ..protocol.json_object import encode_object
from ..protocol.messages import Failure, Request
from .guard import Guard, end_group
from .ping import Ping
from .turn import Turn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .server import TechRenaissanceServer

_HANG_UP_MS = 1000


class Runtime:
    """Serves one session with one server object."""

    def __init__(self, server: TechRenaissanceServer, session_id: str | None) -> None:
        _secure_descriptors()
        keep_spares()
        self._server = server
        self.directory, self.session_id = find_session(session_id, sys.argv)
        log_output(f"{self.directory}/worker.log")
        self._record = read_host_record(self.directory)
        self._place = Place(self.directory)
        writer = AtomicWriter(self.directory, self._place)
        self._writer = writer
        self.storage = FileStorage(self.directory, writer)
        self._stop = StopSignals()
        self._host = ProcessWatch(
            self._record.host_pid or _number(os.environ.get("TR_HOST_PID")), self._record.host_start_time
        )
        self._guard = Guard(self._stop, self._host, Ping(self.directory), self._sweep)
        self._exit: SystemExit | None = None
        self._forked = False

    def serve(self) -> None:
        """Answers requests until told to leave.

        Raises:
            SystemExit: user code called sys.exit.
            Exception: what `on_start` raised, or a reason why this worker can serve no longer.
        """
        _enable_faulthandler()
        carrier: Carrier | None = None
        status = messages.EXITING
        self._stop.install()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._stop.hold, after_in_parent=self._stop.let_go, after_in_child=self._become_a_fork
            )
        try:
            if self._host.gone():
                return
            self._guard.start()
            self._call_on_start()
            carrier = self._open_carrier()
            self._announce(carrier)
            while (request := carrier.receive()) is not None:
                if not self._serve_one(request, carrier):
                    break
        except Cancelled:
            pass
        except Exception as error:
            status = messages.error_status(f"{type(error).__name__}: {error}")
            raise
        finally:
            self._guard.leave()
            if carrier is not None:
                carrier.close()
            self._write_status(status)
            # A dying host holds its locks until it is gone.
            if self._host.gone(_HANG_UP_MS if self._stop.hung_up else 0):
                self._sweep()
                end_group()
            self._stop.restore()
        if self._exit is not None:
            raise self._exit

    def _become_a_fork(self) -> None:
        """In a process that user code has forked off: the session, and the signals to it, are the worker's alone."""
        self._forked = True
        self._server._turn = None
        self._stop.restore()
        self._stop.let_go()

    def _call_on_start(self) -> None:
        try:
            self._stop.arm()
            self._server.on_start()
        finally:
            self._stop.armed = False
            if self._forked:
                _end_fork()

    def _open_carrier(self) -> Carrier:
        wake_up = os.environ.get("TR_WAKEUP") or self._record.wake_up
        fallback = ""
        if "mailbox" in self._record.carriers and wake_up in ("", "auto", "automatic", "futex"):
            from ..channel.mailbox import MailboxError

            try:
                return self._open_mailbox()
            except MailboxError as error:
                fallback = str(error)
        carrier = self._open_files(wake_up)
        carrier.fallback = "; ".join(reason for reason in (fallback, carrier.fallback) if reason)
        return carrier

    def _open_mailbox(self) -> Carrier:
        """The better carrier, and with it tensors in shared memory. Raises MailboxError where it does not work."""
        from ..channel.mailbox import open_mailbox
        from ..channel.mailbox_carrier import MailboxCarrier
        from ..channel.shared_storage import SharedStorage

        mailbox, note = open_mailbox(self.directory, self._record.epoch)
        # No doorbell for the files: they are looked at when the mailbox says so.
        carrier = MailboxCarrier(mailbox, note, self._open_files("polling"), self._stop, self._host)
        self.storage = SharedStorage(self.directory, self._writer, mailbox)
        return carrier

    def _open_files(self, wake_up: str) -> FilesCarrier:
        return FilesCarrier(self._place, self._writer, wake_up, self._stop, self._host, loose=not self._record.known)

    def _announce(self, carrier: Carrier) -> None:
        try:
            self._say_hello(carrier)
            # Last, as it tells a host that all there is to know of this worker is there.
            self._writer.write(f"{self.directory}/status.txt", messages.READY.encode())
        except OSError as error:
            raise place_error(error, "saying hello", self.directory) from None

    def _say_hello(self, carrier: Carrier) -> None:
        modules = {name: sys.modules[name] for name in ("torch", "numpy") if name in sys.modules}
        packages = {name: str(getattr(module, "__version__", "")) for name, module in modules.items()}
        hello: dict[str, object] = {
            "protocol": messages.PROTOCOL_VERSION,
            "epoch": self._record.epoch,
            "pid": os.getpid(),
            "python": ".".join(str(part) for part in sys.version_info[:3]),
            "executable": sys.executable,
            "package": __version__,
            "packages": packages,
            "server": type(self._server).__name__,
            "carrier": carrier.name,
            "wake_up": carrier.wake_up,
            "fallback": carrier.fallback,
            "commands": [str(command) for command in self._server.commands],
            "timestamp": messages.now_ms(),
        }
        self._writer.write(f"{self.directory}/hello.json", encode_object(hello))

    def _serve_one(self, request: Request, carrier: Carrier) -> bool:
        """Whether to go on serving."""
        turn = Turn(request, carrier, self.storage, self._stop)
        if request.problem is not None:
            turn.fail(Failure(request.problem.code, str(request.problem), type(request.problem).__name__))
            return True
        if request.command == messages.EXIT_COMMAND:
            turn.leave()
            return False
        self._server._turn = turn
        try:
            self._call_main_logic(turn)
        except Cancelled:
            if not turn.answered:
                turn.fail(Failure(CANCELLED, f"{request.command!r} was cancelled: the worker was told to stop"))
        finally:
            self._stop.armed = False
            self._server._turn = None
        return self._exit is None and not self._stop.requested

    def _call_main_logic(self, turn: Turn) -> None:
        server, request, stop = self._server, turn.request, self._stop
        try:
            stop.arm()
            try:
                outcome = server.main_logic(request.command, request.parameters)
            finally:
                if self._forked:
                    _end_fork()
            stop.armed = False
        except Cancelled:
            raise
        except SystemExit as error:
            stop.armed = False
            self._exit = error
            failure = failure_from(error)
            failure.message = f"the server called sys.exit({error.code!r}) in {request.command!r} and has left"
            _fail_or_log(turn, failure)
        except BaseException as error:
            stop.armed = False
            _fail_or_log(turn, failure_from(error))
        else:
            if not turn.answered:
                self._answer_for(turn, outcome)

    def _answer_for(self, turn: Turn, outcome: object) -> None:
        """The answer that goes out when main_logic has returned without one."""
        command = turn.request.command
        if outcome is True:
            turn.answer(messages.OK)
        elif outcome is False:
            turn.fail(Failure(NOT_FOUND, self._unknown_command(command), "NotFoundError"))
        else:
            message = (
                f"main_logic of {type(self._server).__name__} returned a {type(outcome).__name__} for {command!r:.200} "
                "and wrote no response: it must return True when it served the command, False when it does not know it"
            )
            turn.fail(Failure(UNKNOWN, message, "TypeError"))

    def _unknown_command(self, command: str) -> str:
        known = [str(name) for name in self._server.commands]
        text = f"unknown command {command!r:.200}"
        if not known:
            return f"{text}: main_logic of {type(self._server).__name__} does not know it"
        import difflib

        close = difflib.get_close_matches(command[:200], known, 1)
        meant = f"did you mean {close[0]!r}? " if close else ""
        return f"{text}: {meant}this server offers {', '.join(known)}"

    def _write_status(self, text: str) -> None:
        try:
            self._writer.write(f"{self.directory}/status.txt", text.encode("utf-8", "replace"))
        except OSError:
            return  # The directory may be gone, which is one of the reasons to leave.

    def _sweep(self) -> None:
        if self._record.known:
            sweep(self.directory, self._record.host_pid, self._record.host_start_time)


def _end_fork() -> None:
    """Ends a fork of the worker that comes back from user code, as a program would have ended there."""
    error = sys.exc_info()[1]
    code = 0
    text = ""
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if error.code is not None and not isinstance(error.code, int):
            text = f"{error.code}\n"
    elif error is not None:
        import traceback

        traceback.print_exc()
        code = 1
    try:
        sys.stdout.flush()
        sys.stderr.write(text)
        sys.stderr.flush()
    finally:
        os._exit(code & 0xFF)


def is_multiprocessing_child() -> bool:
    """This process was started by multiprocessing, which runs the main script again (spawn, forkserver)."""
    module = sys.modules.get("multiprocessing.process")
    return module is not None and bool(getattr(module.current_process(), "_inheriting", False))


def _fail_or_log(turn: Turn, failure: Failure) -> None:
    if turn.answered:
        log(f"{failure.type} after the answer to {turn.request.command!r}: {failure.message}\n{failure.traceback}")
    else:
        log(f"{turn.request.command!r} failed: {failure.type}: {failure.message}\n{failure.traceback}".rstrip())
        turn.fail(failure)


def _secure_descriptors() -> None:
    """No file of the session may come to be descriptor 0, 1 or 2, where user code writes."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _enable_faulthandler() -> None:
    import faulthandler

    try:
        faulthandler.enable()
    except (OSError, ValueError, AttributeError, RuntimeError):
        return  # There is no standard error to write to.


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() else 0

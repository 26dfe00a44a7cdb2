"""The life of a worker: find the session, say hello, serve, leave."""

from __future__ import annotations

import os
import sys

from .._version import __version__
from ..channel.session_dir import find_session, read_host_record, sweep
from ..channel.tensor_store import TensorStore
from ..errors import Cancelled
from ..platform import library, steps
from ..platform.files import AtomicWriter, Place, keep_spares, remove
from ..platform.output import log, log_output
from ..platform.place import place_error
from ..platform.process import ProcessWatch
from ..platform.stop_signals import StopSignals
from ..platform.system import IS_WINDOWS
from ..protocol import messages
from ..protocol.json_object import encode_object
from .answers import endpoints_of
from .channels import Channels
from .context import follow_threads
from .dispatch import choose
from .failure import failure_from, frames_from, place_of, stack_of
from .guard import Guard, end_group
from .ping import Ping

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from typing import Any

    from ..channel.channel import Channel
    from .call import Call
    from .dispatch import Dispatcher
    from .endpoints import Endpoints
    from .server import TechRenaissanceServer

_HANG_UP_MS = 1000


class Runtime:
    """Serves one session, and what other channels there are, with one server object."""

    def __init__(self, server: TechRenaissanceServer, session_id: str | None) -> None:
        if steps.hook:
            steps.hook("script running")
        _secure_descriptors()
        keep_spares()
        self.directory, self.session_id = find_session(session_id, sys.argv)
        log_output(f"{self.directory}/worker.log")
        self._open(server, StopSignals())
        self._guard = Guard(self._stop, self._host, Ping(self.directory), self._tell_where, self._sweep)
        if steps.hook:
            steps.hook("session found")

    def _open(self, server: TechRenaissanceServer, stop: StopSignals) -> None:
        """What there is of a runtime in whatever process, once its directory is known."""
        self._server = server
        self._stop = stop
        self._record = read_host_record(self.directory)
        self._place = Place(self.directory)
        self._writer = AtomicWriter(self.directory, self._place)
        self.tensors = TensorStore(self.directory, self._writer)
        self._host = ProcessWatch(
            self._record.host_pid or _number(os.environ.get("TR_HOST_PID")), self._record.host_start_time
        )
        self._channels: Channels | None = None
        self._dispatcher: Dispatcher | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.endpoints: Endpoints | None = None
        self.forked = False

    def serve(self) -> None:
        """Answers requests until told to leave.

        Raises:
            SystemExit: user code called sys.exit.
            Exception: what `on_start` raised, or a reason why this worker can serve no longer.
        """
        _enable_faulthandler()
        status = messages.EXITING if self._record.known else messages.TERMINATED
        self._stop.install()
        follow_threads()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._stop.hold, after_in_parent=self._stop.let_go, after_in_child=self._become_a_fork
            )
        try:
            if self._host.gone():
                return
            self._guard.start()
            if steps.hook:
                steps.hook("host watched")
            self._serve()
        except Cancelled:
            pass
        except Exception as error:
            status = messages.error_status(f"{type(error).__name__}: {error}")
            raise
        finally:
            if steps.hook:
                steps.hook("leaving")
            self._guard.leave()
            self._write_last_status(status)
            # A dying host holds its locks until it is gone.
            if self._host.gone(_HANG_UP_MS if self._stop.hung_up else 0):
                self._sweep()
                end_group()
            self._stop.restore()
        if self._dispatcher is not None and self._dispatcher.exit is not None:
            raise self._dispatcher.exit

    def _serve(self) -> None:
        self.endpoints = endpoints_of(self._server)
        self._call_on_start()
        if steps.hook:
            steps.hook("on_start called")
        channels = self._channels = Channels(
            self._place, self._writer, self._record, self._stop, self._host, self._guard, self._announce
        )
        self.tensors = channels.first.tensors
        if steps.hook:
            steps.hook("carrier open")
        self._dispatcher = choose(self._server, self, channels, self._stop)
        self._announce(channels.first, "")
        try:
            self._dispatcher.serve()
        finally:
            self._call_on_shutdown()

    def _become_a_fork(self) -> None:
        """In a process that user code has forked off: the session, and the signals to it, are the worker's alone."""
        self.forked = True
        for channel in self._channels.all() if self._channels else ():
            if channel.call is not None:
                channel.call.over = True
        self._stop.restore()
        self._stop.let_go()

    def end_fork(self) -> None:
        """Ends a fork of the worker that comes back from user code, as a program would have ended there."""
        if self.forked:
            _end_fork()

    def call_at_work(self) -> Call | None:
        """The call that a thread is likely to mean which belongs to none."""
        return next(iter(self._calls_at_work()), None)

    def _calls_at_work(self) -> list[Call]:
        calls = [channel.call for channel in self._channels.all()] if self._channels else []
        return [call for call in calls if call is not None and not call.over]

    def event_loop(self) -> asyncio.AbstractEventLoop:
        """Of the server's coroutines."""
        if self._loop is None:
            import asyncio

            # The other kind that Windows has waits for no descriptors.
            self._loop = asyncio.SelectorEventLoop() if IS_WINDOWS else asyncio.new_event_loop()
        return self._loop

    def _call_on_start(self) -> None:
        try:
            self._stop.arm()
            starting: Any = self._server.on_start()
            if hasattr(starting, "__await__"):
                self.event_loop().run_until_complete(starting)
        finally:
            self._stop.armed = False
            self.end_fork()

    def _call_on_shutdown(self) -> None:
        """While the worker can still be seen; nothing that goes wrong here keeps it from leaving."""
        if self.forked:
            return
        try:
            self._server.on_shutdown()
        except Exception as error:
            failure = failure_from(error)
            log(f"on_shutdown failed: {failure.type}: {failure.message}\n{failure.traceback}".rstrip())
        finally:
            self.end_fork()

    def _announce(self, channel: Channel, refused: str) -> None:
        """Says hello in a channel, or why it is not served."""
        try:
            self._say_hello(channel, refused)
            status = messages.error_status(refused) if refused else messages.READY
            # Last, as it tells a host that all there is to know of this worker is there; and not over an older host's
            # word that the worker is to end, which has yet to be heeded.
            if refused or not channel.carrier.is_dismissed():
                channel.writer.write(f"{channel.directory}/status.txt", status.encode("utf-8", "replace"))
        except OSError as error:
            raise place_error(error, "saying hello", channel.directory) from None
        if not refused:
            channel.carrier.greet()

    def _say_hello(self, channel: Channel, refused: str) -> None:
        modules = {name: sys.modules[name] for name in ("torch", "numpy") if name in sys.modules}
        packages = {name: str(getattr(module, "__version__", "")) for name, module in modules.items()}
        channels: Any = self._channels
        hello: dict[str, object] = {
            "protocol": messages.PROTOCOL_VERSION,
            "epoch": channel.record.epoch,
            "pid": os.getpid(),
            "python": ".".join(str(part) for part in sys.version_info[:3]),
            "executable": sys.executable,
            "package": __version__,
            "packages": packages,
            "server": type(self.endpoints.target if self.endpoints else self._server).__name__,
            "carrier": channels.first.carrier.name,
            "wake_up": channels.bell.wake_up,
            "mailbox": channels.mailbox,
            "fallback": channels.fallback,
            "commands": self.endpoints.names() if self.endpoints else list(map(str, self._server.commands)),
            "features": list(messages.FEATURES if library.module is None else messages.LIBRARY_FEATURES),
            "endpoints": self.endpoints.describe() if self.endpoints else [],
            "timestamp": messages.now_ms(),
        }
        if self.endpoints is not None and self.endpoints.has_main_logic:
            hello["main_logic"] = True
        if refused:
            hello["refused"] = refused
        channel.writer.write(f"{channel.directory}/hello.json", encode_object(hello))

    def _write_last_status(self, status: str) -> None:
        if self._channels is None:
            try:
                self._writer.write(f"{self.directory}/status.txt", status.encode("utf-8", "replace"))
            except OSError:
                return  # the directory may be gone, which is one of the reasons to leave
            return
        self._channels.close()
        for channel in self._channels.all():
            channel.write_status(status)

    def _tell_where(self) -> None:
        """Writes where the code of each request of the session's own host stands, or that of on_start.

        On the guard's thread, while any other may hold an import's lock: nothing is imported here.
        """
        path = f"{self.directory}/where.json"
        try:
            threads = sys._current_frames()
            serving = self._guard.serving
            if self._dispatcher is None:
                found = {"start": frames_from(threads.get(serving))}
            else:
                found = {
                    str(call.request.id): self._dispatcher.frames_of(call, threads, serving)
                    for call in self._calls_at_work()
                    if call.channel.host is self._host
                }
            told: dict[str, object] = {
                key: {"place": place_of(frames), "stack": stack_of(frames)} for key, frames in found.items()
            }
            self._writer.write(path, encode_object(told))
        except Exception:  # there is no room, or something has changed meanwhile
            remove(path)  # which would tell of another time

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

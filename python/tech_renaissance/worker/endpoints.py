"""Running endpoints: from a request to the arguments of a method, and from what that returns to the answer."""

from __future__ import annotations

from ..endpoints.declare import marked, service_options
from ..endpoints.signature import Signature
from ..errors import InputError, NotFoundError, TRException
from ..platform.output import log
from ..protocol import messages
from .answers import text_of
from .context import find_call
from .endpoint_arguments import arguments_of, take_positional
from .endpoint_results import Part, answer_with
from .rehearsal import async_rehearsed, rehearsed
from .server import TechRenaissanceServer, room_for_part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..endpoints.dims import Sizes
    from .call import Call


#: The command that runs the examples; its answer is a JSON object, of each endpoint with one "ok", or what went wrong.
CHECK = "__check__"
#: The command that asks the hook `health`; its answer is "ok", or what is wrong.
HEALTH = "__health__"
_MOST_TOLD = 1000


class PlainServer(TechRenaissanceServer):
    """Serves the endpoints of an object whose class knows nothing of servers."""

    def __init__(self, service: Any) -> None:
        options = service_options(type(service))
        super().__init__(framework=options.framework if options else None)
        self.threads = options.threads if options else 0
        self.service = service

    def on_start(self) -> Any:
        """As the class has it, if it has it."""
        return self.service.on_start() if hasattr(self.service, "on_start") else None

    def on_shutdown(self) -> None:
        """As the class has it, if it has it."""
        if hasattr(self.service, "on_shutdown"):
            self.service.on_shutdown()

    def health(self) -> Any:
        """As the class has it, if it has it."""
        return self.service.health() if hasattr(self.service, "health") else None


def run(service: Any, session_id: str | None = None) -> None:
    """Serves the endpoints of an object, as `TechRenaissanceServer.run` does those of a server.

        @service
        class Filters:
            @endpoint
            def blur(self, image: Tensor["float32", "h w"]) -> Tensor["float32", "h w"]: ...

        run(Filters)

    Args:
        service: of any class with endpoints, or the class itself, which is then made without arguments.
        session_id: as for `TechRenaissanceServer.run`.

    Raises:
        InputError: it has no endpoints; otherwise as `TechRenaissanceServer.run`.
    """
    made = service() if isinstance(service, type) else service
    if not marked(type(made)):
        raise InputError(
            f"run({service!r:.200}): {type(made).__name__} has no endpoint; mark its methods with @endpoint"
        )
    server = made if isinstance(made, TechRenaissanceServer) else PlainServer(made)
    server.run(session_id)


class Endpoints:
    """Those of a server, and the `main_logic` of which they take the place.

    Args:
        server: with the endpoints; those of another object where it says so.
        fallback: the server's own main_logic, for commands that are no endpoints; None where it has none.

    Attributes:
        by_name: what is known of each.
        target: the object whose methods they are.
        is_async: one of them is, so all run on an event loop.
        batches: one of them takes calls in batches.

    Raises:
        InputError: one of them cannot be one.
    """

    def __init__(self, server: TechRenaissanceServer, fallback: Any) -> None:
        self._server = server
        self._fallback = fallback
        self.target = server.service if isinstance(server, PlainServer) else server
        methods = marked(type(self.target))
        self.by_name = {name: Signature(name, getattr(self.target, method)) for name, method in methods.items()}
        self.is_async = any(it.is_async for it in self.by_name.values())
        self.batches = any(it.max_batch_size > 1 for it in self.by_name.values())
        self.has_main_logic = fallback is not None

    def describe(self) -> list[dict[str, object]]:
        """As the hello tells them."""
        return [it.describe() for it in self.by_name.values()]

    def names(self) -> list[str]:
        """Of all commands that are on offer."""
        return [*self.by_name, *map(str, self._server.commands)]

    def main_logic(self, command: str, parameters: str) -> Any:
        """Serves a request, as that of a server does."""
        it = self.by_name.get(command)
        call = find_call()
        if it is None or call is None:
            if command == CHECK and call is not None:
                call.answer(text_of(rehearsed(self._with_examples(), self.target)))
                return True
            if command == HEALTH and call is not None:
                call.answer(self._how_it_is())
                return True
            return self._known(call, False if self._fallback is None else self._fallback(command, parameters))
        sizes: Sizes = {}
        try:
            named = arguments_of(it, call, parameters, self._server, sizes)
        except TRException as error:
            return refuse(call, error)
        result = it.function(*take_positional(it, named), **named) if it.positional else it.function(**named)
        if it.stream:
            return _send_parts(it, call, result, sizes)
        return answer_with(it, call, result, sizes)

    async def async_main_logic(self, command: str, parameters: str) -> Any:
        """The same on an event loop."""
        it = self.by_name.get(command)
        call = find_call()
        if it is None or call is None:
            if command == CHECK and call is not None:
                call.answer(text_of(await async_rehearsed(self._with_examples(), self.target)))
                return True
            if command == HEALTH and call is not None:
                call.answer(await self._async_how_it_is())
                return True
            outcome = False if self._fallback is None else self._fallback(command, parameters)
            return self._known(call, await outcome if hasattr(outcome, "__await__") else outcome)
        sizes: Sizes = {}
        try:
            named = arguments_of(it, call, parameters, self._server, sizes)
        except TRException as error:
            return refuse(call, error)
        result = it.function(*take_positional(it, named), **named) if it.positional else it.function(**named)
        if it.stream:
            if not it.is_async:
                return _send_parts(it, call, result, sizes)
            async for part in result:
                found = Part(it, part, sizes)
                await room_for_part(call)
                _send_part(call, found)
            return True
        return answer_with(it, call, await result if it.is_async else result, sizes)

    def _how_it_is(self) -> str:
        try:
            return _told(None if self._health_is_endpoint() else self._server.health())
        except Exception as error:
            return _told(f"{type(error).__name__}: {error}")

    async def _async_how_it_is(self) -> str:
        try:
            found: Any = None if self._health_is_endpoint() else self._server.health()
            return _told(await found if hasattr(found, "__await__") else found)
        except Exception as error:
            return _told(f"{type(error).__name__}: {error}")

    def _health_is_endpoint(self) -> bool:
        """What is called so is not the hook."""
        return "health" in marked(type(self.target))

    def _with_examples(self) -> list[Signature]:
        return [it for it in self.by_name.values() if it.example is not None]

    def _known(self, call: Call | None, outcome: Any) -> Any:
        """The outcome; where it says that there is no such command, the answer says which there are."""
        if outcome is not False or call is None or call.answered or call.request.command == messages.EXIT:
            return outcome
        import difflib

        command = call.request.command
        close = difflib.get_close_matches(command[:200], self.names(), 1)
        meant = f"did you mean {close[0]!r}? " if close else ""
        offers = ", ".join(self.names())
        return refuse(call, NotFoundError(f"unknown command {command!r:.200}: {meant}this server offers {offers}"))


def _send_parts(it: Signature, call: Call, parts: Any, sizes: Sizes) -> bool:
    try:
        for part in parts:
            _send_part(call, Part(it, part, sizes))
    finally:
        parts.close()  # where the host has given it up
    return True


def _send_part(call: Call, part: Part) -> None:
    if not call.send_part(part.tensors, part.named, part.values):
        log(f"a part of {call.request.command!r} after its answer: dropped")


def _told(health: object) -> str:
    """What the hook has returned, as the answer has it."""
    if health is None or health is True:
        return messages.OK
    if health is False:
        return "health() has returned False"
    return str(health).strip()[:_MOST_TOLD] or "health() has returned an empty text"


def refuse(call: Call, error: TRException) -> bool:
    """Answers a request that cannot be served as it is. Where in this package that was found helps nobody."""
    log(f"{call.request.command!r} was refused: {error}")
    call.fail(messages.Failure(error.code, str(error), type(error).__name__))
    return True

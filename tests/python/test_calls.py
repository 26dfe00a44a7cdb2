"""A call is a handle: what threads do for one reaches no other, however late they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from host import Host

REQUESTS = 60


@pytest.mark.parametrize("kind", ["thread", "subclass", "pool"])
def test_no_answer_reaches_another_request(start: Callable[..., Host], kind: str) -> None:
    """Eight threads a request: two answer early, six late, all of them twice, and some with tensors."""
    host = start("late", environment={"KIND": kind})
    for number in range(REQUESTS):
        answer = host.ask("ask", f"text {number}")
        while answer.get("more"):
            host.write("room", b"")
            answer = host.receive()
        assert (answer["id"], answer["result"]) in ((number + 1, f"text {number}"), (number + 1, "ok"))
    assert host.ask("finish")["result"] == "ok"
    assert "a second answer to 'ask' was dropped" in host.log()
    assert "outside a request, or after its answer: dropped" in host.log()


@pytest.mark.parametrize("command", ["thread", "timer", "pool", "raw"])
def test_what_starts_threads_may_be_imported_late(start: Callable[..., Host], command: str) -> None:
    host = start("lazy", python=None)
    assert host.ask("loaded")["result"] == "False"
    for number in range(3):
        assert host.ask(command, str(number))["result"] == str(number)


def test_a_thread_that_belongs_to_no_request_is_told_so(start: Callable[..., Host], workspace: Path) -> None:
    code = """
import threading
from tech_renaissance import TechRenaissanceServer

class Server(TechRenaissanceServer):
    def on_start(self):
        self.go, self.done = threading.Event(), threading.Event()
        threading.Thread(target=self.work, daemon=True).start()

    def work(self):
        self.go.wait()
        self.write_status("from afar")
        self.write_response("x", "from nowhere")
        self.send_tensors(1)
        assert self.cancelled() and self.wait_until_cancelled()
        try:
            self.get_tensors("a")
        except RuntimeError:
            self.done.set()

    def main_logic(self, command, parameters):
        self.go.set()
        self.done.wait()
        with open(self.session_dir + "/status.txt") as file:
            self.write_response(command, file.read())
        return True

Server().run()
"""
    with Host(workspace, ["-c", code]) as host:
        answer = host.ask("x")
        assert answer["tensors"] == []
        assert answer["result"] in ("busy", "from afar"), "anybody may tell how the worker is coming on"
        assert "write_response('x') outside a request: dropped" in host.log()


@pytest.mark.parametrize("before", [False, True])
def test_a_task_that_outlives_its_call_reaches_no_other(workspace: Path, before: bool) -> None:
    """A plain server's own event loop: what is left on it runs again inside a later call, on the same thread."""
    code = """
import asyncio, sys
from tech_renaissance import TechRenaissanceServer

class Server(TechRenaissanceServer):
    def on_start(self):
        self.loop = asyncio.new_event_loop()
        self.tasks = []
        if sys.argv[1] == "True":
            self.loop.run_until_complete(asyncio.sleep(0))

    def main_logic(self, command, parameters):
        if command == "before":
            self.write_response(command, parameters)
        elif command == "leave":
            self.gate = asyncio.Event()
            self.loop.run_until_complete(self.leave(parameters))
        elif command == "again":
            self.gate.set()
            self.loop.run_until_complete(self.tasks.pop())
            self.loop.run_until_complete(self.answer(command, parameters))
        return True

    async def leave(self, parameters):
        self.tasks.append(self.loop.create_task(self.late(parameters)))
        await asyncio.sleep(0)
        self.write_response("leave", parameters)

    async def late(self, parameters):
        await self.gate.wait()
        self.write_response("late", "late " + parameters)

    async def answer(self, command, parameters):
        self.write_response(command, parameters)

Server().run()
"""
    with Host(workspace, ["-c", code, str(before)]) as host:
        for number in range(3):
            assert host.ask("before", f"quick {number}")["result"] == f"quick {number}"
            assert host.ask("leave", f"text {number}")["result"] == f"text {number}"
            assert host.ask("again", f"more {number}")["result"] == f"more {number}"
        assert "a second answer to 'leave' was dropped" in host.log()


@pytest.mark.parametrize("early", [False, True])
def test_coroutines_on_a_loop_of_the_servers_own_find_their_call(workspace: Path, early: bool) -> None:
    """A loop on a thread that was started before, or in, the first call; and what a task hands to other threads."""
    code = """
import asyncio, sys, threading
from tech_renaissance import TechRenaissanceServer

class Server(TechRenaissanceServer):
    loop = None

    def on_start(self):
        if sys.argv[1] == "True":
            self.begin()

    def begin(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def main_logic(self, command, parameters):
        if self.loop is None:
            self.begin()
        if command == "elsewhere":
            asyncio.run_coroutine_threadsafe(self.answer(command, parameters), self.loop).result()
        else:
            asyncio.run(self.on_a_thread(command, parameters))
        return True

    async def answer(self, command, parameters):
        assert not self.cancelled()
        self.write_response(command, parameters)

    async def on_a_thread(self, command, parameters):
        await asyncio.to_thread(self.write_response, command, parameters)

Server().run()
"""
    for first, second in (("elsewhere", "thread"), ("thread", "elsewhere")):
        with Host(workspace / first, ["-c", code, str(early)]) as host:
            for number in range(3):
                assert host.ask(first, f"one {number}")["result"] == f"one {number}"
                assert host.ask(second, f"two {number}")["result"] == f"two {number}"

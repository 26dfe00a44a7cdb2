"""A worker that keeps none of the rules of docs/protocol.md, as the test says."""

import json
import mmap
import os
import shutil
import signal
import struct

from tech_renaissance import TechRenaissanceServer
from tech_renaissance.worker.context import find_call

MAILBOX_LINE_TO_HOST = 128
MAILBOX_LEASES = 131328


def tsr(count: int, shape: "tuple[int, ...]", data: bytes, dtype: int = 8) -> bytes:
    """A file of version 2 that says what it is told to say."""
    dims = struct.pack(f"<{len(shape)}q", *shape).ljust(64, b"\0")
    return struct.pack("<4s5i16xqq8x", b"TSR!", 2, 128, 0, dtype, len(shape), count, count) + dims + data


def make(kind: str, path: str, outside: str) -> None:
    """Puts something into the place of a file."""
    remove(path)
    if kind == "link":
        os.symlink(outside, path)
    elif kind == "hard_link":
        os.link(outside, path)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero
    elif kind == "directory":
        os.mkdir(path)
        with open(path + "/inside", "w", encoding="utf-8"):
            pass
    elif kind == "huge":
        with open(path, "wb") as file:
            file.truncate(1 << 30)
    else:
        raise ValueError(kind)


def remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError:
        shutil.rmtree(path)


class EvilServer(TechRenaissanceServer):
    def main_logic(self, command: str, parameters: str) -> bool:
        if command == "echo":
            self.write_response(command, parameters)
            return True
        getattr(self, command)(parameters)
        return True

    def path(self, name: str) -> str:
        return f"{self.session_dir}/{name}"

    def write(self, name: str, data: bytes) -> None:
        with open(self.path(".tmp-evil"), "wb") as file:
            file.write(data)
        remove(self.path(name))
        os.rename(self.path(".tmp-evil"), self.path(name))

    def publish(self, message: bytes) -> None:
        """As an answer, whatever it is, once the host has read the one before."""
        call = find_call()
        first, call.answered = not call.answered, True
        carrier = call.channel.carrier
        if not first:
            self.wait_until_read()
        if carrier.name == "mailbox":
            if carrier._box.send(message):
                return
            self.write("response.json", message)
            carrier._box.send(b"")
        else:
            if first:  # later it would be the next one
                carrier.remove_request()
                carrier.idle = True
            self.write("response.json", message)

    def wait_until_read(self) -> None:
        """For which nothing rings, when the host drops what it has read."""
        while not find_call().channel.carrier.has_room():
            os.sched_yield()

    def ok(self, **changes: object) -> bytes:
        answer = {"id": find_call().request.id, "command": "c", "result": "ok", "message": "", "tensors": []}
        return json.dumps({**answer, **changes}).encode()

    # Commands

    def raw(self, parameters: str) -> None:
        self.publish(parameters.replace("$id", str(find_call().request.id)).encode("utf-8", "surrogateescape"))

    def raw_large(self, parameters: str) -> None:
        """An answer of so many bytes, most of them brackets."""
        self.publish(b'{"x":' + b"[" * int(parameters))

    def many_tags(self, parameters: str) -> None:
        self.publish(self.ok(tensors=["no_such_tensor"] * int(parameters)))

    def response_is(self, parameters: str) -> None:
        kind, outside = parameters.split()
        make(kind, self.path(".tmp-made"), outside)
        call = find_call()
        carrier = call.channel.carrier
        call.answered = True
        if carrier.name == "files":
            carrier.remove_request()
            carrier.idle = True
        os.rename(self.path(".tmp-made"), self.path("response.json"))
        if carrier.name == "mailbox":
            carrier._box.send(b"")

    def tensor_is(self, parameters: str) -> None:
        kind, outside = parameters.split()
        make(kind, self.path("evil.tsr"), outside)
        self.publish(self.ok(tensors=["evil"]))

    def tensor_says(self, parameters: str) -> None:
        count, dims, length, dtype = parameters.split()
        shape = tuple(int(dim) for dim in dims.split("x"))
        self.write("evil.tsr", tsr(int(count), shape, b"\2" * int(length), int(dtype)))
        self.publish(self.ok(tensors=["evil"]))

    def unasked(self, parameters: str) -> None:
        """Answers to other requests, then that to this one, twice."""
        for number in (0, 10**6, 2**64 - 1):
            self.publish(self.ok(id=number, result="stale"))
        for _ in range(2):
            self.publish(self.ok(result=parameters))

    def when_read(self, parameters: str) -> None:
        """An echo, once the host has read what was left over by the request before."""
        self.wait_until_read()
        self.write_response("when_read", parameters)

    def scribble_leases(self, parameters: str) -> None:
        with open(self.path("mailbox"), "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
            memory[MAILBOX_LEASES:] = (bytes([int(parameters)]) * 8 + b"\xff" * 4 + bytes(4)) * 512
        self.write_response("scribbled")

    def scribble_line(self, parameters: str) -> None:
        """Words of the line to the host: bell, sequence, length, received."""
        words = struct.pack("<4I", *(int(word) for word in parameters.split()))
        with open(self.path("mailbox"), "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
            memory[MAILBOX_LINE_TO_HOST : MAILBOX_LINE_TO_HOST + 16] = words
        find_call().answered = True

    def result(self, parameters: str) -> None:
        import numpy

        self.send_tensors(numpy.full(int(parameters), 7.0))

    def length(self, parameters: str) -> None:
        self.write_response("length", str(len(self.get_tensors(parameters, 1))))

    def parts_over(self, parameters: str) -> None:
        """A stream; before each part something lies where the host writes that it has taken it, or wants no more."""
        import numpy

        kind, count, outside = parameters.split()
        for number in range(int(count)):
            for name in ("room", "cancel.json"):
                make(kind, self.path(name), outside)
            self.stream_tensors(numpy.full(1000, float(number)))

    def truncate(self, parameters: str) -> None:
        os.truncate(self.path(parameters), 0)
        self.write_response("truncated")

    def truncate_and_wait(self, parameters: str) -> None:
        os.truncate(self.path(parameters.split()[-1]), 0)
        signal.pause()

    def truncate_and_die(self, parameters: str) -> None:
        os.truncate(self.path(parameters), 0)
        os._exit(3)

    def truncate_before_answer(self, parameters: str) -> None:
        import numpy

        find_call().stage((numpy.full(int(parameters), 7.0),))
        size = os.stat(self.path("result_0.tsr")).st_size
        os.truncate(self.path("result_0.tsr"), 4096)
        os.truncate(self.path("result_0.tsr"), size)  # zeros are what lies there then
        self.publish(self.ok(tensors=["result_0"]))

    def occupy(self, parameters: str) -> None:
        """Directories in the place of all that the host writes, and the end."""
        names = ["request.json", "hello.json", "status.txt", "session.json", "mailbox", "mailbox.new", "cancel.json"]
        if find_call().channel.carrier.name == "mailbox":
            names.append("response.json")  # which is an answer where messages are files
        for name in [*names, "room", "worker.log"]:
            make(parameters, self.path(name), "/dev/null")
        os._exit(3)

    def large_status(self, parameters: str) -> None:
        make("huge", self.path("status.txt"), "")
        self.write_response("status")


EvilServer(framework="numpy").run()

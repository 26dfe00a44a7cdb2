"""Tensors with names, in and out; on threads or an event loop, as $KIND says."""

import os

import numpy as np

from tech_renaissance import TechRenaissanceServer


def work(server, command, parameters):
    if command == "step":
        obs, act = server.tensors["obs"], server.tensors["act"]
        server.send_tensors(total=obs + act, difference=obs - act)
    elif command == "pass_on":
        server.send_tensors(**server.tensors)
    elif command == "in_order":
        server.send_tensors(*server.get_tensors(parameters.split(" ")[0], None))
    elif command == "ask":
        server.send_tensors(server.tensors[parameters.split(" ")[-1]])
    elif command == "tell":
        tensors = server.tensors
        there = "obs" in tensors, "act" in tensors, tensors.get("act"), len(tensors)
        server.write_response(command, f"{parameters}: {','.join(tensors)} {there}")
    elif command == "mixed":
        server.send_tensors(np.float32(1), second=np.float32(2))
    elif command == "twice":
        server.send_tensors(loss=1.0)
        server.send_tensors(loss=2.0)
    elif command == "misspell":
        server.send_tensors(**{"my loss": 1.0})
    elif command == "parts":
        server.send_tensors(first=np.float32(1))
        server.stream_tensors(np.float32(2))
        server.send_tensors(third=np.float32(3))
    elif command == "stall":
        server.wait_until_cancelled()
    else:
        return False
    return True


class NamedServer(TechRenaissanceServer):
    framework = "numpy"
    threads = 4 if os.environ.get("KIND") == "threads" else 0

    def main_logic(self, command, parameters):
        return work(self, command, parameters)


class AsyncServer(TechRenaissanceServer):
    framework = "numpy"

    async def main_logic(self, command, parameters):
        return work(self, command, parameters)


class OwnTensorsServer(TechRenaissanceServer):
    """One that has had an attribute of this name for itself."""

    tensors = None

    def __init__(self):
        super().__init__()
        self.tensors = {"mine": np.float32(7)}

    def main_logic(self, command, parameters):
        self.send_tensors(self.tensors["mine"])
        return True


if __name__ == "__main__":
    {"async": AsyncServer, "own": OwnTensorsServer}.get(os.environ.get("KIND"), NamedServer)().run()

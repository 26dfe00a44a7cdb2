"""A server whose threads answer early, late and twice; $KIND says in which way they are started."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from tech_renaissance import TechRenaissanceServer


class Late(TechRenaissanceServer):
    """Each request starts eight, which go on into the requests that come after it."""

    framework = "numpy"

    def on_start(self):
        self.kind = os.environ["KIND"]
        self.pool = ThreadPoolExecutor(32)
        self.late = []
        self.number = 0

    def main_logic(self, command, parameters):
        if command == "finish":
            for gate in self.late:
                gate.set()
            self.late.clear()
            self.pool.shutdown()
            return True
        self.number += 1
        first, gate = threading.Barrier(3), threading.Event()
        for index in range(8):
            self.start(self.answer, index, parameters, first, gate)
        first.wait()  # two have been told to answer early
        self.late.append(gate)
        if len(self.late) > 2:
            self.late.pop(0).set()
        if self.number % 3 == 0:
            self.write_response(command, parameters)
        return True

    def answer(self, index, parameters, first, gate):
        if index < 2:
            first.wait()
        else:
            gate.wait()
        self.write_status(f"of {parameters}")
        if index % 4 == 0:
            self.send_tensors(1)
        if index % 4 == 1:
            self.stream_tensors(2)
        self.write_response("late" if index >= 2 else "early", parameters)
        self.write_response("twice", parameters)
        try:
            self.get_tensors("result_0")
            os._exit(9)  # after the answer it has to refuse
        except RuntimeError:
            pass

    def start(self, function, *arguments):
        if self.kind == "pool":
            self.pool.submit(function, *arguments)
        elif self.kind == "subclass":

            class Worker(threading.Thread):
                def run(self):
                    function(*arguments)

            Worker(daemon=True).start()
        else:
            threading.Thread(target=function, args=arguments, daemon=True).start()


if __name__ == "__main__":
    Late().run(sys.argv[1])

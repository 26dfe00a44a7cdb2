"""What the tests of pools ask of their workers."""

import os
import signal
import sys

from tech_renaissance import TechRenaissanceServer

if os.path.exists(os.environ.get("BROKEN", "")) or "FAILS" in os.environ:
    sys.exit("it cannot start")


class PoolServer(TechRenaissanceServer):
    framework = "numpy"
    threads = int(os.environ.get("THREADS", "1"))

    def main_logic(self, command: str, parameters: str) -> bool:
        if command == "echo":
            self.write_response(command, parameters)
        elif command == "double":
            self.send_tensors(self.get_tensors(parameters.split()[0]) * 2)
        elif command == "pid":
            self.write_response(command, str(os.getpid()))
        elif command == "pid_tensor":
            self.send_tensors(float(os.getpid()))
        elif command == "environment":
            self.write_response(command, os.environ.get(parameters, ""))
        elif command == "wait_for_fifo":
            with open(parameters, encoding="utf-8") as fifo:
                self.write_response(command, fifo.read())
        elif command == "gated":
            path = parameters.split()[-1]
            with open(path, encoding="utf-8") as fifo:
                fifo.read()
            self.send_tensors(1.0)
        elif command == "note":
            tag, path, word = parameters.split()
            with open(path, "a", encoding="utf-8") as notes:
                notes.write(word + " ")
            self.send_tensors(self.get_tensors(tag))
        elif command == "until_cancelled":
            path = parameters.split()[-1]
            open(path, "w").close()
            self.wait_until_cancelled()
            open(path + ".noticed", "w").close()
        elif command == "refuse_odd":
            tensor = self.get_tensors(parameters)
            if int(tensor.ravel()[0]) % 2:
                raise ValueError("it is odd")
            self.send_tensors(tensor)
        elif command == "count":
            for number in range(int(parameters.split()[-1])):
                self.stream_tensors(float(number))
        elif command == "gather":
            with open(parameters, "a", encoding="utf-8") as notes:
                notes.write("x")
            self.wait_until_cancelled()
        elif command == "count_until_cancelled":
            self.stream_tensors(0.0)
            self.wait_until_cancelled()
            open(parameters.split()[-1], "w").close()
        elif command == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        elif command == "die_once":
            # The first worker that is asked dies of it.
            path = parameters.split()[-1]
            if not os.path.exists(path):
                open(path, "w").close()
                os.kill(os.getpid(), signal.SIGKILL)
            self.write_response(command, "lived")
        else:
            return False
        return True


if __name__ == "__main__":
    PoolServer().run()

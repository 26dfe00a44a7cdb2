"""What the tests of liveness and recovery ask of a worker, mostly without numpy."""

import ctypes
import os
import shutil
import signal
import sys

from tech_renaissance import TechRenaissanceServer


class RecoveryServer(TechRenaissanceServer):
    framework = "numpy"
    state = ""

    def on_start(self) -> None:
        self.state = "rebuilt"

    def main_logic(self, command: str, parameters: str) -> bool:
        if command == "state":
            self.write_response(command, self.state)
        elif command == "hold_gil":
            # Opening a FIFO blocks until the test opens its other end; through PyDLL with the GIL held.
            for step in range(3):
                self.write_status(f"step {step} of native code")
            ctypes.PyDLL(None).open(parameters.encode(), os.O_RDONLY)
        elif command == "wait_for_fifo":
            self.write_status("a third done")
            with open(parameters, encoding="utf-8") as fifo:
                self.write_response(command, fifo.read())
        elif command == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        elif command == "kill":
            print("about to be killed")
            if parameters:
                self.write_status("a moment before")
                self.write_status(parameters)
            os.kill(os.getpid(), signal.SIGKILL)
        elif command == "die_once":
            # The first worker that is asked dies of it.
            if not os.path.exists(parameters.split()[-1]):
                open(parameters.split()[-1], "w").close()
                os.kill(os.getpid(), signal.SIGKILL)
            self.write_response(command, self.state)
        elif command == "sum":
            array = self.get_tensors(parameters)
            if os.path.exists(self.session_dir + "/die"):
                if os.path.getsize(self.session_dir + "/die"):
                    array[:] = 0  # what it has done to its input is not to reach the next worker
                os.unlink(self.session_dir + "/die")
                os.kill(os.getpid(), signal.SIGKILL)
            result = self.empty((20_000,))  # long enough to be leased, not copied
            result[:] = array.sum()
            self.send_tensors(result)
        elif command == "lose_directory":
            # The first worker that is asked loses its directory over it, and with it the way for a tensor.
            if not os.path.exists(parameters):
                open(parameters, "w").close()
                shutil.rmtree(self.session_dir, ignore_errors=True)
            result = self.empty((20_000,))
            result[:] = 1
            self.send_tensors(result)
        elif command in ("frames", "frames_and_kill"):
            for number in range(int(parameters.split()[-1])):
                result = self.empty((20_000,))
                result[:] = number
                self.stream_tensors(result)
            if command == "frames_and_kill":
                os.kill(os.getpid(), signal.SIGKILL)
        elif command == "answer_and_die":
            self.write_response(command, parameters)
            os.kill(os.getpid(), signal.SIGKILL)
        elif command == "pid":
            self.write_response(command, str(os.getpid()))
        elif command == "echo":
            self.write_response(command, parameters)
        else:
            return False
        return True


if __name__ == "__main__":
    RecoveryServer().run(sys.argv[1])

"""A server that does all sorts of things, right and wrong, with the standard library alone."""

import json
import os
import sys
import threading
import time

from tech_renaissance import NotFoundError, TechRenaissanceServer
from tech_renaissance.worker.context import find_call


class ProbeServer(TechRenaissanceServer):
    """Each command is a method."""

    commands = ("echo", "raise_value_error", "tensors", "progress")

    def on_start(self):
        """Counts its calls."""
        self.starts = getattr(self, "starts", 0) + 1

    def main_logic(self, command, parameters):
        """Looks the method up."""
        method = getattr(self, "do_" + command, None)
        return False if method is None else method(parameters)

    def do_echo(self, parameters):
        self.write_response("echo", parameters)
        return True

    def do_arguments(self, parameters):
        request = find_call().request
        self.write_response("arguments", f"{json.dumps(request.arguments)} {request.traceparent}")
        return True

    def do_starts(self, parameters):
        self.write_response("starts", str(self.starts))
        return True

    def do_where(self, parameters):
        self.write_response("where", f"{self.session_id} {self.session_dir}")
        return True

    def do_parts_for_ever(self, parameters):
        try:
            while True:
                self.stream_tensors()
        except Exception:  # which lets what ends it pass
            return True
        finally:
            print("the parts have ended", flush=True)

    def do_silent_true(self, parameters):
        return True

    def do_returns_none(self, parameters):
        return None

    def do_answers_and_returns_none(self, parameters):
        self.write_response("answers", "fine")

    def do_raise_value_error(self, parameters):
        raise ValueError(f'not "{parameters}"')

    def do_raise_not_found(self, parameters):
        raise NotFoundError("there is no such model")

    def do_recursion(self, parameters):
        return self.do_recursion(parameters)

    def do_memory(self, parameters):
        return len(bytearray(2**62)) > 0

    def do_long_traceback(self, parameters):
        raise ValueError("x" * 1_000_000)

    def do_exit(self, parameters):
        sys.exit(7)

    def do_die(self, parameters):
        os._exit(9)

    def do_answer_then_raise(self, parameters):
        self.write_response("answer_then_raise", "first")
        raise ValueError("too late")

    def do_answer_twice(self, parameters):
        self.write_response("answer_twice", "first")
        self.write_response("answer_twice", "second")
        return True

    def do_answer_twice_false(self, parameters):
        self.write_response("x", "first")
        return False

    def do_print(self, parameters):
        print('{"id": 1, "result": "forged"}')
        print("to standard error", file=sys.stderr)
        os.write(1, b"raw bytes \xff\n")
        self.debug_message("not shown")
        return True

    def do_close_stdout(self, parameters):
        os.close(1)
        sys.stdout = None
        return True

    def do_tensors(self, parameters):
        self.send_tensors(1, 2.5)
        self.send_tensors(True)
        self.write_response("tensors", "three")
        return True

    def do_tensor_then_raise(self, parameters):
        self.send_tensors(1)
        raise ValueError("no")

    def do_not_a_tensor(self, parameters):
        self.send_tensors("text")
        return True

    def do_get(self, parameters):
        found = self.get_tensors(parameters, 2)
        if found is None:
            return True
        a, b = found
        self.write_response("get", f"{a} {b}")
        return True

    def do_get_carelessly(self, parameters):
        _a, _b = self.get_tensors(parameters, 2)
        return True

    def do_progress(self, parameters):
        self.write_status("at 50 %\nof it")
        with open(os.path.join(self.session_dir, "status.txt")) as file:
            self.write_response("progress", file.read())
        return True

    def do_status(self, parameters):
        # The file may lag by a moment: what it comes to say while this request runs, or what it still says after 5 s.
        limit = time.monotonic() + 5
        seen = ""
        while seen != "busy" and time.monotonic() < limit:
            with open(os.path.join(self.session_dir, "status.txt")) as file:
                seen = file.read()
        self.write_response("status", seen)
        return True

    def do_spin(self, parameters):
        self.started()
        while True:
            pass

    def do_stubborn(self, parameters):
        """Python code that will not be cancelled."""
        self.started()
        while True:
            try:
                while True:
                    pass
            except BaseException:
                continue

    def do_wait(self, parameters):
        """Waits in C code that lets signals through."""
        self.started()
        threading.Event().wait()

    def started(self):
        open(os.path.join(self.session_dir, "started"), "w").close()

    def do_chdir(self, parameters):
        os.chdir("/")
        return True

    def do_big_answer(self, parameters):
        self.write_response("big_answer", "x" * int(parameters))
        return True

    def do_surrogate(self, parameters):
        self.write_response("surrogate", "a\ud880b")
        return True

    def do_modules(self, parameters):
        self.write_response("modules", " ".join(sorted(sys.modules)))
        return True


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: probe.py SESSION_ID")
    ProbeServer().run(sys.argv[1])

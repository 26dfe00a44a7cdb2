"""A server that imports what it starts threads with in the requests that need them."""

import sys

from tech_renaissance import TechRenaissanceServer


class Lazy(TechRenaissanceServer):
    """Each command is a way to start one, which answers."""

    def main_logic(self, command, parameters):
        import importlib

        if command == "thread":
            thread = importlib.import_module("threading").Thread(target=self.write_response, args=(command, parameters))
            thread.start()
            thread.join()
        elif command == "timer":
            thread = importlib.import_module("threading").Timer(0, self.write_response, (command, parameters))
            thread.start()
            thread.join()
        elif command == "raw":
            thread = importlib.import_module("_thread")
            lock = thread.allocate_lock()
            lock.acquire()

            def answer():
                self.write_response(command, parameters)
                lock.release()

            thread.start_new_thread(answer, ())
            lock.acquire()
        elif command == "pool":
            self.pool = getattr(self, "pool", None) or importlib.import_module("concurrent.futures").ThreadPoolExecutor(
                2
            )
            assert [*self.pool.map(self.answer, [command] * 2, [parameters] * 2)]
        else:
            self.write_response(command, str("threading" in sys.modules))
        return True

    def answer(self, command, parameters):
        self.write_response(command, parameters)
        return True


if __name__ == "__main__":
    Lazy().run(sys.argv[1])

"""A server without a guard around run(), whose children run its script again."""

import multiprocessing
import os
import subprocess
import threading

from tech_renaissance import TechRenaissanceServer


def work(connection):
    connection.send(os.getpid())


class SpawningServer(TechRenaissanceServer):
    def main_logic(self, command: str, parameters: str) -> bool:
        if command == "pid":
            self.write_response(command, str(os.getpid()))
        elif command == "spawn":
            context = multiprocessing.get_context("spawn")
            ours, theirs = context.Pipe()
            child = context.Process(target=work, args=(theirs,))
            child.start()
            self.write_response(command, str(ours.recv()))
            child.join()
        elif command == "leave_things":
            # A thread that the interpreter waits for at its end, and a process of the worker's group.
            threading.Thread(target=threading.Event().wait).start()
            self.write_response(command, str(subprocess.Popen(["sleep", "600"]).pid))
        else:
            return False
        return True


SpawningServer().run()

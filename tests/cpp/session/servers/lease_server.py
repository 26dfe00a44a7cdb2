"""Holds on to inputs and outputs in every way that a server may; for the tests of shared memory."""

import os
import random
import time

import numpy as np

from tech_renaissance import TechRenaissanceServer


class LeaseServer(TechRenaissanceServer):
    framework = "numpy"

    def __init__(self):
        super().__init__()
        self.kept = []
        self.total = None
        self.output = None

    def main_logic(self, command: str, parameters: str) -> bool:
        handler = getattr(self, f"do_{command}", None)
        if handler is None:
            return False
        handler(parameters)
        return True

    def do_echo(self, tags):
        self.send_tensors(*self.get_tensors(tags, None))

    def do_twice(self, tags):
        self.send_tensors(self.get_tensors(tags) * 2)

    def do_in_place(self, tags):
        array = self.get_tensors(tags)
        output = self.empty(array.shape)
        output[...] = array + 1
        self.send_tensors(output)

    def do_keep(self, tags):
        self.kept.extend(self.get_tensors(tags, None))

    def do_keep_and_double(self, tags):
        self.do_keep(tags)
        self.send_tensors(self.kept[-1] * 2)

    def do_kept(self, _):
        """Smallest and largest element of each tensor kept."""
        self.send_tensors(np.array([[array.min(), array.max()] for array in self.kept], dtype=np.float64))

    def do_forget(self, parameters):
        """One, by its number, or all."""
        if parameters:
            del self.kept[int(parameters)]
        else:
            self.kept.clear()

    def do_accumulate(self, tags):
        array = self.get_tensors(tags)
        if self.total is None:
            self.total = array
        else:
            self.total += array
        self.send_tensors(self.total)

    def do_stream_of_one(self, tags):
        """The input again and again, one more each time."""
        array = self.get_tensors(tags)
        for _ in range(5):
            array += 1
            self.stream_tensors(array)

    def do_change(self, tags):
        self.get_tensors(tags)[...] = -1

    def do_two_shapes(self, parameters):
        output = self.empty((2, int(parameters)))
        output[...] = 7
        self.send_tensors(output, output.reshape(-1))

    def do_output(self, parameters):
        """A new output, under two tags, which is kept for `output_again`."""
        length, value = parameters.split()
        self.output = self.empty((int(length),))
        self.output[...] = float(value)
        self.send_tensors(self.output, self.output)

    def do_output_again(self, _):
        self.send_tensors(np.zeros_like(self.output), self.output)

    def do_parts(self, parameters):
        """Parts of some tensors each, all of them holding the number of their part."""
        parts, tensors, length = map(int, parameters.split())
        generator = random.Random(1)
        for part in range(parts):
            self.stream_tensors(*(np.full(length, part, np.float32) for _ in range(tensors)))
            until = time.perf_counter() + generator.uniform(0, 300e-6)
            while time.perf_counter() < until:
                pass

    def do_watch(self, tag):
        """Looks a tag up until it holds -1; says how often it held two values at once, or changed while looked at."""
        wrong = 0
        while True:
            array = self.get_tensors(tag)
            first = (array.min(), array.max())
            wrong += first[0] != first[1] or first != (array.min(), array.max())
            if first[0] == -1:
                break
        self.write_response("watch", str(wrong))

    def do_whole(self, tag):
        """Whether all elements are the same."""
        array = self.get_tensors(tag)
        self.write_response("whole", str(array.min() == array.max()))

    def do_fork(self, _):
        """A child process that drops what it inherited."""
        child = os.fork()
        if child == 0:
            self.kept.clear()
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    LeaseServer().run()

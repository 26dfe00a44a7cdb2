"""Calls that workers join into batches, while workers die and calls are given up: each gets its own rows, or why not.

    python tests/faults/batches.py --calls 1000000

Threads call one at a time, and others keep several calls in flight, with one to five rows each, over a pool of workers.
Every few hundred calls a worker is killed; some calls are cancelled, some have a limit that is too short, and some are
bad, so that their whole batch raises. Each answer is compared, row by row. Ends with 1 when a call was answered wrong,
has no end, or ended later than it may.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import threading
import time
from collections import Counter, deque
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as NotInTime
from pathlib import Path

import numpy

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))
from tech_renaissance import (
    Pool,
    PoolOptions,
    RemoteError,
    RestartError,
    RestartPolicy,
    SessionOptions,
    TRException,
)
from tech_renaissance import TimeoutError as LimitPassed

HERE = Path(__file__).parent
SERVER = HERE.parent / "python_host" / "endpoint_batch_server.py"
CALLERS = 8
IN_FLIGHT = 8
LIMIT_MS = 30_000
LATEST_SECONDS = 2 * LIMIT_MS / 1000


class Proof:
    """Makes calls, and counts what became of each.

    Attributes:
        counts: of calls, by what became of them: "right", "wrong", "hung", or why they failed.
        wrong: what was seen in place of what was expected.
        deaths: how many workers were killed.
    """

    def __init__(self, pool, calls, seed, kill_every):
        self._pool = pool
        self._calls = calls
        self._seed = seed
        self._kill_every = kill_every
        self._lock = threading.Lock()
        self._begun = 0
        self._ended = threading.Semaphore(0)
        self._over = False
        self.counts = Counter()
        self.wrong = []
        self.deaths = 0

    def _next(self):
        """The number of a call that is yet to be made; None when all have been."""
        with self._lock:
            if self._begun == self._calls:
                return None
            self._begun += 1
            return self._begun

    def _count(self, outcome, seen=None):
        with self._lock:
            self.counts[outcome] += 1
            if outcome == "wrong" and len(self.wrong) < 10:
                self.wrong.append(seen)
        self._ended.release()

    def _judge(self, number, x, bad, result):
        """What became of a call, whose result this gives, or raises."""
        try:
            found = result()
        except LimitPassed:
            return self._count("its limit passed")
        except NotInTime:  # also what that is derived from
            return self._count("hung")
        except CancelledError:
            return self._count("cancelled")
        except RestartError:
            return self._count("its worker died")
        except RemoteError as error:
            expected = bad and "ValueError: negative" in str(error)
            return self._count("refused, as it was bad" if expected else "wrong", (number, repr(error)))
        except TRException as error:
            return self._count("wrong", (number, repr(error)))
        if bad or found.dtype != x.dtype or found.shape != x.shape or not (found == 2 * x).all():
            return self._count("wrong", (number, x.tolist(), found.tolist()))
        return self._count("right")

    @staticmethod
    def _input(chance, number):
        """Rows that no other call has, and whether the server is to refuse them."""
        x = numpy.full((chance.randint(1, 5), 3), float(number))
        x += numpy.arange(x.size).reshape(x.shape) / 16
        bad = chance.random() < 0.01
        return (-x if bad else x), bad

    def call_one_by_one(self, caller):
        """A thread that waits for each of its calls; a few have hardly any time."""
        chance = random.Random(f"{self._seed} one {caller}")
        while (number := self._next()) is not None:
            x, bad = self._input(chance, number)
            limit = 1 if chance.random() < 0.02 else LIMIT_MS
            self._judge(number, x, bad, lambda x=x, limit=limit: self._pool.call("double", x, timeout_ms=limit))

    def keep_in_flight(self, caller):
        """A thread that has several at once, and cancels a few."""
        chance = random.Random(f"{self._seed} many {caller}")
        flying = deque()

        def take():
            number, x, bad, future = flying.popleft()
            self._judge(number, x, bad, lambda: future.result(LATEST_SECONDS))

        while (number := self._next()) is not None:
            x, bad = self._input(chance, number)
            future = self._pool.submit_call("double", x, timeout_ms=LIMIT_MS)
            flying.append((number, x, bad, future))
            if chance.random() < 0.02:
                chance.choice(flying)[3].cancel()
            if len(flying) == IN_FLIGHT:
                take()
        while flying:
            take()

    def kill(self):
        """Ends a worker after every so many calls."""
        chance = random.Random(f"{self._seed} kill")
        while True:
            for _ in range(self._kill_every):
                self._ended.acquire()
            if self._over:
                return
            alive = [worker.pid for worker in self._pool.stats().workers if worker.state in ("ready", "busy")]
            if alive:
                os.kill(chance.choice(alive), signal.SIGKILL)
                self.deaths += 1

    def run(self):
        """Makes all calls."""
        killer = threading.Thread(target=self.kill)
        callers = [threading.Thread(target=self.call_one_by_one, args=(caller,)) for caller in range(CALLERS)]
        callers += [threading.Thread(target=self.keep_in_flight, args=(caller,)) for caller in range(CALLERS // 2)]
        killer.start()
        for thread in callers:
            thread.start()
        for thread in callers:
            thread.join()
        self._over = True
        for _ in range(self._kill_every):
            self._ended.release()
        killer.join()

    def lost(self):
        """Calls that have no end."""
        return self._calls - sum(self.counts.values())


def main():
    """See the module."""
    parser = argparse.ArgumentParser(description="Each caller gets its own rows")
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kill-every", type=int, default=2_000, help="calls for each death of a worker")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    restart = RestartPolicy(attempts=0, backoff_ms=1, max_backoff_ms=50, quarantine_after=0)
    session = SessionOptions(script=SERVER, quiet=True, max_ongoing_requests=16, restart=restart)
    begin = time.monotonic()
    with Pool(PoolOptions(session, workers=arguments.workers)) as pool:
        proof = Proof(pool, arguments.calls, arguments.seed, arguments.kill_every)
        proof.run()
        batches = pool.stats().batches.get("double")
    seconds = time.monotonic() - begin
    print(f"{arguments.calls} calls in {seconds:.1f} s, seed {arguments.seed}, {proof.deaths} workers killed")
    for outcome, count in sorted(proof.counts.items(), key=lambda item: (item[0] != "right", -item[1])):
        print(f"  {outcome:24} {count}")
    if batches is not None:
        print(f"rows in a batch of the last workers: {batches.mean_rows():.1f} of 16; closed: {batches.closed}")
    wrong, hung = proof.counts["wrong"], proof.counts["hung"]
    print(f"wrong {wrong}, lost {proof.lost()}, hung {hung}")
    for seen in proof.wrong:
        print("wrong:", *seen)
    return int(bool(wrong or hung or proof.lost()))


if __name__ == "__main__":
    sys.exit(main())

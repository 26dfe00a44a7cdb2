"""Python clients of the served graph, as graph.cpp has them in C++; graph.py starts both.

python graph_clients.py WORKSPACE CLIENTS SEED
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
from collections import Counter

import numpy as np

from tech_renaissance import RemoteError, RestartError, RetryError, TRException, attach
from tech_renaissance import TimeoutError as LimitPassed

LIMIT_MS = 30_000


class Client:
    """One `attach`, used by one thread."""

    def __init__(self, workspace, number, seed):
        self.whole = number % 2 == 0
        self.stop = f"{workspace}/stop"
        self.random = random.Random(seed * 1000 + number)
        self.counts = Counter()
        self.client = attach("annotate" if self.whole else "annotate.classify", workspace=workspace)

    def run(self):
        """Calls until it is told to stop."""
        while not os.path.exists(self.stop):
            self.counts["sent"] += 1
            self.counts[self.outcome()] += 1
        self.client.close()

    def outcome(self):
        """What became of one call."""
        try:
            self.call()
        except LimitPassed as error:
            return self.noted("hung", error)
        except (RestartError, RetryError):
            return "failed"
        except RemoteError as error:
            inner = "RestartError" in str(error) or "RetryError" in str(error)
            return "failed" if inner else self.noted("wrong", error)
        except (TRException, AssertionError) as error:
            return self.noted("wrong", error)
        return "answered"

    def noted(self, outcome, error):
        print(f"graph: {type(error).__name__}: {error}", file=sys.stderr)
        return outcome

    def call(self):
        size = self.random.randrange(1, 9)
        rows = np.array([[self.random.getrandbits(50) for _ in range(4)] for _ in range(size)])
        if not self.whole:
            np.testing.assert_array_equal(self.client.classify(rows, timeout_ms=LIMIT_MS), rows * 3)
            return
        token = str(self.random.random())
        found = self.client.read(rows, token, timeout_ms=LIMIT_MS)
        np.testing.assert_array_equal(found.rows, (rows + 1) * 3)
        assert found.token == token, "the answer of another call"


def main(workspace, clients, seed):
    """Prints what became of all calls, in a line of JSON."""
    made = [Client(workspace, number, seed) for number in range(clients)]
    print("connected", flush=True)
    threads = [threading.Thread(target=client.run) for client in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(sum((client.counts for client in made), Counter())))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

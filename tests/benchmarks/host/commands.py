"""What every Python host program does: obeys a command on each line of standard input, and times calls."""

from __future__ import annotations

import json
import sys
import time
from typing import Any, Callable


class AbsentError(Exception):
    """This row does not have what was asked for."""


def measure(
    run: Callable[[], Any], check: Callable[[Any], None], rounds: int, budget_ms: int, warm_up_ms: int
) -> dict[str, Any]:
    """Nanoseconds of each run, as `measure` of commands.h."""
    clock = time.perf_counter_ns
    budget = budget_ms * 1_000_000
    start = clock()
    runs = 0
    while runs == 0 or clock() - start < (10**9 if runs < 2 else warm_up_ms * 1_000_000):
        result = run()
        runs += 1
    check(result)
    samples: list[int] = []
    before = start = clock()
    while len(samples) < rounds and (not samples or before - start < budget):
        before = clock()
        result = run()
        samples.append(clock() - before)
    return {"ns": samples}


def obey_all(obey: Callable[[list[str]], dict[str, Any]]) -> None:
    """Answers the words of each line, until there are no more."""
    for line in sys.stdin:
        try:
            answer = obey(line.split())
        except AbsentError as reason:
            answer = {"absent": str(reason)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)

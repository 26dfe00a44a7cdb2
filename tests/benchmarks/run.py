"""The benchmark: measures every row, prints the tables, and writes results.json and docs/performance.*.

run.py --programs FOLDER [--quick] [--out FOLDER] [--rows KEY ...] [--phases NAME ...] [--docs]
run.py --from build/bench/results.json --docs      # the pages again, nothing measured
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import machine
import services
import tables
from measuring import Plan, Run
from picture import draw
from rows import KEYS
from table import render

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "performance.md"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
OF_SESSIONS = (
    "text",
    "placement",
    "load",
    "tensors",
    "calculate",
    "several",
    "starts",
    "resources",
    "memory",
    "throughput",
)
PHASES = (*OF_SESSIONS, *services.PHASES)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Runs the phases asked for."""
    begin = time.monotonic()

    def say(text: str) -> None:
        print(f"bench: {time.monotonic() - begin:4.0f} s  {text}", file=sys.stderr, flush=True)

    # The session picks its own workspace, as it does for users; nothing of the caller's may decide it.
    for variable in [name for name in os.environ if name.startswith("TR_")] + ["PYTHONDONTWRITEBYTECODE"]:
        os.environ.pop(variable, None)
    sys.path.insert(0, str(arguments.programs / "modules"))
    run = Run(Plan(arguments.quick), arguments.programs, set(arguments.rows), say)
    command = "make bench QUICK=1" if arguments.quick else "make bench"
    run.results["machine"] = machine.describe(command)
    for phase in PHASES:
        if phase in arguments.phases:
            services.PHASES[phase](run) if phase in services.PHASES else getattr(run, phase)()
    run.results["machine"]["Took"] = f"{time.monotonic() - begin:.0f} s"
    say("done")
    return run.results


def section(results: dict[str, Any], with_picture: bool) -> str:
    """What the page says between its markers."""
    parts = ["\n".join(f"- {key}: {value}" for key, value in results["machine"].items())]
    if with_picture:
        parts.append("![Median time of an echo over the size of the tensor](performance.svg)")
    for title, table in tables.all_tables(results):
        parts.append(f"### {title}\n\n{render(table)}")
    absent = tables.absent_lines(results)
    if absent:
        parts.append("### Not measured\n\n" + "\n".join(f"- {line}" for line in absent))
    return "\n\n".join(parts)


def write_docs(results: dict[str, Any]) -> None:
    """Puts tables and picture into docs/."""
    PAGE.with_suffix(".svg").write_text(draw(results), encoding="utf-8")
    text = PAGE.read_text(encoding="utf-8")
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        sys.exit(f"bench: {PAGE} lacks the markers {BEGIN} and {END}, between which the tables go")
    PAGE.write_text(f"{head}{BEGIN}\n\n{section(results, True)}\n\n{END}{tail}", encoding="utf-8")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description="Measures sessions beside their rivals")
    parser.add_argument("--programs", type=Path, help="folder of the built host programs")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "build" / "bench", help="where results.json goes")
    parser.add_argument("--from", dest="old", type=Path, help="results of an earlier run, instead of measuring")
    parser.add_argument("--quick", action="store_true", help="four minutes, and the pages stay as they are")
    parser.add_argument("--docs", action="store_true", help="write docs/performance.md and docs/performance.svg")
    parser.add_argument("--rows", nargs="*", default=[], choices=list(KEYS), help="only these")
    parser.add_argument("--phases", nargs="*", default=list(PHASES), choices=PHASES, help="only these")
    arguments = parser.parse_args()
    if arguments.old is not None:
        results = json.loads(arguments.old.read_text(encoding="utf-8"))
    elif arguments.programs is None:
        parser.error("--programs or --from is needed")
    else:
        results = measure(arguments)
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "results.json").write_text(json.dumps(results), encoding="utf-8")
    print(section(results, False))
    if arguments.docs:
        write_docs(results)


if __name__ == "__main__":
    main()

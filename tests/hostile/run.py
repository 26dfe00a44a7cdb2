"""Runs every fuzzer for so many inputs and says in one line each what came of it: run.py BUILD PYTHON RUNS [TARGET...].

Starts from the corpora here; what is found on the way stays in build/fuzz/corpora for the next time, and an input that
breaks a reader in build/fuzz/findings. A target is `cpp/NAME` or `python/NAME`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from make_corpora import CORPORA

HERE = Path(__file__).parent
OPTIONS = ["-max_len=4096", "-timeout=10", "-rss_limit_mb=4096", "-print_final_stats=1"]
CPP = ("tsr", "response", "plain", "hello", "session", "request", "arguments", "mailbox")
PYTHON = ("tsr", "response", "request", "arguments", "session", "mailbox", "call")


def fuzz(command: list[str], name: str, runs: str, build: Path) -> bool:
    """Whether nothing was found; prints the line."""
    corpus, findings = build / "corpora" / name, build / "findings"
    corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(exist_ok=True)
    prefix = findings / (name.replace("/", "-") + "-")
    started = time.monotonic()
    done = subprocess.run(
        [*command, f"-runs={runs}", f"-artifact_prefix={prefix}", *OPTIONS, corpus, HERE / Path(name).name],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    seconds = time.monotonic() - started
    for left in Path("/dev/shm").glob("tr_fuzz_*"):  # a fuzzer ends without clearing up
        shutil.rmtree(left, ignore_errors=True)
    text = done.stdout.decode("utf-8", "replace")
    (build / (name.replace("/", "-") + ".log")).write_text(text)
    count = (re.findall(r"Done (\d+) runs", text) or re.findall(r"#(\d+)\t", text) or ["0"])[-1]
    coverage = (re.findall(r"cov: (\d+)", text) or ["?"])[-1]
    good = done.returncode == 0 and int(count) >= int(runs)
    print(
        f"{name:16} {int(count):>9} runs  {seconds:7.1f} s  {coverage:>5} edges  {0 if good else 1} findings",
        flush=True,
    )
    if not good:
        print("\n".join(text.splitlines()[-40:]), flush=True)
    return good


def main() -> int:
    build, python, runs, *wanted = sys.argv[1:]
    names = [f"cpp/{target}" for target in CPP] + [f"python/{target}" for target in PYTHON]
    assert {Path(name).name for name in names} == set(CORPORA)
    good = True
    for name in wanted or names:
        language, target = name.split("/")
        program = [f"{build}/tests/tr_fuzz_{target}"] if language == "cpp" else [python, str(HERE / "fuzz.py"), target]
        good = fuzz(program, name, runs, Path(build)) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

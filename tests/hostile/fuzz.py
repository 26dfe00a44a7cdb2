"""Fuzzes one of the Python readers: fuzz.py TARGET, then arguments of libFuzzer. Needs atheris."""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1] / "python"), str(HERE)]
with atheris.instrument_imports(include=["tech_renaissance"]):
    from targets import TARGETS

atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
atheris.Fuzz()

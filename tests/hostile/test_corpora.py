"""Every hostile input, as it is and with bytes changed: both languages refuse it, or take it for the same."""

from __future__ import annotations

import os
import random
import re
import struct
import subprocess
from pathlib import Path

import make_corpora
import pytest
from targets import TARGETS

from tech_renaissance import protocol

HERE = Path(__file__).parent
MUTATIONS = 1500
INTERESTING = [b"\0", b"\xff", b'"', b"{", b"}", b"[", b"]", b",", b"\\", b"1", b"null", b'"id":', b'"a"', bytes(8)]
# What JSON leaves open, and the protocol with it: a member that is there twice, and numbers beyond a double.
_HUGE = re.compile(rb"[0-9]{300,}")


def corpus(target: str) -> dict[str, bytes]:
    """The files of a corpus by name."""
    return {path.name: path.read_bytes() for path in sorted((HERE / target).iterdir())}


def mutated(target: str) -> list[bytes]:
    """Inputs near those of the corpus, the same in each run."""
    choose = random.Random(target)
    seeds = list(corpus(target).values())
    found = []
    for _ in range(MUTATIONS):
        data = bytearray(choose.choice(seeds)[:4096])
        for _ in range(choose.randint(1, 4)):
            at = choose.randint(0, len(data))
            way = choose.randrange(4)
            if way == 0:
                data[at : at + 1] = bytes([choose.randrange(256)])
            elif way == 1:
                data[at:at] = choose.choice(INTERESTING)
            elif way == 2:
                del data[at : at + choose.randint(1, 16)]
            else:
                other = choose.choice(seeds)
                start = choose.randint(0, len(other))
                data[at:at] = other[start : start + choose.randint(0, 64)]
        found.append(bytes(data))
    return found


def cpp(target: str, inputs: list[bytes]) -> list[str]:
    """What the C++ readers make of them."""
    path = Path(os.environ.get("TR_BUILD_DIR") or HERE.parents[1] / "build" / "dev") / "tests" / "tr_hostile_tool"
    if not os.access(path, os.X_OK):
        pytest.fail(f"{path} is not there: build it with 'cmake --preset dev && cmake --build --preset dev'")
    stream = b"".join(struct.pack("<I", len(data)) + data for data in inputs)
    done = subprocess.run([path, target], input=stream, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    lines = done.stdout.decode().splitlines()
    assert len(lines) == len(inputs)
    return lines


@pytest.mark.parametrize("target", ["tsr", "response", "arguments", "mailbox"])
def test_both_languages_agree(target: str) -> None:
    """Where both read the format."""
    inputs = [*corpus(target).values(), *mutated(target)]
    for data, found in zip(inputs, cpp(target, inputs)):
        if target in ("response", "arguments") and (_HUGE.search(data) or _repeats_a_member(data)):
            TARGETS[target](data)
        else:
            assert TARGETS[target](data) == found, data


def test_a_plain_request_means_what_it_means_as_json() -> None:
    """The compiled module reads one without a parser, and of the arguments only sees that they are an object."""
    inputs = [*corpus("plain").values(), *mutated("plain")]
    plain = 0
    for data, found in zip(inputs, cpp("plain", inputs)):
        if found == "refused":
            continue
        plain += 1
        request = protocol.parse_request(data)
        said = dict(word.split("=") for word in found.split()[1:])
        members = ("command", "parameters", "names", "buffers", "traceparent")
        texts = {name: bytes.fromhex(said[name]) for name in (*members, "arguments")}
        for name in members:
            assert getattr(request, name).encode() == texts[name], data
        assert (str(request.id), said["deadline"]) == (said["id"], str(request.deadline_ms).lower()), data
        assert protocol.Request("", arguments=texts["arguments"]).arguments == request.arguments, data
    assert plain > 15


@pytest.mark.parametrize("target", ["hello", "session", "request"])
def test_cpp_answers_to_anything(target: str) -> None:
    """Where C++ reads a format alone, or more strictly: an answer, whatever the input is."""
    cpp(target, [*corpus(target).values(), *mutated(target)])


@pytest.mark.parametrize("target", ["request", "session", "call"])
def test_python_answers_to_anything(target: str) -> None:
    for data in [*corpus(target).values(), *mutated(target)]:
        TARGETS[target](data)


def test_what_cpp_sends_python_reads() -> None:
    """A program may pass any text as a request."""
    inputs = [*corpus("request").values(), *mutated("request")]
    for found in cpp("request", inputs):
        if found.startswith("accepted"):
            command, sent = (bytes.fromhex(word) for word in found.split()[1:])
            request = protocol.read_request(sent + b"}")
            # Deep JSON of a program is sent as it is, and refused where it is read.
            assert request.problem is not None or os.fsencode(request.command) == command


def test_the_corpora_are_what_the_page_says() -> None:
    """make_corpora.py writes the files, and README.md tells of each."""
    for target, expected in make_corpora.CORPORA.items():
        assert corpus(target) == {name: data for name, (data, _) in expected.items()}, "run make_corpora.py"
    page = (HERE / "README.md").read_text()
    assert all(
        f"| {name} | {note} |" in page for each in make_corpora.CORPORA.values() for name, (_, note) in each.items()
    )


def _repeats_a_member(data: bytes) -> bool:
    import json

    repeated = False

    def look(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal repeated
        found = dict(pairs)
        repeated = repeated or len(found) < len(pairs)
        return found

    try:
        json.loads(data, object_pairs_hook=look)
    except (ValueError, RecursionError):
        return repeated
    return repeated

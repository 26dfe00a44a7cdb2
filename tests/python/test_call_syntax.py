"""The argument syntax of the default server."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tech_renaissance.default_server.call_syntax import Name, parse_arguments
from tech_renaissance.errors import InputError


def plain(value: Any) -> Any:
    """Names as texts that begin with $."""
    if isinstance(value, Name):
        return "$" + value.text
    return type(value)(map(plain, value)) if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize(
    ("text", "args", "kwargs"),
    [
        ("", [], {}),
        ("a", ["$a"], {}),
        ("a,b", ["$a", "$b"], {}),
        (" a , b\tc ", ["$a", "$b", "$c"], {}),
        ("a,b stride=2 padding=(1,1)", ["$a", "$b"], {"stride": 2, "padding": (1, 1)}),
        ("a dim = 1", ["$a"], {"dim": 1}),
        ("a 0 1", ["$a", 0, 1], {}),
        ("a -1 +2 1.5 -.5 1e-5 2.", ["$a", -1, 2, 1.5, -0.5, 1e-5, 2.0], {}),
        ("1.5j", [1.5j], {}),
        ("True False None", [True, False, None], {}),
        ("inf -inf", [math.inf, -math.inf], {}),
        ("[a,b] dim=0", [["$a", "$b"]], {"dim": 0}),
        ("((1,2),[3]) ()", [((1, 2), [3]), ()], {}),
        ('"ij,jk->ik" a b', ["ij,jk->ik", "$a", "$b"], {}),
        (r'''a mode='it\'s' other="\\\n"''', ["$a"], {"mode": "it's", "other": "\\\n"}),
        ("a dtype=torch.float64", ["$a"], {"dtype": "$torch.float64"}),
        ("input_a result_0 3d 2e", ["$input_a", "$result_0", "$3d", "$2e"], {}),
    ],
)
def test_arguments_are_read(text: str, args: list[Any], kwargs: dict[str, Any]) -> None:
    found_args, found_kwargs = parse_arguments(text)
    assert plain(found_args) == args
    assert {key: plain(value) for key, value in found_kwargs.items()} == kwargs


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a dim=1 b", "positional arguments come before keywords"),
        ("a dim=1 dim=2", "keyword 'dim' stands there twice"),
        ("a dim=", "a value is missing after 'dim='"),
        ("=1", "'=' is not expected here"),
        ("1=2", "'=' comes after the name of a keyword"),
        ("a __class__=1", "'=' comes after the name of a keyword"),
        ("a x.y=1", "'=' comes after the name of a keyword"),
        ("a b==c", "'=' is not expected here"),
        ("(1", r"'\)' is missing"),
        ("(1]", r"'\]' is not expected here"),
        (")", r"'\)' is not expected here"),
        ('"abc', 'the closing " is missing'),
        (r'"\x41"', "unknown escape"),
        ("(" * 9, "nested more than 8 deep"),
        ("(" * 10_000, "nested more than 8 deep"),
        ("../a", "neither a number nor a tag"),
        ("a/b", "neither a number nor a tag"),
        (".a", "neither a number nor a tag"),
        ("__import__('os')", "'__import__' cannot be called: parameters are tags and literals"),
        ("a+b", "neither a number nor a tag"),
        ("{}", "neither a number nor a tag"),
        ("lambda:0", "neither a number nor a tag"),
    ],
)
def test_anything_else_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_arguments(text)


def test_long_parameters_are_refused_unread() -> None:
    with pytest.raises(InputError, match="over the limit of 16384") as caught:
        parse_arguments("a " * 10_000)
    assert caught.value.code == "E1005"


@settings(max_examples=300)
@given(st.text(alphabet="a1-.()[],= '\"\\e_Tj", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        args, kwargs = parse_arguments(text)
    except InputError:
        return
    assert isinstance(args, list)
    assert all(key.isidentifier() for key in kwargs)

"""Type text means the same everywhere: what is printed is what is parsed."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cuvisc.language.types import DTYPES, TensorType, TypeTextError, parse_type

DIMS = st.one_of(
    st.integers(0, 10**9), st.from_regex(re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,9}", re.ASCII), fullmatch=True)
)
TYPES = st.builds(TensorType, st.sampled_from(DTYPES), st.lists(DIMS, max_size=6).map(tuple))


@given(TYPES)
def test_round_trip(type_: TensorType) -> None:
    """Every type is its own text."""
    assert parse_type(str(type_)) == type_


@given(TYPES, st.sampled_from(["", " ", "  "]))
def test_spaces_say_nothing(type_: TensorType, space: str) -> None:
    text = f"{space}{type_.dtype}{space}[{f'{space},{space}'.join(map(str, type_.dims))}]{space}"
    assert parse_type(text) == type_


def test_substitution_leaves_the_unknown() -> None:
    declared = parse_type("float32[B,H,W,C]")
    assert str(declared.substitute({"C": 61, "B": "N"})) == "float32[N,H,W,61]"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("float32", "`float32` is not of the form dtype[dim,...], such as float32[B,H,W,C]"),
        ("float32[B", "`float32[B` is not of the form dtype[dim,...], such as float32[B,H,W,C]"),
        ("", "`` is not of the form dtype[dim,...], such as float32[B,H,W,C]"),
        ("float33[B]", f"`float33` in `float33[B]` is not a dtype; one of {', '.join(DTYPES)}"),
        ("float32[B,-1]", "`-1` in `float32[B,-1]` is neither a number nor a name"),
        ("float32[B*2]", "`B*2` in `float32[B*2]` is neither a number nor a name"),
        ("float32[B,,C]", "`` in `float32[B,,C]` is neither a number nor a name"),
    ],
)
def test_wrong_text(text: str, message: str) -> None:
    """The message says which part of the text is wrong."""
    with pytest.raises(TypeTextError) as caught:
        parse_type(text)
    assert str(caught.value) == message

"""A declaration is checked once, where it is written; what violates it is answered in whole sentences."""

from typing import Any, Literal

import pytest

from cuvisc.language.choose import Choose
from cuvisc.language.declare import (
    DeclarationError,
    Declared,
    In,
    Out,
    Param,
    ParameterError,
    State,
    describe_annotation,
)
from cuvisc.language.types import TypeTextError


class Everything(Declared):
    """One parameter of every kind."""

    bands: int = Param(doc="number of bands", ge=1, le=9)
    gain: float = Param(1.5, "gain", gt=0, lt=2)
    mode: str = Param("fast", "how", choices=("fast", "slow"))
    flag: bool = Param(False, "whether")
    bias: float | None = Param(None, "offset")
    ids: tuple[int, ...] = Param((1, 2), "classes")
    pair: tuple[float, float] = Param((0.0, 1.0), "ends")
    names: list[str] = Param([], "names")
    kind: Literal["a", "b"] = Param("a", "kind")  # type: ignore[misc]
    extra: dict[str, Any] = Param({}, "more")
    anything: Any = Param(None, "anything")


class Derived(Everything):
    """Inherits, overrides and adds."""

    gain: float = Param(0.5, "another gain", gt=0)
    added: str = Param("x", "new")


KNOWN = "bands, gain, mode, flag, bias, ids, pair, names, kind, extra, anything"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "Everything: `bands` is required (number of bands)"),
        ({"bands": 0}, "Everything: `bands` must be >= 1, got 0"),
        ({"bands": 10}, "Everything: `bands` must be <= 9, got 10"),
        ({"bands": 2.0}, "Everything: `bands` wants a whole number, got 2.0"),
        ({"bands": True}, "Everything: `bands` wants a whole number, got True"),
        ({"bands": "2"}, "Everything: `bands` wants a whole number, got '2'"),
        ({"bands": 1, "gain": 0}, "Everything: `gain` must be > 0, got 0"),
        ({"bands": 1, "gain": 2.0}, "Everything: `gain` must be < 2, got 2"),
        ({"bands": 1, "gain": float("nan")}, "Everything: `gain` must be finite, got nan"),
        ({"bands": 1, "gain": "1e-6"}, "Everything: `gain` wants a number, got '1e-6'"),
        ({"bands": 1, "gain": True}, "Everything: `gain` wants a number, got True"),
        ({"bands": 1, "mode": "fats"}, "Everything: `mode` is one of fast, slow, got 'fats'"),
        ({"bands": 1, "flag": 1}, "Everything: `flag` wants true or false, got 1"),
        ({"bands": 1, "flag": "no"}, "Everything: `flag` wants true or false, got 'no'"),
        ({"bands": 1, "bias": "low"}, "Everything: `bias` wants a number or null, got 'low'"),
        ({"bands": 1, "bias": float("inf")}, "Everything: `bias` must be finite, got inf"),
        ({"bands": 1, "ids": [1, "2"]}, "Everything: `ids` wants a list of whole numbers, got (1, '2')"),
        ({"bands": 1, "ids": 3}, "Everything: `ids` wants a list of whole numbers, got 3"),
        ({"bands": 1, "pair": [1.0]}, "Everything: `pair` wants a list of numbers, got (1.0,)"),
        ({"bands": 1, "names": [1]}, "Everything: `names` wants a list of text, got [1]"),
        ({"bands": 1, "kind": "c"}, "Everything: `kind` wants one of a, b, got 'c'"),
        ({"bands": 1, "extra": []}, "Everything: `extra` wants a mapping, got []"),
        ({"bands": 1, "gian": 1.0}, f"Everything: unknown parameter `gian`; it has: {KNOWN}"),
    ],
)
def test_wrong_parameters(params: dict[str, Any], message: str) -> None:
    """The message names the class, the parameter, what it wants and what it got."""
    with pytest.raises(ParameterError) as caught:
        Everything(**params)
    assert str(caught.value) == message


def test_whole_numbers_are_numbers() -> None:
    """A number written without a point is a float where a float is wanted, and a list a tuple."""
    made = Everything(bands=3, gain=1, bias=2, ids=[7], pair=[1, 2])
    assert made.params() == {
        "bands": 3,
        "gain": 1.0,
        "mode": "fast",
        "flag": False,
        "bias": 2.0,
        "ids": (7,),
        "pair": (1.0, 2.0),
        "names": [],
        "kind": "a",
        "extra": {},
        "anything": None,
    }
    assert all(type(value) is float for value in (made.gain, made.bias, *made.pair))


def test_inheritance() -> None:
    """A subclass has the parameters of its bases, in their order; what it declares again replaces theirs."""
    assert list(Derived.declaration.params) == [*Everything.declaration.params, "added"]
    made = Derived(bands=1)
    assert (made.gain, made.added, made.mode) == (0.5, "x", "fast")
    assert Everything(bands=1).gain == 1.5
    Derived(bands=1, gain=5.0)
    with pytest.raises(ParameterError, match="`gain` must be < 2"):
        Everything(bands=1, gain=5.0)


def test_mutable_defaults_are_not_shared() -> None:
    """What one instance does to a default list does not reach the next."""
    first = Everything(bands=1)
    first.names.append("x")
    first.extra["y"] = 1
    assert Everything(bands=1).names == []
    assert Everything(bands=1).extra == {}


def test_ports_and_state_are_inherited() -> None:
    class Reader(Declared):
        cube = In("float32[B,H,W,C]", "cube")
        scores = Out(Choose("wide", {True: "float32[B,H,W,C]"}, "float32[B,H,W,1]"), "scores")
        wide: bool = Param(False, "all bands")
        mean = State("float64[C]", "mean")

    class More(Reader):
        mask = In("bool[B,H,W,1]", "mask")

    assert list(More.declaration.inputs) == ["cube", "mask"]
    assert list(Reader.declaration.inputs) == ["cube"]
    assert list(More.declaration.outputs) == ["scores"]
    assert list(More.declaration.state) == ["mean"]


def test_a_parameter_needs_a_type() -> None:
    with pytest.raises(DeclarationError) as caught:
        type("Bare", (Declared,), {"gain": Param(1.0, "gain")})
    assert str(caught.value) == "Bare.gain: a Param needs a type annotation"


def test_a_default_obeys_its_own_bounds() -> None:
    with pytest.raises(ParameterError) as caught:

        class Wrong(Declared):
            gain: float = Param(0.0, "gain", gt=0)

    assert str(caught.value) == "Wrong: `gain` must be > 0, got 0"


@pytest.mark.parametrize("make", [In, Out, State])
def test_port_text_is_checked_where_it_is_written(make: Any) -> None:
    with pytest.raises(TypeTextError, match="`float` in `float"):
        make("float[B,C]", "wrong dtype")


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, "a whole number"),
        (float | None, "a number or null"),
        (list[str], "a list of text"),
        (tuple[int, ...], "a list of whole numbers"),
        (Literal["a", "b"], "one of a, b"),
        (dict[str, int], "a mapping"),
        (list, "list"),
    ],
)
def test_types_in_words(annotation: Any, words: str) -> None:
    assert describe_annotation(annotation) == words

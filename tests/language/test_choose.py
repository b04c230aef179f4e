"""A fact that depends on a parameter resolves alike from the declaration and from the catalogue."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cuvisc.language.choose import Choose, choice_to_json, read_choice, resolve

VALUES = st.one_of(st.none(), st.booleans(), st.text(max_size=1))


@given(st.lists(st.tuples(VALUES, st.text()), max_size=4), st.text(), VALUES)
def test_json_form_agrees(cases: list[tuple[Any, str]], otherwise: str, value: Any) -> None:
    """What the front end reads from the catalogue is what the class says."""
    fact = Choose("p", dict(cases), otherwise)
    read = json.loads(json.dumps(choice_to_json(fact, lambda case: case)))
    assert read_choice(read, {"p": value}) == fact.resolve({"p": value})


def test_plain_facts_pass() -> None:
    assert resolve("affine", {}) == "affine"
    assert read_choice(None, {}) is None
    assert read_choice({"kind": "moments"}, {}) == {"kind": "moments"}
    assert choice_to_json(3, str) == "3"

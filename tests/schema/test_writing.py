"""What is written as YAML reads back as the same data, here and by a YAML 1.1 reader."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from test_loader import _JSON, _KEYS, same

from cuvisc.schema.diagnostics import Diagnostics
from cuvisc.schema.loader import load_tree
from cuvisc.schema.writing import dump_yaml

_WORDS = st.sampled_from(
    ["no", "1e-6", "0o7", "010", "12:30", "~", "", "yes", "a: b", "# x", "- x", "x ", "1_0", "=", "<<"]
)


@given(
    st.dictionaries(
        _KEYS | _WORDS, _JSON | _WORDS | st.lists(st.dictionaries(_KEYS, _WORDS, max_size=2), max_size=3)
    )
)
def test_round_trip(data: dict[str, Any]) -> None:
    text = dump_yaml(data)
    diagnostics = Diagnostics()
    tree = load_tree(text, "s.yaml", diagnostics)
    assert list(diagnostics) == []
    assert tree is not None
    assert same(tree.plain(), data)
    assert yaml.safe_load(text) == data


def test_it_reads_like_a_spec() -> None:
    data = {
        "version": 1,
        "nodes": {"rx": {"type": "RXGlobal", "eps": 1e-6, "parent": "norm"}, "none": {}},
        "training": {
            "precision": "32",
            "callbacks": [{"type": "EarlyStopping", "monitor": "val/loss/total"}, 3],
            "of": [1, "no"],
        },
        "data": "${oc.env:ROOT,./data}",
    }
    assert dump_yaml(data) == (
        "version: 1\n"
        "nodes:\n"
        "  rx:\n"
        "    type: RXGlobal\n"
        "    eps: 1.0e-06\n"
        "    parent: norm\n"
        "  none: {}\n"
        "training:\n"
        '  precision: "32"\n'
        "  callbacks:\n"
        "    - type: EarlyStopping\n"
        "      monitor: val/loss/total\n"
        "    - 3\n"
        '  of: [1, "no"]\n'
        'data: "${oc.env:ROOT,./data}"\n'
    )
    assert dump_yaml({}) == "{}\n"


@pytest.mark.parametrize("value", [math.nan, math.inf, object(), b"bytes", {1, 2}])
def test_what_has_no_word_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="a spec has no word for"):
        dump_yaml({"a": value})

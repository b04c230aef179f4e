"""No text, no data and no override makes the front end fail: there is a spec, or there are answers."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from small_catalogue import CATALOGUE, SCHEMA

from cuvisc.schema import catalogue as shipped
from cuvisc.schema.front_end import load_data, load_text
from cuvisc.schema.render import as_dicts, render_github, render_text
from cuvisc.schema.spec import spec_hash

TEXT = """\
version: 1
graph: {name: all, input: {dtype: uint16, channels: 61}, outputs: [rx.scores]}
nodes:
  norm: &n {_target_: cuvis_ai.normalization.normalization.MinMaxNormalizer, eps: 1.0e-6}
  rx: {type: RXGlobal, parent: [norm], cache_inverse: true}
loss_leaves: {orthogonality: {type: OrthogonalityLoss, weight: 1.0}}
monitoring: {disk: {type: DummyMonitor, output_dir: "${oc.env:ROOT,./x}", enabled: false}}
datamodule: {type: Folder, data_dir: ./data, batch_size: "${training.seed}"}
training: {seed: 4, trainer: {callbacks: [{type: EarlyStopping, monitor: 'val/loss/total'}]}}
"""
KEYS = [
    *SCHEMA["properties"], "type", "_target_", "enabled", "parent", "inputs", "eps", "name", "seed", "trainer",
    "callbacks", "optimizer", "scheduler", "input", "outputs", "channels", "dtype", "rx", "", "a.b",
]  # fmt: skip
WORDS = [
    *KEYS,
    "RXGlobal",
    "EarlyStopping",
    "OrthogonalityLoss",
    "${training.seed}",
    "${nodes}",
    "${oc.env:A,1}",
    "${",
    "1",
    "yes",
]
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)
_ENTRIES = st.dictionaries(
    st.sampled_from(KEYS), st.dictionaries(st.sampled_from(KEYS), _VALUES, max_size=4) | _VALUES, max_size=4
)


def is_answered(spec: Any, diagnostics: Any) -> None:
    """There is a spec whose hash can be taken, or there are errors that can be shown in every form."""
    assert (spec is None) == diagnostics.has_errors
    for render in (render_text, render_github):
        assert isinstance(render(diagnostics), str)
    json.dumps(as_dicts(diagnostics))
    if spec is not None:
        assert len(spec_hash(spec)) == 64


def test_the_text_to_be_mutilated_is_good() -> None:
    assert load_text(TEXT, "s.yaml", (), CATALOGUE, {})[0] is not None


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(TEXT)),
            st.integers(0, 30),
            st.text(st.sampled_from("{}[]:,&*-'\"#\n \t${x1é\0"), max_size=4),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_mutilated_texts(edits: list[tuple[int, int, str]]) -> None:
    text = TEXT
    for at, cut, new in edits:
        text = text[:at] + new + text[at + cut :]
    is_answered(*load_text(text, "s.yaml", (), CATALOGUE, {}))


@given(st.dictionaries(st.sampled_from(KEYS), _ENTRIES | _VALUES, max_size=5))
def test_data_of_any_shape(data: dict[str, Any]) -> None:
    is_answered(*load_data(data, "data", CATALOGUE, {}))
    is_answered(*load_data(data, "data", shipped.load(), {"A": "x"}))


@given(
    st.lists(
        st.builds(
            lambda sign, keys, equals, value: sign + ".".join(keys) + equals + value,
            st.sampled_from(["", "+", "++", "~", "~+"]),
            st.lists(st.sampled_from([*KEYS, "0", "7"]), min_size=1, max_size=5),
            st.sampled_from(["=", ""]),
            st.sampled_from(
                [
                    *WORDS,
                    "1e-3",
                    "[1,2]",
                    "{a: 1}",
                    "{type: RXGlobal}",
                    "1,2",
                    "null",
                    "nan",
                    "'",
                    "[",
                    "\n",
                    "é",
                ]
            ),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_overrides_of_any_shape(overrides: list[str]) -> None:
    is_answered(*load_text(TEXT, "s.yaml", overrides, CATALOGUE, {}))

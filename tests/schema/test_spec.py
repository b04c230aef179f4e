"""A spec is frozen, comparable, hashable and picklable, and its canonical form says what was asked for."""

from __future__ import annotations

import copy
import hashlib
import json
import pickle

import pytest
from answers import load
from hypothesis import given
from hypothesis import strategies as st
from small_catalogue import CATALOGUE

from cuvisc.schema.front_end import load_data, load_text
from cuvisc.schema.spec import FrozenMap, PortRef, freeze, is_name, parse_reference, spec_hash, thaw

LONG = """
graph: {name: long}
nodes:
  norm: {_target_: cuvis_ai.normalization.normalization.MinMaxNormalizer}
  rx: {_target_: old_library.nodes.Rx, parent: [norm], eps: 1e-3}
  both: {type: Labels, ids: [1, 2], inputs: {cube: rx.scores}}
metric_leaves: {stats: {type: ScoreStatistics, parent: rx.scores}}
monitoring:
  not_now: {type: DummyMonitor, enabled: false, output_dir: x}
  now: {type: DummyMonitor, enabled: true, output_dir: x}
datamodule: {_target_: cuvis_ai.data.Folder, data_dir: x}
training: {seed: 3}
"""
CANONICAL = {
    "version": 1,
    "graph": {"name": "long"},
    "nodes": {
        "norm": {"type": "MinMaxNormalizer"},
        "rx": {"type": "RXGlobal", "parent": "norm", "eps": 1e-3},
        "both": {"type": "Labels", "ids": [1, 2], "inputs": {"cube": "rx.scores"}},
    },
    "metric_leaves": {"stats": {"type": "ScoreStatistics", "parent": "rx.scores"}},
    "monitoring": {"now": {"type": "DummyMonitor", "output_dir": "x"}},
    "datamodule": {"type": "Folder", "data_dir": "x"},
    "training": {"seed": 3},
}


def test_the_canonical_form() -> None:
    spec = load(LONG)
    assert spec.to_dict() == CANONICAL
    text = json.dumps(CANONICAL, sort_keys=True, separators=(",", ":"))
    assert spec_hash(spec) == hashlib.sha256(text.encode()).hexdigest()


def test_the_canonical_form_is_its_own_canonical_form() -> None:
    spec = load(LONG)
    again, diagnostics = load_data(spec.to_dict(), "again", CATALOGUE, {})
    assert list(diagnostics) == []
    assert again == spec
    assert again is not None
    assert spec_hash(again) == spec_hash(spec)


def test_layout_and_aliases_do_not_change_the_hash() -> None:
    short = "nodes: {a: {type: RXGlobal, eps: 1e-3}}\n"
    same = "# why\nversion: 1\nnodes:\n  a:\n    eps: 0.001\n    _target_: cuvisc.nodes.RXGlobal\nloss_leaves: {}\n"
    other = "nodes: {a: {type: RXGlobal, eps: 2e-3}}\n"
    assert spec_hash(load(short)) == spec_hash(load(same))
    assert spec_hash(load(short)) != spec_hash(load(other))


def test_references_and_edges() -> None:
    spec = load(LONG)
    _, rx, both = spec.nodes
    assert rx.parents == (PortRef("norm"),)
    assert rx.inputs is None
    assert both.inputs == {"cube": PortRef("rx", "scores")}
    assert both.params == {"ids": (1, 2)}
    assert spec.leaves[0].parent == PortRef("rx", "scores")
    assert spec.leaves[0].section == "metric_leaves"
    assert str(PortRef("rx", "scores")) == "rx.scores"


def test_a_spec_is_frozen_and_can_be_copied_hashed_and_pickled() -> None:
    spec = load(LONG)
    for twin in (copy.deepcopy(spec), pickle.loads(pickle.dumps(spec))):  # noqa: S301 - our own bytes
        assert twin == spec
        assert hash(twin) == hash(spec)
    with pytest.raises(TypeError):
        spec.training["seed"] = 4  # type: ignore[index]
    with pytest.raises(AttributeError):
        spec.version = 2  # type: ignore[misc]


_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
)


@given(st.dictionaries(st.text(max_size=5), _PLAIN, max_size=4))
def test_freezing_loses_nothing(data: dict[str, object]) -> None:
    frozen = freeze(data)
    assert isinstance(frozen, FrozenMap)
    assert thaw(frozen) == data
    assert hash(frozen) == hash(freeze(copy.deepcopy(data)))


@pytest.mark.parametrize("text", ["a", "_", "rx-1", "A_b-C", "a.b", "input", "input.cube"])
def test_references_that_are_read(text: str) -> None:
    found = parse_reference(text)
    assert found is not None
    assert str(found) == text


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a.b.c", "1a", "-a", "a b", "é", "a/b", "a\n", "²"])
def test_references_that_are_not(text: str) -> None:
    assert parse_reference(text) is None
    assert not is_name(text)


def test_data_is_a_spec_like_text() -> None:
    data = {"nodes": {"rx": {"type": "RXGlobal", "epss": 1}}}
    _, diagnostics = load_data(data, "graph", CATALOGUE, {})
    (found,) = diagnostics
    assert found.message == "`nodes.rx.epss`: unknown parameter of RXGlobal"
    _, diagnostics = load_data(
        {"nodes": {"rx": {"type": "RXGlobal", "eps": float("nan")}}}, "graph", CATALOGUE, {}
    )
    assert [found.code for found in diagnostics] == ["E013"]
    by_text, _ = load_text("nodes: {rx: {type: RXGlobal}}", "s.yaml", (), CATALOGUE, {})
    by_data, _ = load_data({"nodes": {"rx": {"type": "RXGlobal"}}}, "graph", CATALOGUE, {})
    assert by_text == by_data

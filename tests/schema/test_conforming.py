"""What fits the schema is not answered, and what is hostile only so often."""

from __future__ import annotations

from answers import answer, load


def test_what_fits_is_not_answered() -> None:
    spec = load(
        """
version: 1
graph: {name: all, input: {dtype: uint16, channels: 61}, outputs: [rx.scores]}
nodes:
  norm: {_target_: cuvis_ai.normalization.normalization.MinMaxNormalizer, eps: 1}
  rx: {_target_: old_library.nodes.Rx, parent: norm}
loss_leaves:
monitoring:
  disk: {type: DummyMonitor, output_dir: here, enabled: true}
  web: {type: DummyMonitor, output_dir: there, enabled: false}
training: {optimizer: {scheduler: {name: cosine, factor: 0.5}}, trainer: {precision: "32"}}
"""
    )
    assert [(node.id, node.type) for node in spec.nodes] == [("norm", "MinMaxNormalizer"), ("rx", "RXGlobal")]
    assert [monitor.id for monitor in spec.monitors] == ["disk"]


def test_a_hostile_spec_gets_a_hundred_answers_and_no_more() -> None:
    text = "nodes:\n  rx: {type: RXGlobal}\n" + "".join(
        f"  n{index}: {{type: RXGlobl}}\n" for index in range(20_000)
    )
    found = answer(text)
    assert found.endswith("100 errors (there may be more)\n")
    many = "nodes: {rx: {type: RXGlobal, " + ", ".join(f"eps{index}: 1" for index in range(20_000)) + "}}\n"
    assert "100 errors" in answer(many)

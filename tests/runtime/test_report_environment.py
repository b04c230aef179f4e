"""The graph of a run is drawn without the environment of the run: what came from there stands as it is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cuvisc.compiler.views.svg import draw_svg
from cuvisc.runtime.report.run_files import RunFiles
from cuvisc.schema.catalogue import SECTION_KINDS, load
from cuvisc.schema.front_end import load_spec

ROOT = Path(__file__).parents[2]
SPEC = """
version: 1
graph: {name: "${oc.env:DETECTOR}", outputs: [rx.scores, decider.decisions]}
nodes:
  pca: {type: TrainablePCA, n_components: "${oc.env:COMPONENTS,8}", trainable: true}
  rx: {type: RXGlobal}
  head: {type: RXLogitHead}
  decider: {type: LogitDecider, threshold: "${oc.env:THRESHOLD}"}
loss_leaves: {bce: {type: AnomalyBCEWithLogits, parent: head, pos_weight: "${oc.env:WEIGHT}"}}
"""


def read(folder: Path, spec: str) -> RunFiles:
    (folder / "run.json").write_text(json.dumps({"format": 1, "status": "finished"}))
    (folder / "spec.resolved.yaml").write_text(spec)
    return RunFiles.read(folder)


@pytest.mark.parametrize("components", ["", "3"])
def test_the_graph_is_drawn_whatever_the_environment_says_today(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, components: str
) -> None:
    if components:
        monkeypatch.setenv("COMPONENTS", components)
    run = read(tmp_path, SPEC)
    assert "graph" not in run.problems
    assert run.summary is not None
    assert run.name == "${oc.env:DETECTOR}"
    facts = {node.id: run.summary.given(node) for node in run.summary.graph.nodes}
    assert facts["pca"]["n_components"] == "${oc.env:COMPONENTS,8}"
    assert facts["decider"]["threshold"] == "${oc.env:THRESHOLD}"
    drawn = draw_svg(run.summary)
    assert "float32[B,H,W,n_components]" in drawn
    assert "loss: AnomalyBCEWithLogits" in drawn


def test_what_a_variable_decides_about_the_graph_itself_is_said(tmp_path: Path) -> None:
    run = read(tmp_path, SPEC.replace("type: RXGlobal", 'type: RXGlobal, parent: "${oc.env:PARENT}"'))
    assert run.problems["graph"] == (
        "the graph cannot be drawn: what the graph is depends on the environment, by `nodes.rx.parent`"
    )


def test_any_parameter_of_a_shipped_spec_may_come_from_the_environment(tmp_path: Path) -> None:
    spec, _ = load_spec(ROOT / "specs" / "phase2_visualization.yaml")
    assert spec is not None
    plain = json.loads(json.dumps(spec.to_dict(), default=list))
    for section in ("nodes", "loss_leaves", "metric_leaves", "visualization_leaves"):
        for name, entry in plain.get(section, {}).items():
            facts = load().entry(SECTION_KINDS[section], entry["type"])
            assert facts is not None
            for parameter in facts["params"]:
                changed = {**plain[section], name: {**entry, parameter: "${oc.env:SECRET}"}}
                run = read(tmp_path, json.dumps({**plain, section: changed}))
                assert run.problems.get("graph") is None, (name, parameter)
                assert run.summary is not None
                assert draw_svg(run.summary)

"""The four phases in Python are the graphs of the four specs, and run as their headers say."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cuvisc import Graph
from cuvisc.compiler.check import check_graph
from cuvisc.compiler.graph import TypedGraph
from cuvisc.runtime.components import make_config
from cuvisc.schema.catalogue import load
from cuvisc.schema.diagnostics import Diagnostics
from cuvisc.schema.front_end import load_spec
from cuvisc.schema.render import render_text
from cuvisc.schema.spec import Spec

ROOT = Path(__file__).parents[2]
PHASES = (
    "phase1_statistical",
    "phase2_visualization",
    "phase3_gradient_training",
    "phase4_channel_selection",
)
SPECS = sorted(path.stem for path in (ROOT / "specs").glob("*.yaml") if path.stem != "general")


def example(name: str) -> ModuleType:
    """An example as a module."""
    found = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def spec_of(name: str) -> Spec:
    """A spec of the repository, without its data: a graph in Python is given that when it is trained."""
    spec, diagnostics = load_spec(ROOT / "specs" / f"{name}.yaml")
    assert spec is not None, render_text(diagnostics)
    return replace(spec, datamodule=None)


def typed(spec: Spec) -> TypedGraph:
    diagnostics = Diagnostics()
    graph = check_graph(spec, load(), diagnostics)
    assert graph is not None, render_text(diagnostics)
    return graph


def meaning(graph: TypedGraph) -> Any:
    """All that a typed graph says, whichever way it was written: every parameter, edge, type, unit and output."""
    nodes = [
        (n.id, n.type, dict(n.params), dict(n.inputs), dict(n.outputs), n.trainable, n.mapping)
        for n in graph.nodes
    ]
    leaves = sorted(
        (leaf.id, leaf.kind, leaf.type, str(leaf.parent), repr(leaf.params)) for leaf in graph.leaves
    )
    return graph.name, graph.input, nodes, leaves, graph.outputs


def monitors(graph: Graph) -> dict[str, Any]:
    return {name: (type(monitor), monitor.params()) for name, monitor in graph.monitors.items()}


@pytest.mark.parametrize("name", PHASES)
def test_python_and_yaml_build_the_same_graph(name: str) -> None:
    spec = spec_of(name)
    graph, config = example(name).build()
    built = graph.to_spec(config)
    assert meaning(typed(built)) == meaning(typed(spec))
    assert config == make_config(spec)
    assert monitors(graph) == monitors(Graph.from_spec(spec))


@pytest.mark.parametrize("name", SPECS)
def test_a_spec_becomes_a_graph_and_a_spec_again(name: str) -> None:
    spec = spec_of(name)
    config = make_config(spec)
    again = Graph.from_spec(spec).to_spec(config)
    assert meaning(typed(again)) == meaning(typed(spec))
    assert monitors(Graph.from_spec(again)) == monitors(Graph.from_spec(spec))
    assert make_config(again) == config
    assert Graph.from_spec(again).to_spec(config) == again


def test_a_graph_from_a_file_takes_overrides() -> None:
    graph = Graph.from_file(ROOT / "specs" / "anomaly.yaml", ["nodes.pca.n_components=4"])
    assert graph.nodes["pca"].params()["n_components"] == 4
    assert list(graph.nodes) == ["normalizer", "pca", "rx", "head", "decider"]


@pytest.mark.parametrize(
    ("name", "overrides", "printed"),
    [
        ("phase1_statistical", ["nodes.rx.eps=1e-5"], "val/metric/score_mean "),
        ("phase2_visualization", [], "components-val-000000.png"),
        (
            "phase3_gradient_training",
            ["training.trainer.max_epochs=2", "training.optimizer.lr=0.01"],
            "scores [1, 145, 145, 3]",
        ),
        (
            "phase4_channel_selection",
            ["training.trainer.max_epochs=1", "nodes.selector.n_select=12"],
            "bands [",
        ),
    ],
)
def test_examples_run(
    name: str,
    overrides: list[str],
    printed: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("tensorly", reason="the scene comes with the package tensorly")
    monkeypatch.chdir(tmp_path)
    graph = example(name).main(overrides)
    assert printed in capsys.readouterr().out
    assert graph.run.facts["status"] == "finished"
    epochs = [text.partition("=")[2] for text in overrides if "max_epochs" in text]
    assert graph.run.facts["epochs"] == int(epochs[0] if epochs else 0)
    if name == "phase4_channel_selection":
        assert (graph.run.folder / "artifact" / "model.onnx").exists()
        assert len(graph.nodes["selector"].get_selected_channels()) == 12


@pytest.mark.parametrize("name", PHASES)
def test_a_wrong_override_is_answered_as_by_the_verbs(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / f"{name}.py"), "training.trainer.max_epoch=2"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "<override>:1:18: error[E021]: override `training.trainer.max_epoch`: `training.trainer` has no `max_epoch`\n"
        "    1 | training.trainer.max_epoch=2\n"
        "      |                  ^^^^^^^^^ did you mean `max_epochs`?\n"
        "1 error\n"
    )
    assert list(tmp_path.iterdir()) == []

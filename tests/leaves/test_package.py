"""Every leaf that is promised exists, is documented, describes itself, and imports no other room."""

from __future__ import annotations

import ast
import inspect
import json
import pickle
from pathlib import Path

import pytest

import cuvisc.leaves
from cuvisc.language.describe import describe
from cuvisc.language.exports import scan
from cuvisc.language.leaf import LeafNode

LEAVES = {leaf.__name__: leaf for leaf in scan("cuvisc.leaves", LeafNode)}
PROMISED = {
    "loss": "OrthogonalityLoss AnomalyBCEWithLogits MSEReconstructionLoss SelectorEntropyRegularizer "
    "SelectorDiversityRegularizer SelectorSpreadRegularizer WeightedMultiLoss",
    "metric": "ExplainedVarianceMetric ComponentOrthogonalityMetric AnomalyDetectionMetrics ScoreStatisticsMetric",
    "visualization": "PCAVisualization AnomalyHeatmap ScoreHistogram SelectorTemperaturePlot SelectorChannelMaskPlot "
    "SelectorStabilityPlot",
}
SOURCES = sorted(Path(inspect.getfile(cuvisc.leaves)).parent.glob("*.py"))


@pytest.mark.parametrize("kind", PROMISED)
def test_every_promised_leaf_exists_and_no_other(kind):
    assert {name for name, leaf in LEAVES.items() if leaf.kind == kind} == set(PROMISED[kind].split())


@pytest.mark.parametrize("name", LEAVES)
def test_a_leaf_is_described_in_full(name):
    leaf = LEAVES[name]
    entry = json.loads(json.dumps(describe(leaf), allow_nan=False))
    assert getattr(cuvisc.leaves, name) is leaf
    assert entry["x-cuvisc"]["summary"].endswith(".")
    assert len(entry["description"].split("\n\n")) > 1
    assert all(parameter.doc for parameter in leaf.declaration.params.values())


@pytest.mark.parametrize("name", [name for name in LEAVES if name != "WeightedMultiLoss"])
def test_a_leaf_needs_no_parameters_and_survives_pickling(name):
    leaf = LEAVES[name]()
    assert leaf.params() == LEAVES[name].declaration.defaults()
    assert pickle.loads(pickle.dumps(leaf)).params() == leaf.params()  # noqa: S301 - made in this line


def test_old_names_are_accepted():
    homes = {"loss": "losses", "metric": "metrics", "visualization": "visualizations"}
    new = {"SelectorSpreadRegularizer"}
    for name, leaf in LEAVES.items():
        assert leaf.aliases == (() if name in new else (f"cuvis_ai.training.{homes[leaf.kind]}.{name}",))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_leaves_import_the_language_alone(source):
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        for name in names:
            assert not name.startswith("cuvisc") or name.startswith("cuvisc.language"), name
            assert "pyplot" not in name

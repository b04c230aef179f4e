"""Classes of a program are held to what they are: their lineage, and what their instances have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from memory_data import MemoryScene

import cuvisc.leaves
import cuvisc.nodes
from cuvisc import Graph, TrainingConfig
from cuvisc.language.declare import In, Out, Param
from cuvisc.language.leaf import LossNode
from cuvisc.language.node import Node
from cuvisc.leaves import ExplainedVarianceMetric, OrthogonalityLoss
from cuvisc.nodes import MinMaxNormalizer, RXGlobal, TrainablePCA
from cuvisc.runtime import DummyMonitor
from cuvisc.schema.errors import SpecError

CONFIG = TrainingConfig(trainer={"max_epochs": 1, "accelerator": "cpu"})


class OwnPCA(TrainablePCA):
    """A PCA of one's own."""


class Energy(LossNode):
    """Mean square of what a PCA gives."""

    compatible_parent_types = (TrainablePCA,)

    def compute_loss(self, parent_output: Any, batch: Any) -> Any:
        return self.weight * parent_output.square().mean()


class Projection(Node):
    """A fixed number of learned components."""

    trained_by = "trainable"
    cube = In("float32[B,H,W,C]", "spectra")
    projected = Out("float32[B,H,W,3]", "projected spectra")
    trainable: bool = Param(True, "let phase 2 move the components")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self.components = torch.nn.Parameter(torch.linspace(0.1, 1.0, 3 * BANDS).reshape(3, BANDS))

    def forward(self, cube: Any) -> Any:
        return cube @ self.components.T


BANDS = 6


def data() -> MemoryScene:
    cubes = np.random.default_rng(0).normal(1.0, 0.2, (4, 8, 8, BANDS)).astype(np.float32)
    return MemoryScene(cubes, np.zeros((4, 8, 8), np.uint8))


def test_a_subclass_is_a_parent_of_its_base_s_type(tmp_path: Path) -> None:
    graph = Graph("own")
    pca = graph.add_node(OwnPCA(n_components=2, trainable=True))
    graph.add_leaf_node(Energy(), parent=pca)
    trainer = graph.train(data(), CONFIG, run_dir=tmp_path)
    assert float(trainer.callback_metrics["train/loss/energy"]) > 0


def test_a_plain_parameter_is_what_a_leaf_looks_for(tmp_path: Path) -> None:
    graph = Graph("own")
    node = graph.add_node(Projection())
    graph.add_leaf_node(OrthogonalityLoss(), parent=node)
    before = node.components.detach().clone()
    graph.train(data(), CONFIG, run_dir=tmp_path)
    assert not torch.equal(node.components, before)


def test_a_node_without_it_is_refused_when_the_leaf_is_added() -> None:
    graph = Graph("own")
    normalizer = graph.add_node(MinMaxNormalizer())
    with pytest.raises(SpecError) as caught:
        graph.add_leaf_node(OrthogonalityLoss(), parent=normalizer)
    assert (
        str(caught.value) == "OrthogonalityLoss reads `components` of its parent; MinMaxNormalizer has none"
    )


def test_what_watches_a_trained_graph_leaves_it_trained(tmp_path: Path) -> None:
    graph = Graph("watched")
    graph.add_node(MinMaxNormalizer())
    pca = graph.add_node(TrainablePCA(n_components=2))
    graph.train(
        data(), TrainingConfig(trainer={"max_epochs": 0, "accelerator": "cpu"}), run_dir=tmp_path / "run"
    )
    cube = np.random.default_rng(1).normal(1.0, 0.2, (1, 5, 5, BANDS)).astype(np.float32)
    before = graph(cube)[0]
    graph.register_monitor(DummyMonitor(output_dir=str(tmp_path / "monitor")))
    graph.add_leaf_node(ExplainedVarianceMetric(), parent=pca)
    torch.testing.assert_close(graph(cube)[0], before, rtol=0, atol=0)
    assert graph.export(tmp_path / "artifact")["passed"]
    graph.save_to_file(tmp_path / "graph.zip")
    loaded = Graph.load_from_file(tmp_path / "graph.zip")
    assert [*loaded.leaves, *loaded.monitors] == ["explained_variance_metric", "dummy_monitor"]
    assert loaded.export(tmp_path / "again")["passed"]
    graph.add_node(RXGlobal())
    with pytest.raises(SpecError, match=r"^the graph has not been trained: train it, then export it$"):
        graph.export(tmp_path / "third")


@pytest.mark.parametrize("package", [cuvisc.nodes, cuvisc.leaves])
def test_a_star_imports_what_the_package_has(package: Any) -> None:
    assert package.__all__ == dir(package)
    found: dict[str, Any] = {}
    exec(f"from {package.__name__} import *", found)  # noqa: S102 - what a user types in a notebook
    assert set(package.__all__) <= set(found)

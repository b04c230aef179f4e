"""The Python surface of the tutorial works as printed, and is the graph that YAML would be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fitted_graphs import typed
from lightning.pytorch import Trainer
from matplotlib.figure import Figure
from memory_data import MemoryScene, scene

from cuvisc import Graph, OptimizerConfig, TrainerConfig, TrainingConfig
from cuvisc.language.declare import In, Out, Param
from cuvisc.language.leaf import VisualizationNode
from cuvisc.language.node import Node, NotFittedError
from cuvisc.leaves import (
    AnomalyDetectionMetrics,
    ComponentOrthogonalityMetric,
    ExplainedVarianceMetric,
    OrthogonalityLoss,
)
from cuvisc.nodes import BinaryDecider, MinMaxNormalizer, RXGlobal, TrainablePCA
from cuvisc.runtime import DummyMonitor
from cuvisc.runtime.training import train
from cuvisc.schema.errors import SpecError

YAML = """
graph: {name: trainable_pca}
nodes:
  min_max_normalizer: {type: MinMaxNormalizer}
  trainable_pca: {type: TrainablePCA, parent: min_max_normalizer, n_components: 3, trainable: true}
loss_leaves: {orthogonality: {type: OrthogonalityLoss, parent: trainable_pca}}
metric_leaves:
  explained_variance_metric: {type: ExplainedVarianceMetric, parent: trainable_pca}
  component_orthogonality_metric: {type: ComponentOrthogonalityMetric, parent: trainable_pca}
"""


def tutorial() -> tuple[Graph, Any]:
    graph = Graph("trainable_pca")
    normalizer = MinMaxNormalizer(eps=1e-6)
    graph.add_node(normalizer)
    pca = TrainablePCA(n_components=3, trainable=True, whiten=False)
    graph.add_node(pca, parent=normalizer)
    graph.add_leaf_node(OrthogonalityLoss(weight=1.0), parent=pca)
    graph.add_leaf_node(ExplainedVarianceMetric(), parent=pca)
    graph.add_leaf_node(ComponentOrthogonalityMetric(), parent=pca)
    return graph, pca


CONFIG = TrainingConfig(
    seed=42,
    trainer=TrainerConfig(max_epochs=2, accelerator="cpu", devices=1, precision="32", log_every_n_steps=10),
    optimizer=OptimizerConfig(name="adam", lr=0.001, weight_decay=0.0, betas=(0.9, 0.999)),
)


def test_the_tutorial_runs_as_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    graph, pca = tutorial()
    graph.register_monitor(DummyMonitor(output_dir=str(tmp_path / "artifacts")))
    trainer = graph.train(datamodule=MemoryScene(), training_config=CONFIG, run_dir=tmp_path / "run")
    assert isinstance(trainer, Trainer)
    with (tmp_path / "artifacts" / "metrics.jsonl").open() as file:
        metrics = [json.loads(line) for line in file]
    assert [m for m in metrics if "orthogonality" in m["name"]]
    cube = torch.from_numpy(scene()[0])
    with torch.no_grad():
        scores, labels, metadata = graph(cube)
        gram = pca.components @ pca.components.T
    assert (scores.shape, labels, metadata) == ((*cube.shape[:3], 3), None, None)
    np.testing.assert_allclose(gram.numpy(), np.eye(3), atol=0.05)
    assert graph.run is not None
    assert graph.run.folder == tmp_path / "run"


def test_it_is_the_graph_of_the_yaml(tmp_path: Path) -> None:
    graph, _ = tutorial()
    written = typed(YAML)
    built = graph.compile()
    assert (built.nodes, built.leaves, built.outputs) == (written.nodes, written.leaves, written.outputs)
    graph.train(datamodule=MemoryScene(), training_config=CONFIG, run_dir=tmp_path / "python")
    train(written, MemoryScene(), CONFIG, run_dir=tmp_path / "yaml")
    tensors = [(tmp_path / kind / "metrics.jsonl").read_text().splitlines() for kind in ("python", "yaml")]
    values = [[json.loads(line)["value"] for line in lines] for lines in tensors]
    assert values[0] == values[1]


def test_two_of_a_kind_are_numbered_and_names_are_kept() -> None:
    graph = Graph("names")
    first, second = MinMaxNormalizer(), MinMaxNormalizer()
    graph.add_node(first)
    graph.add_node(second)
    graph.add_node(RXGlobal(), parent="min_max_normalizer_2.normalized", name="rx")
    graph.add_node(RXGlobal(), parent=[first, second])
    graph.add_node(BinaryDecider(), inputs={"values": "rx.scores"})
    assert list(graph.nodes) == [
        "min_max_normalizer",
        "min_max_normalizer_2",
        "rx",
        "rx_global",
        "binary_decider",
    ]
    spec = graph.to_spec()
    assert spec.to_dict()["nodes"] == {
        "min_max_normalizer": {"type": "MinMaxNormalizer"},
        "min_max_normalizer_2": {"type": "MinMaxNormalizer"},
        "rx": {"type": "RXGlobal", "parent": "min_max_normalizer_2.normalized"},
        "rx_global": {"type": "RXGlobal", "parent": ["min_max_normalizer", "min_max_normalizer_2"]},
        "binary_decider": {"type": "BinaryDecider", "inputs": {"values": "rx.scores"}},
    }


def test_several_outputs_come_by_name() -> None:
    graph = Graph("two", outputs=["rx_global", "binary_decider.decisions"])
    graph.add_node(RXGlobal())
    graph.add_node(BinaryDecider(threshold=9.0))
    cube = np.zeros((1, 2, 2, 3), np.float32)
    with pytest.raises(NotFittedError):
        graph(cube)
    graph.module.bind(3)
    rx = graph.nodes["rx_global"]
    rx.load_fitted({"mu": np.ones(3), "whitening": np.eye(3)})
    output, labels, metadata = graph(cube, "labels", {"a": 1})
    assert {name: float(value.float().mean()) for name, value in output.items()} == {
        "rx_global.scores": 3.0,
        "binary_decider.decisions": 0.0,
    }
    assert (labels, metadata) == ("labels", {"a": 1})


class Doubled(Node):
    """Twice the cube."""

    cube = In("float32[B,H,W,C]", "spectra")
    doubled = Out("float32[B,H,W,C]", "twice the spectra")
    factor: float = Param(2.0, "factor")

    def forward(self, cube: Any) -> Any:
        return cube * self.factor


class MeanImage(VisualizationNode):
    """The mean band."""

    def visualize(self, parent_output: Any, batch: dict[str, Any], step: int, stage: str) -> dict[str, Any]:
        image = parent_output[0].mean(-1).cpu().numpy()
        figure = Figure()
        figure.subplots().imshow(image)
        return {"figure": figure, "data": {"image": image}}


def test_classes_of_ones_own_need_no_registration(tmp_path: Path) -> None:
    graph = Graph("own")
    doubled = graph.add_node(Doubled(factor=3.0))
    graph.add_node(RXGlobal())
    graph.add_leaf_node(MeanImage(log_frequency=2), parent=doubled)
    graph.add_leaf_node(AnomalyDetectionMetrics(threshold_multiplier=2.0), parent="rx_global")
    graph.train(
        MemoryScene(), TrainingConfig(trainer={"max_epochs": 0, "accelerator": "cpu"}), run_dir=tmp_path
    )
    (figure,) = (tmp_path / "figures").glob("*.npz")
    assert figure.name == "mean_image-val-000000.npz"
    with np.load(figure) as data:
        np.testing.assert_allclose(data["image"], 3.0 * scene()[0][0].mean(-1), rtol=1e-5)


def test_figures_are_drawn_every_so_many_epochs_from_the_first_batch(tmp_path: Path) -> None:
    graph, pca = tutorial()
    graph.add_leaf_node(MeanImage(log_frequency=2), parent=pca)
    config = TrainingConfig(trainer={"max_epochs": 5, "accelerator": "cpu"})
    graph.train(MemoryScene(), config, run_dir=tmp_path)
    names = sorted(file.name for file in (tmp_path / "figures").glob("*.png"))
    assert names == [f"mean_image-val-{step:06d}.png" for step in (3, 9, 15)]


PCA, RX = TrainablePCA(n_components=2), RXGlobal()


def wrong_parent() -> None:
    graph = Graph()
    graph.add_node(RX)
    graph.add_leaf_node(OrthogonalityLoss(), parent=RX)


def wrong_unit() -> None:
    graph = Graph("units")
    graph.add_node(RXGlobal())
    graph.add_node(BinaryDecider(apply_sigmoid=True))
    graph.compile()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Graph().add_node(RXGlobal(), parent=PCA),
            "this TrainablePCA is not in the graph; add it with add_node first",
        ),
        (
            lambda: [g := Graph(), g.add_node(PCA), g.add_node(PCA)],
            "this TrainablePCA is in the graph already",
        ),
        (
            lambda: [g := Graph(), g.add_node(PCA, name="pca"), g.add_node(RX, parent="pac")],
            "the graph has no node `pac`; did you mean `pca`?",
        ),
        (
            lambda: [g := Graph(), g.add_node(PCA, name="a"), g.add_node(RX, name="a")],
            "the graph has a `a` already",
        ),
        (
            lambda: Graph().add_node(OrthogonalityLoss()),
            "add_node takes a Node, got OrthogonalityLoss(); leaves go through add_leaf_node",
        ),
        (wrong_parent, "OrthogonalityLoss reads `components` of its parent; RXGlobal has none"),
        (
            wrong_unit,
            (
                "units: error[E202]: `values` of `nodes.binary_decider` wants logits, got scores from "
                "`rx_global.scores`, which stands before it. set `apply_sigmoid: false` to read scores\n1 error"
            ),
        ),
        (lambda: Graph().compile(), "graph: error[E311]: the graph has no nodes. add one\n1 error"),
    ],
)
def test_mistakes_are_answered_where_they_are_made(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        make()
    assert str(caught.value) == message

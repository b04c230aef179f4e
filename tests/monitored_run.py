"""A small training run with a loss, a metric and a figure, reported to one monitor besides the run's own files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from cuvisc.language.leaf import MonitoringNode, VisualizationNode
from cuvisc.leaves import ComponentOrthogonalityMetric, OrthogonalityLoss
from cuvisc.nodes import MinMaxNormalizer, TrainablePCA
from cuvisc.runtime import GraphDataModule
from cuvisc.runtime.config import TrainingConfig
from cuvisc.runtime.data.datamodule import Stage
from cuvisc.runtime.graph import Graph

EPOCHS = 3
WIDTH, HEIGHT = 120, 80


class RandomCubes(GraphDataModule):
    """Four images of 5x4 pixels and 6 bands."""

    def samples(self, stage: Stage) -> Any:
        generator = torch.Generator().manual_seed(7)
        return [{"cube": torch.rand(5, 4, 6, generator=generator)} for _ in range(4)]


class RedSheet(VisualizationNode):
    """A figure of WIDTH x HEIGHT red pixels."""

    def visualize(self, parent_output: Any, batch: Any, step: int, stage: str) -> dict[str, Any]:
        return {"figure": red_figure(), "data": {"mean": parent_output.mean().numpy()}}


def red_figure() -> Any:
    """A matplotlib figure, red all over."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH / 50, HEIGHT / 50), dpi=50, facecolor="red")


def train_with(
    monitor: MonitoringNode, folder: Path, epochs: int = EPOCHS, *, resume: bool = False
) -> list[dict[str, Any]]:
    """Train; return what the run's own files say was reported."""
    graph = Graph("small")
    graph.add_node(MinMaxNormalizer(), name="normalizer")
    pca = graph.add_node(TrainablePCA(n_components=2, trainable=True), name="pca")
    graph.add_leaf_node(OrthogonalityLoss(weight=0.5), parent=pca)
    graph.add_leaf_node(ComponentOrthogonalityMetric(), parent=pca, name="components")
    graph.add_leaf_node(RedSheet(), parent=pca, name="sheet")
    graph.register_monitor(monitor)
    config = TrainingConfig(trainer={"max_epochs": epochs}, optimizer={"lr": 0.25})
    graph.train(RandomCubes(), config, **{"resume" if resume else "run_dir": folder})
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]

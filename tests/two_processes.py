"""Trainings that one process and two can do alike, and what they logged; as a program, one of the processes.

python two_processes.py RESULT DEVICES NODES CASE...: writes RESULT.<rank>.json, in runs/ of the working folder.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from memory_data import MemoryScene, scene

from cuvisc import Graph, OptimizerConfig, TrainerConfig, TrainingConfig
from cuvisc.language.leaf import MetricNode
from cuvisc.leaves import (
    AnomalyBCEWithLogits,
    AnomalyDetectionMetrics,
    ExplainedVarianceMetric,
    OrthogonalityLoss,
    ScoreStatisticsMetric,
)
from cuvisc.nodes import MinMaxNormalizer, RXGlobal, RXLogitHead, TrainablePCA


class FirstPixel(MetricNode):
    """Mean of the first pixel of every image, as a user would write it."""

    def compute_metric(self, parent_output: Any, batch: Any) -> dict[str, float]:
        return {"first_pixel": float(batch["cube"][:, 0, 0, 0].float().mean())}


CASES = {
    # images, epochs, images in a step of the optimizer
    "five": (5, 0, 1),
    "two": (2, 2, 2),
    "one": (1, 1, 1),
}


def trained(case: str, devices: int = 1, nodes: int = 1, folder: Path | None = None) -> Graph:
    """The graph of a case, trained on as many processes as there are devices and nodes."""
    images, epochs, together = CASES[case]
    graph = Graph("small")
    graph.add_node(MinMaxNormalizer())
    pca = graph.add_node(TrainablePCA(n_components=3, trainable=True))
    rx = graph.add_node(RXGlobal())
    head = graph.add_node(RXLogitHead())
    graph.add_leaf_node(OrthogonalityLoss(), parent=pca)
    graph.add_leaf_node(AnomalyBCEWithLogits(), parent=head)
    graph.add_leaf_node(AnomalyDetectionMetrics(reads="logits"), parent=head)
    graph.add_leaf_node(ScoreStatisticsMetric(), parent=rx)
    graph.add_leaf_node(ExplainedVarianceMetric(), parent=pca)
    graph.add_leaf_node(FirstPixel(), parent=pca)
    processes = devices * nodes
    trainer = TrainerConfig(
        max_epochs=epochs,
        accelerator="cpu",
        devices=devices,
        num_nodes=nodes,
        strategy="ddp" if processes > 1 else "auto",
    )
    config = TrainingConfig(trainer=trainer, optimizer=OptimizerConfig(name="sgd", lr=0.01))
    data = MemoryScene(*scene(images), batch_size=max(together // processes, 1))
    graph.train(data, config, run_dir=folder)
    return graph


def facts_of(graph: Graph) -> dict[str, Any]:
    """What a process knows of its training."""
    assert graph.run is not None
    metrics = {name: float(value) for name, value in graph.run.trainer.callback_metrics.items()}
    components = graph.nodes["trainable_pca"].components
    return {
        "folder": str(graph.run.folder),
        "status": graph.run.facts["status"],
        "seen": graph._trained is not None,
        "metrics": metrics,
        "components": components.tolist(),
    }


if __name__ == "__main__":
    result, devices, nodes, cases = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
    graphs = [trained(case, devices, nodes) for case in cases]
    rank = graphs[0].run.trainer.global_rank  # type: ignore[union-attr] # it was trained
    found = {case: facts_of(graph) for case, graph in zip(cases, graphs, strict=True)}
    Path(f"{result}.{rank}.json").write_text(json.dumps({**found, "process": os.getpid()}))

"""Phase 1 in Python, specs/phase1_statistical.yaml in YAML: statistics of the background, scores, a heat map.

python examples/phase1_statistical.py [OVERRIDES]      such as nodes.normalizer.per_channel=true
"""

from __future__ import annotations

from cuvisc import Graph, TrainerConfig, TrainingConfig
from cuvisc.cli.answers import run_script
from cuvisc.leaves import AnomalyDetectionMetrics, AnomalyHeatmap, ScoreStatisticsMetric
from cuvisc.nodes import MinMaxNormalizer, RXGlobal
from cuvisc.runtime import DummyMonitor, IndianPines
from cuvisc.runtime.overriding import with_overrides


def build() -> tuple[Graph, TrainingConfig]:
    """The graph and how it is trained: not at all, `max_epochs=0` stops after the statistics and one validation."""
    graph = Graph("statistical", outputs=["rx.scores"])
    normalizer = graph.add_node(MinMaxNormalizer(eps=1e-6), name="normalizer")
    rx = graph.add_node(RXGlobal(), parent=normalizer, name="rx")

    graph.add_leaf_node(ScoreStatisticsMetric(), parent=rx, name="scores")
    graph.add_leaf_node(AnomalyDetectionMetrics(threshold_multiplier=2.0), parent=rx, name="detection")
    graph.add_leaf_node(AnomalyHeatmap(), parent=rx, name="heatmap")
    graph.register_monitor(DummyMonitor(), name="dummy")
    return graph, TrainingConfig(trainer=TrainerConfig(max_epochs=0))


def main(overrides: list[str]) -> Graph:
    """Fit the graph on a public scene."""
    graph, config = with_overrides(*build(), overrides)
    graph.train(datamodule=IndianPines(anomaly_class=16), training_config=config)
    for name, value in graph.run.facts["metrics"].items():
        print(f"{name:<40} {value:.6g}")
    print(graph.run.folder)
    return graph


if __name__ == "__main__":
    run_script(main)

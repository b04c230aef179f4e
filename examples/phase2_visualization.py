"""Phase 2 in Python, specs/phase2_visualization.yaml in YAML: principal components and scores, with figures.

python examples/phase2_visualization.py [OVERRIDES]    such as visualization_leaves.heatmap.colormap=hot
"""

from __future__ import annotations

from cuvisc import Graph, TrainerConfig, TrainingConfig
from cuvisc.cli.answers import run_script
from cuvisc.leaves import (
    AnomalyDetectionMetrics,
    AnomalyHeatmap,
    ExplainedVarianceMetric,
    PCAVisualization,
    ScoreHistogram,
)
from cuvisc.nodes import MinMaxNormalizer, RXGlobal, TrainablePCA
from cuvisc.runtime import DummyMonitor, IndianPines
from cuvisc.runtime.overriding import with_overrides


def build() -> tuple[Graph, TrainingConfig]:
    """The graph and how it is trained: not at all, the figures show what the statistics say."""
    graph = Graph("visualization", outputs=["pca.scores", "rx.scores"])
    normalizer = graph.add_node(MinMaxNormalizer(eps=1e-6), name="normalizer")
    pca = graph.add_node(TrainablePCA(n_components=3), parent=normalizer, name="pca")
    rx = graph.add_node(RXGlobal(), parent=pca, name="rx")

    graph.add_leaf_node(ExplainedVarianceMetric(), parent=pca, name="explained_variance")
    graph.add_leaf_node(AnomalyDetectionMetrics(threshold_multiplier=2.0), parent=rx, name="detection")
    graph.add_leaf_node(PCAVisualization(subsample=2000), parent=pca, name="components")
    graph.add_leaf_node(AnomalyHeatmap(colormap="inferno"), parent=rx, name="heatmap")
    graph.add_leaf_node(ScoreHistogram(n_bins=50), parent=rx, name="histogram")
    graph.register_monitor(DummyMonitor(), name="dummy")
    return graph, TrainingConfig(trainer=TrainerConfig(max_epochs=0))


def main(overrides: list[str]) -> Graph:
    """Fit the graph on a public scene; the figures stand in the run folder."""
    graph, config = with_overrides(*build(), overrides)
    graph.train(datamodule=IndianPines(anomaly_class=16), training_config=config)
    for picture in sorted((graph.run.folder / "figures").glob("*.png")):
        print(picture)
    return graph


if __name__ == "__main__":
    run_script(main)

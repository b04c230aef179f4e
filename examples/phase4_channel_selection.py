"""Phase 4 in Python, specs/phase4_channel_selection.yaml in YAML: a detector that reads 60 of 200 bands.

python examples/phase4_channel_selection.py [OVERRIDES]     such as nodes.selector.n_select=40
"""

from __future__ import annotations

from cuvisc import Graph, OptimizerConfig, TrainerConfig, TrainingConfig
from cuvisc.cli.answers import run_script
from cuvisc.leaves import (
    AnomalyBCEWithLogits,
    AnomalyDetectionMetrics,
    ComponentOrthogonalityMetric,
    OrthogonalityLoss,
    SelectorChannelMaskPlot,
    SelectorDiversityRegularizer,
    SelectorEntropyRegularizer,
    SelectorStabilityPlot,
    SelectorTemperaturePlot,
)
from cuvisc.nodes import (
    LogitDecider,
    MinMaxNormalizer,
    RXGlobal,
    RXLogitHead,
    SoftChannelSelector,
    TrainablePCA,
)
from cuvisc.runtime import DummyMonitor, IndianPines
from cuvisc.runtime.config import SchedulerConfig
from cuvisc.runtime.export import export
from cuvisc.runtime.overriding import with_overrides
from cuvisc.runtime.run_folder import load_source


def build() -> tuple[Graph, TrainingConfig]:
    """The graph and how it is trained."""
    graph = Graph("channel_selection", outputs=["rx.scores", "decider.decisions"])
    graph.add_node(MinMaxNormalizer(per_channel=True), name="normalizer")
    selector = graph.add_node(
        SoftChannelSelector(
            n_select=60,
            init_method="variance",  # starts from the bands that vary most
            hard=True,  # a selected band has weight 1, so that the statistics behind it stay true
            reduce=True,  # only the selected bands leave; the exported model reads no others
            temperature_init=5.0,
            temperature_min=0.1,
            temperature_decay=0.9,
            trainable=True,
        ),
        name="selector",
    )
    pca = graph.add_node(TrainablePCA(n_components=5, trainable=True), name="pca")
    graph.add_node(RXGlobal(trainable_stats=True), name="rx")  # follows when a band is exchanged
    head = graph.add_node(RXLogitHead(), name="head")
    graph.add_node(LogitDecider(), name="decider")

    graph.add_leaf_node(AnomalyBCEWithLogits(pos_weight=10.0), parent=head, name="bce")
    graph.add_leaf_node(SelectorEntropyRegularizer(weight=0.01), parent=selector, name="entropy")
    graph.add_leaf_node(SelectorDiversityRegularizer(weight=0.01), parent=selector, name="diversity")
    graph.add_leaf_node(OrthogonalityLoss(weight=1.0), parent=pca, name="orthogonality")
    metric = AnomalyDetectionMetrics(reads="logits", threshold=0.5)
    graph.add_leaf_node(metric, parent=head, name="detection")
    graph.add_leaf_node(ComponentOrthogonalityMetric(), parent=pca, name="component_orthogonality")
    graph.add_leaf_node(SelectorTemperaturePlot(log_frequency=5), parent=selector, name="temperature")
    graph.add_leaf_node(SelectorChannelMaskPlot(log_frequency=20), parent=selector, name="bands")
    graph.add_leaf_node(SelectorStabilityPlot(log_frequency=5), parent=selector, name="stability")
    graph.register_monitor(DummyMonitor(), name="dummy")

    optimizer = OptimizerConfig(name="adam", lr=0.01, scheduler=SchedulerConfig(name="cosine"))
    return graph, TrainingConfig(seed=42, trainer=TrainerConfig(max_epochs=60), optimizer=optimizer)


def main(overrides: list[str]) -> Graph:
    """Train the graph on a public scene, and export it."""
    graph, config = with_overrides(*build(), overrides)
    graph.train(datamodule=IndianPines(anomaly_class=16), training_config=config)
    print("bands", graph.nodes["selector"].get_selected_channels().tolist())
    artifact = graph.run.folder / "artifact"
    export(load_source(graph.run.folder), artifact)
    print(artifact)
    return graph


if __name__ == "__main__":
    run_script(main)

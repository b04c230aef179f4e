"""Phase 3 in Python, specs/phase3_gradient_training.yaml in YAML: principal components trained by gradients.

python examples/phase3_gradient_training.py [OVERRIDES]

such as training.trainer.max_epochs=20 training.optimizer.lr=0.01, training.trainer.precision=bf16-mixed, or
'+monitoring.wandb={type: WandBMonitor, project: phase3}'.
"""

from __future__ import annotations

import torch

from cuvisc import Graph, OptimizerConfig, TrainerConfig, TrainingConfig
from cuvisc.cli.answers import run_script
from cuvisc.leaves import ComponentOrthogonalityMetric, ExplainedVarianceMetric, OrthogonalityLoss
from cuvisc.nodes import MinMaxNormalizer, TrainablePCA
from cuvisc.runtime import DummyMonitor, IndianPines
from cuvisc.runtime.overriding import with_overrides


def build() -> tuple[Graph, TrainingConfig]:
    """The graph and how it is trained."""
    graph = Graph("trainable_pca")
    normalizer = MinMaxNormalizer(eps=1e-6)
    graph.add_node(normalizer, name="normalizer")
    pca = TrainablePCA(
        n_components=3,
        trainable=True,  # phase 2 moves the components that phase 1 found
        whiten=False,
    )
    graph.add_node(pca, parent=normalizer, name="pca")

    graph.add_leaf_node(OrthogonalityLoss(weight=1.0), parent=pca, name="orthogonality_loss")
    graph.add_leaf_node(ExplainedVarianceMetric(), parent=pca, name="explained_variance")
    graph.add_leaf_node(ComponentOrthogonalityMetric(), parent=pca, name="component_orthogonality")
    graph.register_monitor(DummyMonitor(output_dir="./outputs/artifacts"), name="dummy")

    config = TrainingConfig(
        seed=42,
        trainer=TrainerConfig(
            max_epochs=10,
            accelerator="auto",
            devices=1,
            precision="32",
            log_every_n_steps=10,
        ),
        optimizer=OptimizerConfig(name="adam", lr=0.001, weight_decay=0.0, betas=(0.9, 0.999)),
    )
    return graph, config


def main(overrides: list[str]) -> Graph:
    """Train the graph on a public scene, and look at the components and at scores."""
    graph, config = with_overrides(*build(), overrides)
    data = IndianPines(batch_size=1, num_workers=0)
    graph.train(datamodule=data, training_config=config)

    components = graph.nodes["pca"].components
    print(f"components {list(components.shape)}, W W^T:\n{components @ components.T}")
    data.setup("test")
    batch = next(iter(data.test_dataloader()))
    with torch.no_grad():
        scores, _, _ = graph(batch["cube"])
    print(f"scores {list(scores.shape)}")
    print(graph.run.folder)
    return graph


if __name__ == "__main__":
    run_script(main)

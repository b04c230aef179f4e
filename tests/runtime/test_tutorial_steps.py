"""The tutorial's ten steps and the quick example run in Python as printed, on frames in the folder they name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer

from cuvisc import Graph, OptimizerConfig, TrainerConfig, TrainingConfig
from cuvisc.leaves import ComponentOrthogonalityMetric, ExplainedVarianceMetric, OrthogonalityLoss
from cuvisc.nodes import MinMaxNormalizer, TrainablePCA
from cuvisc.runtime import DummyMonitor, LentilsAnomaly

BANDS, SIZE = 61, 8


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`./data/Lentils` with sixteen small frames, and nothing else."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data" / "Lentils"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    mixing = random.normal(size=(5, BANDS)) * np.geomspace(100, 5, 5)[:, None]
    for number in range(16):
        cube = 500 + random.normal(size=(SIZE, SIZE, 5)) @ mixing + random.normal(size=(SIZE, SIZE, BANDS))
        labels = np.ones((SIZE, SIZE), np.uint8)
        labels[2, 3] = 3
        np.savez(folder / f"Lentils_{number:03d}.npz", cube=cube.astype(np.float32), labels=labels)


def test_ten_steps(data: None) -> None:
    graph = Graph("trainable_pca")
    normalizer = MinMaxNormalizer(eps=1e-6)
    graph.add_node(normalizer)
    pca = TrainablePCA(n_components=3, trainable=True, whiten=False)
    graph.add_node(pca, parent=normalizer)
    orth_loss = OrthogonalityLoss(weight=1.0)
    graph.add_leaf_node(orth_loss, parent=pca)
    var_metric = ExplainedVarianceMetric()
    graph.add_leaf_node(var_metric, parent=pca)
    orth_metric = ComponentOrthogonalityMetric()
    graph.add_leaf_node(orth_metric, parent=pca)
    monitor = DummyMonitor(output_dir="./outputs/artifacts")
    graph.register_monitor(monitor)
    config = TrainingConfig(
        seed=42,
        trainer=TrainerConfig(
            max_epochs=10, accelerator="auto", devices=1, precision="32", log_every_n_steps=10
        ),
        optimizer=OptimizerConfig(name="adam", lr=0.001, weight_decay=0.0, betas=(0.9, 0.999)),
    )
    datamodule = LentilsAnomaly(data_dir="./data/Lentils", batch_size=4, num_workers=0)
    trainer = graph.train(datamodule=datamodule, training_config=config)
    assert isinstance(trainer, Trainer)
    assert trainer.current_epoch == 10

    with open("outputs/artifacts/metrics.jsonl") as f:
        metrics = [json.loads(line) for line in f]
    orth_metrics = [m for m in metrics if "orthogonality" in m["name"]]
    shown = [f"Epoch {m['step']}: {m['name']} = {m['value']:.4f}" for m in orth_metrics[:5]]
    assert shown[0].startswith("Epoch ")
    assert max(m["value"] for m in orth_metrics) < 0.02
    names = {m["name"] for m in metrics}
    assert {"train/loss/orthogonality", "val/metric/explained_variance_total"} <= names
    assert {f"val/metric/explained_variance_pc{number}" for number in (1, 2, 3)} <= names
    assert {"val/metric/component_orthogonality_error", "val/metric/orthogonality_error"} & names

    datamodule.setup("test")
    test_loader = datamodule.test_dataloader()
    batch = next(iter(test_loader))
    with torch.no_grad():
        pc_scores, _, _ = graph(batch["cube"])
    assert pc_scores.shape == (len(batch["cube"]), SIZE, SIZE, 3)
    components = pca.components
    gram = components @ components.T
    np.testing.assert_allclose(gram.detach().numpy(), np.eye(3), atol=0.01)

    graph.save_to_file("trainable_pca_trained.zip")
    loaded_graph = Graph.load_from_file("trainable_pca_trained.zip")
    with torch.no_grad():
        loaded_scores, _, _ = loaded_graph(batch["cube"])
    assert torch.equal(loaded_scores, pc_scores)


def test_quick_example(data: None) -> None:
    graph = Graph("trainable_pca")
    pca = TrainablePCA(n_components=3, trainable=True)
    graph.add_node(pca)
    loss = OrthogonalityLoss(weight=1.0)
    metric = ExplainedVarianceMetric()
    graph.add_leaf_node(loss, parent=pca)
    graph.add_leaf_node(metric, parent=pca)
    monitor = DummyMonitor(output_dir="./outputs")
    graph.register_monitor(monitor)
    config = TrainingConfig(seed=42, trainer=TrainerConfig(max_epochs=10, accelerator="auto"))
    datamodule = LentilsAnomaly(batch_size=4)
    trainer = graph.train(datamodule=datamodule, training_config=config)
    assert trainer.current_epoch == 10
    assert Path("outputs/metrics.jsonl").is_file()
    assert graph.run is not None
    assert graph.run.folder.parent == Path("runs/trainable_pca")

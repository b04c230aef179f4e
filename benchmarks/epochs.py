"""An epoch of phase 2 with and without what frozen nodes make of every image being kept (d)."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback

from benchmarks.scenes import scene, typed
from cuvisc import TrainingConfig
from cuvisc.runtime.data.datamodule import GraphDataModule, Stage
from cuvisc.runtime.training import train

_LOSSES = """
loss_leaves: {bce: {type: AnomalyBCEWithLogits, parent: head, pos_weight: 10.0}}
"""
GRAPHS = {
    "phase 4: selector, PCA and RX trained, the normaliser frozen": """
nodes:
  normalizer: {type: MinMaxNormalizer, per_channel: true}
  selector: {type: SoftChannelSelector, n_select: 20, init_method: variance, hard: true, reduce: true, trainable: true}
  pca: {type: TrainablePCA, n_components: 5, trainable: true}
  rx: {type: RXGlobal, trainable_stats: true}
  head: {type: RXLogitHead}
"""
    + _LOSSES,
    "RX over all bands frozen, the logit head trained": """
nodes:
  normalizer: {type: MinMaxNormalizer, per_channel: true}
  rx: {type: RXGlobal}
  head: {type: RXLogitHead}
"""
    + _LOSSES,
    "PCA and RX frozen, the logit head trained": """
nodes:
  normalizer: {type: MinMaxNormalizer, per_channel: true}
  pca: {type: TrainablePCA, n_components: 5}
  rx: {type: RXGlobal}
  head: {type: RXLogitHead}
"""
    + _LOSSES,
    "PCA and decoder trained on the reconstruction: 2C pixels stand for an image": """
nodes:
  normalizer: {type: MinMaxNormalizer, per_channel: true}
  pca: {type: TrainablePCA, n_components: 5, trainable: true}
  decoder: {type: LinearDecoder, inputs: {codes: pca, cube: input}}
loss_leaves: {reconstruction: {type: MSEReconstructionLoss, parent: decoder}}
""",
}


class _Scenes(GraphDataModule):
    """Images in memory, one pixel in fifty an anomaly."""

    def __init__(self, images: int, side: int, bands: int) -> None:
        super().__init__(batch_size=2)
        cubes = [torch.from_numpy(scene(side, side, bands, seed=seed)[0]) for seed in range(images)]
        masks = torch.zeros(side, side, dtype=torch.uint8)
        masks.view(-1)[::50] = 1
        self._samples = [{"cube": cube, "mask": masks} for cube in cubes]

    def samples(self, stage: Stage) -> Any:
        return self._samples if stage == "train" else self._samples[:1]


class _Epochs(Callback):
    """CPU seconds of every training epoch, without its validation."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._started = 0.0

    def on_train_epoch_start(self, *_: Any) -> None:
        self._started = time.process_time()

    def on_validation_start(self, *_: Any) -> None:
        self.seconds.append(time.process_time() - self._started)


def epoch_times(folder: Path, epochs: int, images: int, side: int, bands: int) -> list[dict[str, Any]]:
    """Medians of the epochs after the first, in which the kept values are made."""
    data, rows = _Scenes(images, side, bands), []
    for number, (name, text) in enumerate(GRAPHS.items()):
        medians = {}
        for cache in ("off", "memory"):
            watch = _Epochs()
            trainer = {"max_epochs": epochs + 1, "accelerator": "cpu", "callbacks": [watch]}
            config = TrainingConfig(cache=cache, trainer={**trainer, "enable_checkpointing": False})
            train(typed(text), data, config, run_dir=folder / f"epochs-{number}-{cache}")
            medians[cache] = statistics.median(watch.seconds[1:])
        rows.append({"graph": name, **medians, "ratio": medians["off"] / medians["memory"]})
    return rows

"""A small scene in memory as a data module, with planted anomalies, and graphs that train on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from cuvisc.language.declare import Param
from cuvisc.runtime.data.datamodule import GraphDataModule, Stage

BANDS = 6
ANOMALY = """
graph: {name: small, outputs: [rx.scores, decider.decisions]}
nodes:
  normalizer: {type: MinMaxNormalizer}
  pca: {type: TrainablePCA, n_components: 3, trainable: true}
  rx: {type: RXGlobal}
  head: {type: RXLogitHead}
  decider: {type: LogitDecider}
loss_leaves:
  bce: {type: AnomalyBCEWithLogits, parent: head, pos_weight: 5}
  orthogonality: {type: OrthogonalityLoss, parent: pca}
metric_leaves:
  detection: {type: AnomalyDetectionMetrics, parent: head, reads: logits}
"""
FROZEN = """
graph: {name: frozen}
nodes:
  normalizer: {type: MinMaxNormalizer}
  rx: {type: RXGlobal}
metric_leaves:
  scores: {type: ScoreStatisticsMetric, parent: rx}
"""


def scene(images: int = 5, size: int = 12, seed: int = 0, dtype: str = "uint16") -> tuple[Any, Any]:
    """Correlated spectra [N,H,W,C] with a few anomalous pixels, and their mask [N,H,W]."""
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(BANDS, BANDS)) * np.geomspace(1, 0.05, BANDS)[:, None]
    spectra = 1000 + 100 * random.normal(size=(images, size, size, BANDS)) @ mixing
    mask = np.zeros((images, size, size), np.uint8)
    mask.reshape(-1)[:: 2 * size + 5] = 1
    spectra[mask > 0] += 400 * random.normal(size=BANDS)
    return spectra.astype(dtype), mask


class MemoryScene(GraphDataModule):
    """Arrays [N,H,W,C] and [N,H,W] as samples; training and validation see the same."""

    batch_size: int = Param(2, "images in a batch", ge=1)

    def __init__(self, cubes: Any = None, masks: Any = None, **params: Any) -> None:
        super().__init__(**params)
        self.cubes, self.masks = scene() if cubes is None else (cubes, masks)

    def samples(self, stage: Stage) -> Any:
        return [
            {"cube": torch.from_numpy(cube), "mask": torch.from_numpy(mask)}
            for cube, mask in zip(self.cubes, self.masks, strict=True)
        ]

"""How the values of an output are distributed over an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from cuvisc.language.declare import In
from cuvisc.language.leaf import Batch, MetricNode

from .moments import StreamingMoments
from .value_counts import ValueCounts

FRACTIONS = (0.25, 0.5, 0.75, 0.95)


class ScoreStatisticsMetric(MetricNode):
    """Mean, deviation, extremes and quantiles of all values of an epoch.

    ``score_mean``, ``score_std`` (unbiased), ``score_min``, ``score_max``, ``score_q25``, ``score_q50``,
    ``score_q75``, ``score_q95``, in the unit of the parent's output [B,H,W,K]

    Streaming, of any number of values in at most some 60 MB. Mean, deviation and extremes are accumulated in
    float64. Quantiles are exact up to 2^20 distinct values of float32, interpolated as in NumPy; beyond that
    each is within 2^-12 (0.025 %) of itself, usually far closer. Values that are not finite take no part; an
    epoch without any other gives no numbers.
    """

    aliases = ("cuvis_ai.training.metrics.ScoreStatisticsMetric",)
    logs = (
        *("score_mean", "score_std", "score_min", "score_max"),
        *(f"score_q{100 * fraction:.0f}" for fraction in FRACTIONS),
    )
    output = In("float32[B,H,W,K]", "what is measured", unit="scores|logits|probabilities")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self.moments = StreamingMoments()
        self.counted = ValueCounts()

    def update(self, parent_output: Tensor, batch: Batch) -> None:
        values = parent_output[torch.isfinite(parent_output)]
        self.moments.update(values)
        self.counted.update(values)

    def compute(self) -> dict[str, float]:
        spread, counted = self.moments.gathered(), self.counted.gathered()
        if spread is None or counted is None:
            return {}
        quantiles = counted.quantiles(np.array(FRACTIONS))
        return {
            "score_mean": spread.mean,
            "score_std": spread.std,
            "score_min": spread.minimum,
            "score_max": spread.maximum,
            **{f"score_q{100 * f:.0f}": float(q) for f, q in zip(FRACTIONS, quantiles, strict=True)},
        }

    def reset(self) -> None:
        self.moments.reset()
        self.counted.reset()

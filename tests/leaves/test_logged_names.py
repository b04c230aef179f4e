"""A metric declares the names that it logs: those of `compute`, so that what waits for one can be checked before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from parents import Scorer, pca
from torch import Tensor

from cuvisc.language.choose import resolve
from cuvisc.language.exports import scan
from cuvisc.language.leaf import MetricNode
from cuvisc.language.node import Node
from cuvisc.leaves.anomaly_metrics import AnomalyDetectionMetrics
from cuvisc.leaves.component_metrics import ComponentOrthogonalityMetric, ExplainedVarianceMetric
from cuvisc.leaves.score_metrics import ScoreStatisticsMetric

VALUES = torch.linspace(0, 1, 32).reshape(1, 4, 8, 1)
CUBE = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 4, 8, 3)).astype(np.float32))
BATCH = {"mask": (VALUES[..., 0] > 0.5).to(torch.uint8), "parent_input": CUBE}

Case = tuple[type[MetricNode], dict[str, Any], Callable[[], Node], Tensor]
CASES: Mapping[str, Case] = {
    "scores": (AnomalyDetectionMetrics, {}, Scorer, VALUES),
    "multiplier": (AnomalyDetectionMetrics, {"threshold_multiplier": 2.0}, Scorer, VALUES),
    "logits": (AnomalyDetectionMetrics, {"reads": "logits"}, Scorer, VALUES),
    "decisions": (AnomalyDetectionMetrics, {"reads": "decisions"}, Scorer, VALUES > 0.3),
    "statistics": (ScoreStatisticsMetric, {}, Scorer, VALUES),
    "variance": (ExplainedVarianceMetric, {}, lambda: pca(np.eye(3)[:2]), CUBE[..., :2]),
    "orthogonality": (ComponentOrthogonalityMetric, {}, lambda: pca(np.eye(3)[:2]), CUBE[..., :2]),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_declared_is_what_is_computed(case: Case) -> None:
    metric_type, params, make_parent, output = case
    metric = metric_type(**params)
    metric.attach(make_parent())
    declared = [
        name.replace("{k}", str(band))
        for name in resolve(metric_type.logs, metric.params()) or ()
        for band in (range(1, output.shape[-1] + 1) if "{k}" in name else (0,))
    ]
    assert sorted(metric.compute_metric(output, BATCH)) == sorted(declared)


def test_no_metric_is_forgotten() -> None:
    shipped = {found for found in scan("cuvisc.leaves", MetricNode) if found.kind == "metric"}
    assert shipped == {metric_type for metric_type, *_ in CASES.values()}

"""Metrics of two processes are those of one process that saw everything."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from parents import pca

from cuvisc.leaves.accumulator import Accumulator
from cuvisc.leaves.anomaly_metrics import AnomalyDetectionMetrics
from cuvisc.leaves.component_metrics import ExplainedVarianceMetric
from cuvisc.leaves.score_metrics import ScoreStatisticsMetric
from cuvisc.leaves.value_counts import ValueCounts

RNG = np.random.default_rng(9)


def connect(metric, other):
    """Make ``metric`` gather the states of ``other``, as if a second process held them."""
    for name, mine in metric.named_children():
        theirs = getattr(other, name)
        assert isinstance(mine, Accumulator)
        if isinstance(theirs, ValueCounts):
            theirs._compact()
        states = [getattr(theirs, state) for state in theirs._reductions]
        tensors = iter([state[0] if isinstance(state, list) else state for state in states])
        mine.distributed_available_fn = lambda: True
        mine.dist_sync_fn = lambda tensor, group, tensors=tensors: [tensor, next(tensors)]


def batches(count):
    for _ in range(count):
        scores = RNG.gamma(2.0, size=(2, 5, 4, 1)).astype(np.float32)
        yield (
            torch.tensor(scores),
            {
                "mask": torch.tensor(RNG.random((2, 5, 4)) < 0.2),
                "parent_input": torch.tensor(RNG.normal(3.0, size=(2, 5, 4, 6)).astype(np.float32)),
            },
        )


def explained_variance():
    metric = ExplainedVarianceMetric()
    metric.attach(pca(np.eye(6)[:2]))
    return metric


@pytest.mark.parametrize(
    "make",
    [ScoreStatisticsMetric, lambda: AnomalyDetectionMetrics(threshold_multiplier=1.0), explained_variance],
)
def test_two_processes_equal_one(make):
    seen = list(batches(5))
    alone, first, second = make(), make(), make()
    for metric, part in ((alone, seen), (first, seen[:2]), (second, seen[2:])):
        for output, batch in part:
            metric.update(output, batch)
    before = first.compute()
    connect(first, second)
    assert first.compute() == pytest.approx(alone.compute(), rel=1e-12)
    for part in first.children():
        part.distributed_available_fn = lambda: False
    assert first.compute() == before


def test_processes_that_dropped_different_numbers_of_bits():
    values = RNG.gamma(2.0, size=3000).astype(np.float32)
    alone, first, second = ValueCounts(limit=64), ValueCounts(limit=64), ValueCounts(limit=64)
    alone.update(torch.tensor(values))
    first.update(torch.tensor(values[:70]))
    second.update(torch.tensor(values[70:]))
    second._compact()
    states = iter([second.codes[0], second.counts[0], second.dropped])
    first.distributed_available_fn = lambda: True
    first.dist_sync_fn = lambda tensor, group: [tensor, next(states)]
    together, whole = first.gathered(), alone.gathered()
    np.testing.assert_array_equal(together.values, whole.values)
    np.testing.assert_array_equal(together.counts, whole.counts)

"""Statistics of an epoch are those of all its values together, whatever the batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cuvisc.leaves.score_metrics import ScoreStatisticsMetric

RNG = np.random.default_rng(5)


def of_batches(*batches):
    metric = ScoreStatisticsMetric()
    metric.reset()
    for batch in batches:
        metric.update(torch.tensor(batch), {})
    return metric.compute()


def reference(values):
    values = np.asarray(values, dtype=np.float64)
    quantiles = np.quantile(values, [0.25, 0.5, 0.75, 0.95])
    return {
        "score_mean": values.mean(),
        "score_std": values.std(ddof=1) if len(values) > 1 else 0.0,
        "score_min": values.min(),
        "score_max": values.max(),
        **dict(zip(["score_q25", "score_q50", "score_q75", "score_q95"], quantiles, strict=True)),
    }


def test_batches_of_unequal_size_count_by_their_pixels():
    batches = [
        RNG.gamma(2.0, scale=50, size=(b, 5, 7, k)).astype(np.float32) for b, k in [(4, 1), (1, 1), (3, 1)]
    ]
    expected = reference(np.concatenate([batch.ravel() for batch in batches]))
    assert of_batches(*batches) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=40)
@given(
    arrays(np.float32, (1, 3, 4, 1), elements=st.floats(-1e6, 1e6, width=32)), st.floats(-1e6, 1e6, width=32)
)
def test_an_offset_does_not_spoil_the_deviation(values, offset):
    shifted = values + np.float32(offset)
    assert of_batches(shifted, shifted[:, :1]) == pytest.approx(
        reference(np.concatenate([shifted.ravel(), shifted[:, :1].ravel()])), rel=1e-7, abs=1e-6
    )


def test_values_that_are_not_finite_take_no_part():
    values = np.array([1.0, np.nan, 2.0, np.inf, -np.inf, 4.0], dtype=np.float32).reshape(1, 2, 3, 1)
    assert of_batches(values) == pytest.approx(reference([1.0, 2.0, 4.0]))
    assert of_batches(np.full((1, 2, 2, 1), np.nan)) == {}
    assert of_batches() == {}


def test_half_precision_and_one_value():
    assert of_batches(np.full((1, 1, 1, 1), 2.5, dtype=np.float16)) == pytest.approx(reference([2.5]))


def test_reset_forgets():
    metric = ScoreStatisticsMetric()
    metric.update(torch.ones(1, 2, 2, 1), {})
    metric.reset()
    assert metric.compute() == {}
    assert metric.compute_metric(torch.full((1, 2, 2, 1), 3.0), {})["score_mean"] == 3


def test_the_names_that_are_logged():
    assert list(of_batches(np.ones((1, 1, 2, 1)))) == [
        "score_mean",
        "score_std",
        "score_min",
        "score_max",
        "score_q25",
        "score_q50",
        "score_q75",
        "score_q95",
    ]

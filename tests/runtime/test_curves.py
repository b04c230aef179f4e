"""Thinned curves and bins, against what a reader must still see."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from cuvisc.runtime.curves import histogram_edges, thin, thin_along
from cuvisc.runtime.ranking import Ranking


def scores_and_mask(seed: int, size: int = 500, levels: int = 60) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    mask = random.random(size) < 0.1
    mask[:2] = True, False
    return np.round(random.normal(size=size) * 10 + 8 * mask) * 0.1 * (levels / 60), mask


@given(st.integers(1, 5000), st.integers(0, 2**32 - 1))
def test_thinning_keeps_ends_and_extremes_and_little_else(size: int, seed: int) -> None:
    y = np.random.default_rng(seed).normal(size=size).cumsum()
    x, kept = thin(np.arange(size, dtype=float), y)
    assert x.size <= 402
    assert (x[0], x[-1]) == (0, size - 1)
    assert (kept.min(), kept.max()) == (y.min(), y.max())
    np.testing.assert_array_equal(y[x.astype(int)], kept)


def test_thinning_lives_with_values_that_are_not_numbers() -> None:
    y = np.full(5000, np.nan)
    y[2500] = 3.0
    _, kept = thin(np.arange(5000.0), y)
    assert np.nanmax(kept) == 3.0


def test_a_thinned_curve_stays_within_a_pixel_of_the_whole_one() -> None:
    scores, mask = scores_and_mask(5, size=60_000, levels=60_000)
    whole = Ranking.of(scores + np.random.default_rng(6).normal(size=scores.size) * 1e-3, mask).roc()
    x, y = thin_along(*whole)
    assert whole[0].size > 5000
    assert x.size <= 402
    assert metrics.auc(x, y) == pytest.approx(metrics.auc(*whole), abs=2e-3)
    assert (x[0], y[0], x[-1], y[-1]) == (0.0, 0.0, 1.0, 1.0)


def test_a_far_outlier_does_not_squeeze_a_histogram() -> None:
    values = np.append(np.random.default_rng(0).normal(size=10_000), 1e6)
    edges = histogram_edges(values, threshold=4.0)
    assert edges[0] == values.min()
    assert 4.0 < edges[-1] < 20


def test_a_histogram_reaches_the_anomalies_and_the_threshold() -> None:
    values = np.random.default_rng(0).normal(size=10_000)
    rare = np.linspace(50, 100, 20)
    assert histogram_edges(np.append(values, rare), 4.0, rare)[-1] > 95
    assert histogram_edges(values, threshold=values.max() + 1)[-1] > values.max() + 1
    assert histogram_edges(values, threshold=values.min() - 1)[0] < values.min() - 1


def test_a_histogram_of_one_value_has_a_width() -> None:
    edges = histogram_edges(np.full(5, 3.0))
    assert edges[0] < 3 < edges[-1]

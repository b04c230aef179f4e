"""Counted values give NumPy's quantiles, whatever the order and the batches, within a bound that holds for all data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cuvisc.leaves.value_counts import ValueCounts

FRACTIONS = np.array([0.0, 0.25, 0.5, 0.75, 0.95, 1.0])
FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32)


def counted(batches, limit=2**20):
    counts = ValueCounts(limit)
    for values, positive in batches:
        counts.update(torch.tensor(values), torch.tensor(positive))
    return counts.gathered()


def same(left, right):
    return all(
        np.array_equal(getattr(left, n), getattr(right, n)) for n in ("values", "negatives", "positives")
    )


@given(arrays(np.float32, st.integers(1, 60), elements=FINITE))
def test_few_values_are_exact(values):
    found = counted([(values, np.zeros(len(values), dtype=bool))])
    distinct, counts = np.unique(values + np.float32(0), return_counts=True)
    np.testing.assert_array_equal(found.values, distinct)
    np.testing.assert_array_equal(found.counts, counts)
    expected = np.quantile(values.astype(np.float64), FRACTIONS)
    np.testing.assert_allclose(found.quantiles(FRACTIONS), expected, rtol=1e-12)


@settings(max_examples=40)
@given(
    arrays(np.float32, 200, elements=st.floats(2**-10, 2**10, width=32)), st.integers(0, 199), st.randoms()
)
def test_neither_order_nor_batches_matter(values, cut, random):
    positive = np.arange(200) % 7 == 0
    order = random.sample(range(200), 200)
    shuffled, labels = values[order], positive[order]
    whole = counted([(values, positive)], limit=20)
    parts = counted([(shuffled[:cut], labels[:cut]), (shuffled[cut:], labels[cut:])], limit=20)
    assert same(whole, parts)
    assert len(whole.values) <= 20
    assert whole.counts.sum() == 200


@pytest.mark.parametrize("offset", [0.0, 1e4, -3.0])
def test_many_values_stay_within_the_bound_of_what_was_dropped(offset):
    values = (np.random.default_rng(1).gamma(2.0, size=50_000) + offset).astype(np.float32)
    counts = ValueCounts(limit=2**10)
    for batch in np.array_split(values, 13):
        counts.update(torch.tensor(batch))
    found = counts.gathered()
    bound = 2.0 ** (int(counts.dropped) - 24)
    expected = np.quantile(values.astype(np.float64), FRACTIONS)
    error = np.abs(found.quantiles(FRACTIONS) - expected) / np.abs(values).max() if offset else None
    if error is None:
        error = np.abs(found.quantiles(FRACTIONS) / expected - 1)
    assert (error <= 2 * bound).all()
    assert len(found.values) <= 2**10


def test_no_data_can_need_more_bits_than_promised():
    everywhere = np.random.default_rng(2).integers(0, 2**32, size=400_000, dtype=np.uint32).view(np.float32)
    counts = ValueCounts(limit=2**10)
    counts.update(torch.tensor(everywhere[np.isfinite(everywhere)]))
    counts.gathered()
    assert int(counts.dropped) <= 32 - 10


def test_nothing_counted_and_reset():
    counts = ValueCounts()
    assert counts.gathered() is None
    counts.update(torch.tensor([1.0, 2.0]))
    counts.update(torch.zeros(0))
    assert counts.gathered().counts.sum() == 2
    counts.reset()
    assert counts.gathered() is None

"""Explained variance and orthogonality are those of the components as they stand, of all the data of the epoch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from parents import pca
from sklearn.decomposition import PCA

from cuvisc.language.leaf import BatchError
from cuvisc.leaves.component_metrics import ComponentOrthogonalityMetric, ExplainedVarianceMetric

RNG = np.random.default_rng(4)
UNREAD = torch.empty(0)
MIXING = RNG.normal(size=(6, 6)) * np.array([5, 3, 2, 1, 0.5, 0.1])[:, None]


def cubes(offset=0.0):
    return [(RNG.normal(size=(b, 4, 5, 6)) @ MIXING + offset).astype(np.float32) for b in (3, 1, 4)]


def explained(components, batches, **params):
    metric = ExplainedVarianceMetric()
    metric.attach(pca(components, **params))
    metric.reset()
    for batch in batches:
        metric.update(UNREAD, {"parent_input": torch.tensor(batch)})
    return metric.compute()


def fitted(batches, k=3):
    pixels = np.concatenate([batch.reshape(-1, 6) for batch in batches]).astype(np.float64)
    return pixels, PCA(k).fit(pixels)


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("whiten", [False, True])
def test_fitted_components_explain_what_scikit_learn_says(offset, whiten):
    batches = cubes(offset)
    _, reference = fitted(batches)
    found = explained(reference.components_, batches, whiten=whiten)
    ratios = reference.explained_variance_ratio_
    expected = {f"explained_variance_pc{k}": ratio for k, ratio in enumerate(ratios, start=1)}
    assert found == pytest.approx({**expected, "explained_variance_total": ratios.sum()}, rel=1e-5)


def test_any_orthonormal_components_explain_the_variance_of_their_scores():
    batches = cubes()
    pixels, _ = fitted(batches)
    rows = np.linalg.qr(RNG.normal(size=(6, 2)))[0].T.astype(np.float32)
    found = explained(rows, batches)
    scores = pixels @ rows.T.astype(np.float64)
    assert found["explained_variance_pc2"] == pytest.approx(
        scores[:, 1].var() / pixels.var(axis=0).sum(), rel=1e-5
    )


def test_the_total_is_the_variance_within_the_span_of_any_components():
    batches = cubes()
    pixels, _ = fitted(batches)
    rows = (RNG.normal(size=(3, 6)) * np.array([[1.0], [100.0], [0.01]])).astype(np.float32)
    centered = pixels - pixels.mean(axis=0)
    projected = centered @ np.linalg.pinv(rows.astype(np.float64)) @ rows
    found = explained(rows, batches)
    assert found["explained_variance_total"] == pytest.approx(
        (projected**2).sum() / (centered**2).sum(), rel=1e-6
    )
    assert sum(found.values()) == pytest.approx(2 * found["explained_variance_total"])


def test_collapsed_components_share_what_one_explains():
    batches = cubes()
    _, reference = fitted(batches)
    first = reference.components_[0]
    found = explained([first, 2 * first, -first], batches)
    assert found["explained_variance_total"] == pytest.approx(
        reference.explained_variance_ratio_[0], rel=1e-5
    )
    assert found["explained_variance_pc2"] == found["explained_variance_pc3"] == 0


def test_pixels_with_missing_bands_take_no_part():
    batches = cubes()
    _, reference = fitted(batches)
    holed = [np.concatenate([batch, np.full_like(batch[:1], 1e6)]) for batch in batches]
    for batch in holed:
        batch[-1, ..., 2] = np.nan
    assert explained(reference.components_, holed) == pytest.approx(explained(reference.components_, batches))


@pytest.mark.parametrize("constant", [0.0, 0.1, 12345.678, np.nan])
def test_data_that_do_not_vary_give_no_numbers(constant):
    assert explained(np.eye(6)[:2], [np.full((2, 3, 4, 6), constant, dtype=np.float32)]) == {}
    assert explained(np.eye(6)[:2], []) == {}


def test_training_moves_the_shares():
    metric, parent = ExplainedVarianceMetric(), pca(np.eye(6)[:1], trainable=True)
    metric.attach(parent)
    parent.prepare_for_train()
    batch = {"parent_input": torch.tensor(cubes()[0])}
    before = metric.compute_metric(UNREAD, batch)
    parent.components.data = torch.eye(6)[5:]
    assert metric.compute_metric(UNREAD, batch)["explained_variance_pc1"] != before["explained_variance_pc1"]


def test_without_the_parents_input_it_says_so():
    metric = ExplainedVarianceMetric()
    metric.attach(pca(np.eye(2)))
    with pytest.raises(BatchError) as caught:
        metric.update(UNREAD, {"cube": UNREAD})
    assert str(caught.value) == "ExplainedVarianceMetric reads `parent_input` of the batch, which holds cube"


@given(arrays(np.float32, (3, 5), elements=st.floats(-2, 2, width=32)))
def test_orthogonality_error_is_the_frobenius_norm(rows):
    metric = ComponentOrthogonalityMetric()
    metric.attach(pca(rows))
    metric.update(UNREAD, {})
    exact = rows.astype(np.float64)
    error = np.linalg.norm(exact @ exact.T - np.eye(3))
    expected = {"component_orthogonality_error": error, "orthogonality_error": error}
    assert metric.compute() == pytest.approx(expected, rel=1e-12)

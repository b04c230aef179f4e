"""Detection metrics are scikit-learn's of all pixels of the epoch together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    jaccard_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from cuvisc.language.declare import ParameterError
from cuvisc.language.leaf import BatchError
from cuvisc.leaves.anomaly_metrics import AnomalyDetectionMetrics
from cuvisc.leaves.value_counts import ValueCounts

RNG = np.random.default_rng(11)
DECIDED = ("anomaly_precision", "anomaly_recall", "anomaly_f1", "anomaly_iou")


def of_batches(metric, *batches):
    metric.reset()
    for values, mask in batches:
        metric.update(torch.tensor(values), {"mask": torch.tensor(mask)})
    return metric.compute()


def reference(values, truth, decided, areas=True):
    truth, decided = np.ravel(truth) > 0, np.ravel(decided)
    scores = (precision_score, recall_score, f1_score, jaccard_score)
    found = {n: score(truth, decided, zero_division=0.0) for n, score in zip(DECIDED, scores, strict=True)}
    if areas and 0 < truth.sum() < truth.size:
        found["anomaly_auroc"] = roc_auc_score(truth, np.ravel(values))
        found["anomaly_average_precision"] = average_precision_score(truth, np.ravel(values))
    return found


def scene(images, rate=0.1, dtype=np.float32):
    mask = RNG.random((images, 6, 5)) < rate
    scores = (RNG.gamma(2.0, size=mask.shape) + 2.0 * mask)[..., None]
    return np.round(scores, 1).astype(dtype), mask


def joined(*batches):
    return (np.concatenate([np.ravel(part) for part in parts]) for parts in zip(*batches, strict=True))


BATCHES = [scene(4), scene(1), scene(3, rate=0.0)]


def test_scores_over_batches_of_unequal_size():
    values, truth = joined(*BATCHES)
    found = of_batches(AnomalyDetectionMetrics(threshold=2.5), *BATCHES)
    assert found == pytest.approx(reference(values, truth, values >= np.float32(2.5)), rel=1e-12)


@pytest.mark.parametrize("k", [-1.0, 0.0, 2.0])
def test_the_threshold_multiplier_looks_at_the_whole_epoch(k):
    values, truth = joined(*BATCHES)
    threshold = values.astype(np.float64).mean() + k * values.astype(np.float64).std(ddof=1)
    found = of_batches(AnomalyDetectionMetrics(threshold_multiplier=k), *BATCHES)
    assert found == pytest.approx(reference(values, truth, values >= threshold), rel=1e-12)


def test_the_threshold_of_logits_is_a_probability():
    batches = [(values - 4, mask) for values, mask in BATCHES]
    values, truth = joined(*batches)
    found = of_batches(AnomalyDetectionMetrics(reads="logits", threshold=0.3), *batches)
    assert found == pytest.approx(reference(values, truth, 1 / (1 + np.exp(-values)) >= 0.3), rel=1e-12)


def test_decisions_have_no_curves():
    batches = [(values >= 2.5, mask) for values, mask in BATCHES]
    decided, truth = joined(*batches)
    found = of_batches(AnomalyDetectionMetrics(reads="decisions"), *batches)
    assert found == pytest.approx(reference(decided, truth, decided, areas=False), rel=1e-12)


@settings(max_examples=40)
@given(
    arrays(np.float32, (2, 2, 3, 1), elements=st.floats(-4, 4, width=16)),
    arrays(np.bool_, (2, 2, 3)),
    st.floats(-4, 4, width=16),
)
def test_any_scores_and_any_mask(values, mask, threshold):
    found = of_batches(
        AnomalyDetectionMetrics(threshold=threshold), (values[:1], mask[:1]), (values[1:], mask[1:])
    )
    assert found == pytest.approx(reference(values, mask, values >= threshold), rel=1e-12)


def test_masks_that_are_empty_or_full():
    values = np.array([[[[0.2], [0.7], [0.9]]]], dtype=np.float32)
    metric = AnomalyDetectionMetrics()
    assert metric.left_out() == ""
    assert of_batches(metric, (values, np.zeros((1, 1, 3)))) == dict.fromkeys(DECIDED, 0.0)
    assert metric.left_out() == "anomaly_auroc and anomaly_average_precision: the masks have no anomaly"
    full = of_batches(metric, (values, np.ones((1, 1, 3))))
    assert full == pytest.approx(
        {
            "anomaly_precision": 1,
            "anomaly_recall": 2 / 3,
            "anomaly_f1": 0.8,
            "anomaly_iou": 2 / 3,
        }
    )
    assert (
        metric.left_out()
        == "anomaly_auroc and anomaly_average_precision: the masks have nothing but anomalies"
    )
    assert of_batches(metric, (values, np.array([[[0, 1, 1]]])))["anomaly_auroc"] == 1
    assert metric.left_out() == ""


def test_values_that_are_not_finite_take_no_part():
    values = np.array([[[[0.2], [np.nan], [0.9], [np.inf]]]], dtype=np.float32)
    found = of_batches(AnomalyDetectionMetrics(), (values, np.array([[[0, 1, 1, 0]]])))
    assert found == dict.fromkeys([*DECIDED, "anomaly_auroc", "anomaly_average_precision"], 1.0)
    nothing = (np.full((1, 1, 2, 1), np.nan, dtype=np.float32), np.ones((1, 1, 2)))
    assert of_batches(AnomalyDetectionMetrics(threshold_multiplier=2.0), nothing) == {}
    assert of_batches(AnomalyDetectionMetrics()) == {}


def test_more_distinct_values_than_are_kept():
    metric = AnomalyDetectionMetrics(threshold_multiplier=1.0)
    metric.counted = ValueCounts(limit=2**12)
    mask = RNG.random((8, 100, 100)) < 0.05
    values = (RNG.gamma(2.0, size=mask.shape) + 1.5 * mask)[..., None].astype(np.float32)
    found = of_batches(metric, *((values[i : i + 3], mask[i : i + 3]) for i in (0, 3, 6)))
    threshold = values.astype(np.float64).mean() + values.astype(np.float64).std(ddof=1)
    assert found == pytest.approx(reference(values, mask, values >= threshold), abs=2e-4)


def test_labels_stand_in_for_a_mask_and_something_must():
    metric = AnomalyDetectionMetrics()
    metric.update(torch.ones(1, 1, 2, 1), {"labels": torch.tensor([[[3, 0]]])})
    assert metric.compute()["anomaly_precision"] == 0.5
    with pytest.raises(BatchError) as caught:
        metric.update(torch.ones(1, 1, 2, 1), {"cube": torch.zeros(1)})
    assert (
        str(caught.value)
        == "AnomalyDetectionMetrics reads `mask` (or `labels`) of the batch, which holds cube"
    )


def test_decisions_refuse_a_multiplier():
    with pytest.raises(ParameterError) as caught:
        AnomalyDetectionMetrics(reads="decisions", threshold_multiplier=2.0)
    assert str(caught.value) == (
        "AnomalyDetectionMetrics: decisions have no threshold; leave out `threshold_multiplier`"
    )

"""Areas, curves and thresholds are those of scikit-learn; every threshold is as good as trying all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn import metrics as reference

from cuvisc.runtime.confusion import Confusion
from cuvisc.runtime.ranking import Ranking

# Few distinct values make many ties; both classes occur.
LABELLED = st.lists(
    st.tuples(
        st.integers(-3, 3).map(float) | st.floats(-1e6, 1e6, width=32) | st.just(np.inf), st.booleans()
    ),
    min_size=2,
    max_size=60,
).filter(lambda rows: len({positive for _, positive in rows}) == 2)
RATES = st.sampled_from((0.0, 0.001, 0.1, 0.25, 0.5, 1.0))


def split(rows: list[tuple[float, bool]]) -> tuple[Any, Any]:
    return np.array([score for score, _ in rows], "f4"), np.array([positive for _, positive in rows])


def finite(scores: Any) -> Any:
    """The same order without infinity, which scikit-learn refuses."""
    return np.where(np.isinf(scores), 1e7, scores)


@given(LABELLED)
def test_areas_are_those_of_scikit_learn(rows: list[tuple[float, bool]]) -> None:
    scores, positive = split(rows)
    found = Ranking.of(scores, positive)
    assert found.auroc() == pytest.approx(reference.roc_auc_score(positive, finite(scores)), abs=1e-12)
    expected = reference.average_precision_score(positive, finite(scores))
    assert found.average_precision() == pytest.approx(expected, abs=1e-12)


@given(LABELLED)
def test_the_corners_of_the_roc_curve_are_on_the_one_of_scikit_learn(rows: list[tuple[float, bool]]) -> None:
    scores, positive = split(rows)
    fallout, recall, _ = reference.roc_curve(positive, finite(scores))
    x, y = Ranking.of(scores, positive).roc()
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert reference.auc(x, y) == pytest.approx(reference.auc(fallout, recall), abs=1e-12)
    for rate in np.unique(fallout):
        assert y[x == rate].max(initial=-1) in (-1, pytest.approx(recall[fallout == rate].max()))


@given(LABELLED)
def test_the_corners_of_the_precision_recall_curve_are_points_of_the_one_of_scikit_learn(
    rows: list[tuple[float, bool]],
) -> None:
    scores, positive = split(rows)
    precision, recall, _ = reference.precision_recall_curve(positive, finite(scores))
    known = np.stack([recall, precision], axis=1)
    x, y = Ranking.of(scores, positive).precision_recall()
    for point in np.stack([x, y], axis=1)[1:]:
        assert np.abs(known - point).sum(axis=1).min() < 1e-12
    assert (x[0], y[0], x[-1]) == (0, y[1], 1)


@given(LABELLED)
def test_the_best_f1_is_that_of_trying_every_threshold(rows: list[tuple[float, bool]]) -> None:
    scores, positive = split(rows)
    tried = {float(t): reference.f1_score(positive, scores >= t) for t in np.unique(scores)}
    best, threshold = Ranking.of(scores, positive).best_f1()
    assert best == pytest.approx(max(tried.values()))
    assert tried[threshold] == pytest.approx(best)


@given(LABELLED, RATES)
def test_a_share_of_alarms_allows_as_many_hits_as_scikit_learn_finds(
    rows: list[tuple[float, bool]], rate: float
) -> None:
    scores, positive = split(rows)
    fallout, recall, _ = reference.roc_curve(positive, finite(scores), drop_intermediate=False)
    threshold = Ranking.of(scores, positive).at_fallout(rate)
    decided = scores >= (np.nan if threshold is None else threshold)
    assert decided[positive].mean() == pytest.approx(recall[fallout <= rate].max())
    assert decided[~positive].mean() <= rate


@given(LABELLED, RATES)
def test_a_share_of_hits_costs_as_few_alarms_as_scikit_learn_finds(
    rows: list[tuple[float, bool]], rate: float
) -> None:
    scores, positive = split(rows)
    fallout, recall, _ = reference.roc_curve(positive, finite(scores), drop_intermediate=False)
    decided = scores >= Ranking.of(scores, positive).at_recall(rate)
    assert decided[positive].mean() >= rate
    if rate:
        assert decided[~positive].mean() == pytest.approx(fallout[recall >= rate].min())


@given(LABELLED, st.floats(-4, 4) | st.sampled_from([0.7, 0.9, -0.1, 1e39]))
@example([(0.7, True), (0.9, False), (0.6, True)], 0.7)
def test_a_threshold_decides_as_it_does_in_a_model(rows: list[tuple[float, bool]], threshold: float) -> None:
    """0.7 is 0.69999999 in float32, and a score of 0.7 reaches it, as with `predict --threshold`."""
    scores, positive = split(rows)
    decided = (torch.from_numpy(scores) >= torch.tensor(threshold, dtype=torch.float32)).numpy()
    (rejections, alarms), (misses, hits) = reference.confusion_matrix(positive, decided, labels=[False, True])
    expected = Confusion(hits, misses, alarms, rejections)
    assert Ranking.of(scores, positive).confusion(threshold) == expected == Confusion.of(decided, positive)


@given(LABELLED)
def test_decision_quality_is_that_of_scikit_learn(rows: list[tuple[float, bool]]) -> None:
    scores, positive = split(rows)
    decided = scores > 0
    found = Confusion.of(decided, positive).quality
    precision, recall, f1, _ = reference.precision_recall_fscore_support(
        positive, decided, average="binary", zero_division=np.nan
    )
    assert found.recall == pytest.approx(recall)
    assert found.f1 == pytest.approx(f1)
    assert found.iou == pytest.approx(reference.jaccard_score(positive, decided))
    assert found.fallout == pytest.approx(decided[~positive].mean())
    if decided.any():
        assert found.precision == pytest.approx(precision)
    else:
        assert found.precision is None


@given(LABELLED, st.integers(0, 60))
def test_two_rankings_merge_to_that_of_all_pixels(rows: list[tuple[float, bool]], cut: int) -> None:
    scores, positive = split(rows)
    merged = Ranking.merge(
        [Ranking.of(scores[:cut], positive[:cut]), Ranking.of(scores[cut:], positive[cut:])]
    )
    whole = Ranking.of(scores, positive)
    np.testing.assert_array_equal(merged.positives, whole.positives)
    np.testing.assert_array_equal(merged.negatives, whole.negatives)


def test_counts_add_up() -> None:
    assert Confusion(1, 2, 3, 4) + Confusion(10, 20, 30, 40) == Confusion(11, 22, 33, 44)
    assert Confusion(1, 2, 3, 4).pixels == 10


def test_millions_of_tied_scores_rank_exactly() -> None:
    positive = np.arange(1_000_000) < 500_000
    assert Ranking.of(np.zeros(1_000_000), positive).auroc() == 0.5

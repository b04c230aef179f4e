"""Heat maps and histograms hold the numbers they show, and show something."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
import torch
from parents import Scorer
from rendering import is_drawn, texts
from scipy.stats import gaussian_kde, gmean, norm

from cuvisc.language.declare import ParameterError
from cuvisc.leaves.anomaly_heatmap import FALSE_ALARM, HIT, MISSED, NO_DATA, NORMAL, AnomalyHeatmap, judge
from cuvisc.leaves.color_maps import COLOR_MAPS
from cuvisc.leaves.score_histogram import ScoreHistogram, density

RNG = np.random.default_rng(6)
SCORES = RNG.gamma(2.0, size=(2, 12, 15, 1)).astype(np.float32)
MASK = np.zeros((2, 12, 15), dtype=bool)
MASK[1, 3:5, 6:9] = True
SCORES[1, 3, 6:9] += 20
CUBE = RNG.random((2, 12, 15, 5)).astype(np.float32)
BATCH = {"cube": torch.tensor(CUBE), "mask": torch.tensor(MASK)}


def drawn(leaf, scores=SCORES, batch=BATCH):
    leaf.attach(Scorer())
    found = leaf.draw(torch.tensor(scores), batch, 40, "val")
    assert set(found) == {"figure", "data"}
    return found["figure"], found["data"]


def test_the_heat_map_shows_the_image_with_the_most_anomalies():
    figure, data = drawn(AnomalyHeatmap())
    np.testing.assert_array_equal(data["scores"], SCORES[1, ..., 0])
    np.testing.assert_array_equal(data["mask"], MASK[1])
    exact = SCORES[1].astype(np.float64)
    assert data["threshold"] == pytest.approx(exact.mean() + 2 * exact.std())
    np.testing.assert_array_equal(data["decisions"], SCORES[1, ..., 0] >= data["threshold"])
    assert data["false_color"].shape == (12, 15, 3)
    assert is_drawn(figure, least=0.2)
    assert {
        "anomaly score",
        "image 1 of the batch (val, step 40)",
        "found 3",
        "missed 3",
        "column (pixels)",
    } <= texts(figure)
    assert "anomalies over bands 1 / 3 / 5 of 5" in texts(figure)


@pytest.mark.parametrize(("ids", "drawn_as_mask"), [(MASK.astype(np.uint8), True), (MASK * 2, False)])
def test_labels_of_zero_and_one_are_a_mask_and_others_are_classes(ids, drawn_as_mask):
    _, data = drawn(AnomalyHeatmap(), batch={"cube": BATCH["cube"], "labels": torch.tensor(ids)})
    assert ("mask" in data) == drawn_as_mask


def test_the_heat_map_takes_a_threshold_an_image_and_no_mask():
    figure, data = drawn(AnomalyHeatmap(threshold=3.0, image=7, colormap="hot"), batch={"x": BATCH["cube"]})
    np.testing.assert_array_equal(data["decisions"], SCORES[1, ..., 0] >= 3)
    assert "mask" not in data
    assert is_drawn(figure, least=0.2)
    assert "decisions: score ≥ 3" in texts(figure)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1.0])
def test_the_heat_map_of_degenerate_scores(value):
    figure, _ = drawn(AnomalyHeatmap(), scores=np.full_like(SCORES, value))
    assert is_drawn(figure, least=0.1)


def test_outcomes():
    scores = np.array([[1.0, 1.0, 0.0, 0.0, np.nan]])
    decisions, mask = scores >= 0.5, np.array([[1, 0, 1, 0, 1]])
    assert judge(scores, decisions, mask).tolist() == [[HIT, FALSE_ALARM, MISSED, NORMAL, NO_DATA]]
    assert judge(scores, decisions, None).tolist() == [[HIT, HIT, NORMAL, NORMAL, NO_DATA]]


def test_an_unknown_colour_map_is_refused():
    with pytest.raises(ParameterError) as caught:
        AnomalyHeatmap(colormap="infernal")
    assert str(caught.value) == (
        "AnomalyHeatmap: `colormap` is one of inferno, viridis, magma, plasma, cividis, turbo, hot, gray, jet, Blues, "
        "BuGn, BuPu and 130 more, got 'infernal'"
    )


def test_the_colour_maps_are_those_of_matplotlib():
    assert set(COLOR_MAPS) <= set(matplotlib.colormaps)
    assert len(COLOR_MAPS) == len(set(COLOR_MAPS)) > 140


def test_the_histogram_counts_every_pixel_by_what_it_is():
    figure, data = drawn(ScoreHistogram(n_bins=30))
    np.testing.assert_array_equal(data["counts"], np.histogram(SCORES.astype(float), data["edges"])[0])
    np.testing.assert_array_equal(
        data["anomalous_counts"], np.histogram(SCORES[MASK].astype(float), data["edges"])[0]
    )
    assert data["counts"].sum() == SCORES.size
    assert data["anomalous_counts"].sum() == MASK.sum()
    exact = SCORES.astype(np.float64)
    assert data["threshold"] == pytest.approx(exact.mean() + 2 * exact.std())
    assert is_drawn(figure)
    assert {"score", "normal pixels", "360 scores (val, step 40)"} <= texts(figure)


def test_the_histogram_cuts_a_long_tail_and_says_so():
    scores = SCORES.copy()
    scores[0, 0, 0] = 1e5
    figure, data = drawn(
        ScoreHistogram(threshold=4.0), scores=np.concatenate([SCORES] * 5 + [scores]), batch={}
    )
    assert data["edges"][-1] < 100
    assert data["threshold"] == 4
    assert "2,160 scores (val, step 40), 1 beyond the axis" in texts(figure)


@pytest.mark.parametrize("batch", [{}, BATCH])
def test_the_histogram_leaves_out_what_is_not_finite(batch):
    scores = SCORES.copy()
    scores[0, :3] = np.nan
    scores[0, 5, 5] = np.inf
    _, data = drawn(ScoreHistogram(), scores, batch)
    assert data["counts"].sum() == np.isfinite(scores).sum()
    figure, nothing = drawn(ScoreHistogram(), np.full_like(SCORES, np.nan), batch)
    assert nothing == {}
    assert "no finite score (val, step 40)" in texts(figure)


def test_the_histogram_of_one_value():
    figure, data = drawn(ScoreHistogram(), np.ones_like(SCORES))
    assert data["counts"].sum() == SCORES.size
    assert is_drawn(figure)


def test_the_density_is_that_of_gaussian_kernels_which_are_wider_where_values_are_rare():
    values = np.concatenate([RNG.normal(3.0, 2.0, size=3000), RNG.exponential(5.0, size=300)])
    at = np.linspace(-4, 30, 512)
    quartiles = np.percentile(values, (25, 75))
    width = 0.9 * min(values.std(), (quartiles[1] - quartiles[0]) / 1.34) * len(values) ** -0.2
    first = gaussian_kde(values, bw_method=width / values.std(ddof=1))(values)
    own = width * np.sqrt(gmean(first) / first)
    reference = norm.pdf(at[:, None], values, own).mean(axis=1)
    np.testing.assert_allclose(density(values, at), reference, atol=5e-3 * reference.max())


def test_the_density_falls_smoothly_where_values_are_rare():
    values = RNG.exponential(3.0, size=20_000)
    at = np.linspace(0, values.max(), 512)
    rising = np.diff(density(values, at)[at > 6.0]) > 0
    assert np.count_nonzero(np.diff(rising.astype(int)) > 0) <= 3


@pytest.mark.parametrize("values", [np.ones(5), np.array([2.0]), np.array([0.0, 1e9])])
def test_the_density_of_next_to_nothing_is_finite(values):
    assert np.isfinite(density(values, np.linspace(0, 4, 512))).all()

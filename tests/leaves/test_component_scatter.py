"""The scatter of components holds the pixels it shows, and shows the rare ones too."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.legend import Legend
from parents import pca
from rendering import is_drawn, texts

from cuvisc.leaves.component_scatter import PCAVisualization, choose_pixels

RNG = np.random.default_rng(8)
SPECTRA = (RNG.normal(size=(2, 20, 30, 5)) * [4, 2, 1, 0.5, 0.1]).astype(np.float32)
MASK = np.zeros((2, 20, 30), dtype=np.int64)
MASK[0, 4, 5:9] = 1


def drawn(components, batch, **params):
    leaf = PCAVisualization(**params)
    leaf.attach(pca(np.eye(5)[:components]))
    found = leaf.draw(torch.tensor(SPECTRA[..., :components]), batch, 7, "val")
    return found["figure"], found["data"]


@pytest.mark.parametrize("components", [1, 2, 3, 5])
@pytest.mark.parametrize("batch", [{}, {"mask": torch.tensor(MASK)}])
def test_any_number_of_components(components, batch):
    figure, data = drawn(components, batch)
    assert is_drawn(figure)
    assert (figure.axes[0].name == "3d") == (components >= 3)
    np.testing.assert_array_equal(data["scores"], SPECTRA[..., :components].reshape(-1, components))
    shown = data["scores"][:, :3]
    expected = np.sqrt((((shown - shown.mean(0)) / shown.std(0)) ** 2).sum(1))
    np.testing.assert_allclose(data["distances"], expected)
    assert ("labels" in data) == bool(batch)


def test_two_dimensions_on_request():
    figure, _ = drawn(3, {}, dimensions=2)
    assert figure.axes[0].name == "rectilinear"


def test_the_axes_give_todays_shares_of_the_batch_or_else_the_fitted_ones():
    figure, data = drawn(3, {"parent_input": torch.tensor(SPECTRA)})
    variances = SPECTRA.reshape(-1, 5).astype(np.float64).var(axis=0)
    np.testing.assert_allclose(data["explained_variance_ratio"], (variances / variances.sum())[:3], rtol=1e-6)
    assert f"PC1 ({variances[0] / variances.sum():.1%} of variance)" in texts(figure)
    figure, _ = drawn(3, {})
    assert "PC2 (25.0% of variance)" in texts(figure)


def test_rare_classes_stay_visible_in_a_sample():
    figure, data = drawn(3, {"mask": torch.tensor(MASK)}, subsample=100)
    assert len(data["scores"]) == 100
    assert (data["labels"] == 1).sum() == 4
    assert {"principal components of 100 of 1,200 pixels (val, step 7)", "anomalous (4)"} <= texts(figure)
    again = drawn(3, {"mask": torch.tensor(MASK)}, subsample=100)[1]
    np.testing.assert_array_equal(again["scores"], data["scores"])


def test_colour_by_distance_ignores_labels():
    _, data = drawn(2, {"labels": torch.tensor(MASK)}, color_by="distance")
    assert "labels" not in data


def test_chosen_pixels():
    labels = np.repeat([0, 1, 2], [9000, 900, 3])
    chosen = choose_pixels(len(labels), labels, 300)
    assert len(chosen) == len(np.unique(chosen)) == 300
    assert [(labels[chosen] == name).sum() >= least for name, least in ((0, 25), (1, 25), (2, 3))] == [
        True
    ] * 3
    np.testing.assert_array_equal(choose_pixels(5, None, 10), np.arange(5))


def test_no_finite_pixel():
    leaf = PCAVisualization()
    leaf.attach(pca(np.eye(5)[:2]))
    found = leaf.draw(torch.full((1, 2, 2, 2), torch.nan), {}, 0, "val")
    assert found["data"] == {}
    assert "no finite component scores" in texts(found["figure"])


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("classes", [2, 17])
def test_the_legend_lies_on_nothing(dimensions, classes):
    labels = torch.tensor(RNG.integers(0, classes, (2, 20, 30)))
    spectra = {"labels": labels, "parent_input": torch.tensor(SPECTRA)}
    figure, _ = drawn(3, spectra, dimensions=dimensions)
    FigureCanvasAgg(figure).draw()
    (legend,) = figure.findobj(Legend)
    axes = figure.axes[0]
    names = [axis.label.get_window_extent() for axis in (axes.xaxis, axes.yaxis)]
    top = legend.get_window_extent().y1
    assert legend.get_window_extent().y0 >= 0
    assert min(box.y0 for box in (axes.get_window_extent(), *names)) >= top

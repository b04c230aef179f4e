"""Figures of a selector hold its history, across a checkpoint too."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from parents import selector
from rendering import is_drawn, texts

from cuvisc.leaves.selector_figures import (
    SelectorChannelMaskPlot,
    SelectorStabilityPlot,
    SelectorTemperaturePlot,
    jaccard,
)

UNREAD = torch.empty(0)
VISIBLE = np.linspace(450, 700, 6)


def at_step(leaf, step, logits, temperature=1.0, batch=None):
    leaf.attach(selector(logits, temperature, n_select=2))
    found = leaf.draw(UNREAD, batch or {}, step, "val")
    return found["figure"], found["data"]


def test_the_temperature_over_steps():
    leaf = SelectorTemperaturePlot()
    for step, temperature in ((0, 5.0), (10, 2.5)):
        at_step(leaf, step, np.zeros(6), temperature)
    figure, data = at_step(leaf, 20, np.zeros(6), 1.25)
    np.testing.assert_array_equal(data["steps"], [0, 10, 20])
    np.testing.assert_array_equal(data["temperature"], [5, 2.5, 1.25])
    assert is_drawn(figure, least=0.01)
    assert {"temperature (unitless)", "lowest, 0.1", "selector temperature 1.25 (val, step 20)"} <= texts(
        figure
    )


@pytest.mark.parametrize(
    ("batch", "axis"), [({}, "band"), ({"wavelengths": torch.tensor(VISIBLE)}, "wavelength (nm)")]
)
def test_probabilities_of_the_bands(batch, axis):
    logits = np.array([0.0, 3.0, 1.0, -1.0, 2.5, 0.0])
    figure, data = at_step(SelectorChannelMaskPlot(), 0, logits, 0.5, batch)
    expected = np.exp(logits / 0.5) / np.exp(logits / 0.5).sum()
    np.testing.assert_allclose(data["probabilities"], expected, rtol=1e-5)
    assert data["selected"].tolist() == [False, True, False, False, True, False]
    assert ("wavelengths" in data) == bool(batch)
    assert is_drawn(figure)
    assert {axis, "2 of 6 bands selected (val, step 0)"} <= texts(figure)


def test_stability_compares_with_the_selection_before():
    leaf = SelectorStabilityPlot()
    at_step(leaf, 0, [9, 8, 0, 0, 0, 0])
    at_step(leaf, 1, [9, 0, 8, 0, 0, 0])
    figure, data = at_step(leaf, 2, [9, 0, 7, 0, 0, 0], batch={"wavelengths": VISIBLE})
    np.testing.assert_array_equal(data["jaccard"], [np.nan, 1 / 3, 1])
    assert data["selected"].shape == (3, 6)
    assert is_drawn(figure, least=0.01)
    assert {"Jaccard index", "selected band (nm)"} <= texts(figure)


def test_a_step_drawn_again_replaces_what_followed():
    leaf = SelectorTemperaturePlot()
    for step, temperature in ((0, 5.0), (1, 4.0), (2, 3.0), (1, 3.5)):
        _, data = at_step(leaf, step, np.zeros(3), temperature)
    np.testing.assert_array_equal(data["steps"], [0, 1])
    np.testing.assert_array_equal(data["temperature"], [5, 3.5])


@pytest.mark.parametrize("make", [SelectorTemperaturePlot, SelectorStabilityPlot])
def test_the_history_goes_on_after_a_checkpoint(make):
    through, before, after = make(), make(), make()
    steps = [(0, [1, 0, 2, 0]), (1, [1, 3, 2, 0]), (2, [0, 3, 2, 5])]
    for step, logits in steps:
        _, expected = at_step(through, step, logits, 5.0 - step)
    for step, logits in steps[:2]:
        at_step(before, step, logits, 5.0 - step)
    after.load_state_dict(before.state_dict())
    _, found = at_step(after, *steps[2], 3.0)
    assert all(np.array_equal(found[name], expected[name], equal_nan=name == "jaccard") for name in expected)
    make().load_state_dict(make().state_dict())


def test_jaccard_of_sets():
    rows = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [0, 1, 1, 1]], dtype=bool)
    np.testing.assert_allclose(jaccard(rows)[1:], [0, 2 / 3])


def test_bars_can_be_seen_where_spectrometers_overlap():
    """Wavelengths that go back where one spectrometer of the sensor ends and the next begins."""
    wavelengths = [400.0, 410.0, 420.0, 412.0, 422.0, 432.0]
    batch = {"wavelengths": torch.tensor(wavelengths)}
    leaf = SelectorChannelMaskPlot()
    figure, _ = at_step(leaf, 1, np.arange(6.0), batch=batch)
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert len(widths) == 6
    assert min(widths) > 0.5 * 10.0

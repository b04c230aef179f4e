"""False colour shows the bands it names, stretched as documented."""

from __future__ import annotations

import numpy as np
import torch

from cuvisc.language.collated import collated_centers
from cuvisc.leaves.false_color import choose_bands, false_color, name_bands

VISIBLE = np.linspace(430, 910, 61)


def test_the_nearest_bands_where_the_cube_has_them():
    chosen = choose_bands(61, VISIBLE)
    np.testing.assert_allclose(VISIBLE[list(chosen)], [665, 560, 492], atol=4)
    assert name_bands(chosen, 61, VISIBLE) == "662 / 558 / 494 nm"


def test_first_middle_and_last_otherwise():
    assert choose_bands(61, None) == (0, 30, 60)
    assert choose_bands(1, None) == (0, 0, 0)
    assert choose_bands(5, np.linspace(1000, 2500, 5)) == (0, 2, 4)
    assert name_bands((0, 30, 60), 61, None) == "bands 1 / 31 / 61 of 61"
    assert name_bands((0, 2, 4), 5, np.linspace(1000, 2500, 5)) == "1000 / 1750 / 2500 nm"


def test_the_stretch_runs_from_the_2nd_to_the_98th_percentile():
    cube = np.random.default_rng(0).gamma(2.0, size=(20, 30, 3)).astype(np.float32)
    picture, _ = false_color(cube)
    low, high = np.percentile(cube[..., 1].astype(np.float64), (2, 98))
    np.testing.assert_allclose(picture[..., 1], np.clip((cube[..., 1] - low) / (high - low), 0, 1))


def test_missing_and_constant_pixels():
    cube = np.ones((4, 5, 3), dtype=np.float32)
    cube[0, 0, 1] = np.nan
    picture, _ = false_color(cube)
    assert (picture[0, 0] == 1).all()
    assert np.isfinite(picture).all()
    assert (false_color(np.full((2, 2, 3), np.nan))[0] == 1).all()


def test_wavelengths_are_read_however_they_were_collated():
    for held in (
        VISIBLE,
        VISIBLE.tolist(),
        torch.tensor(VISIBLE),
        torch.tensor(VISIBLE).repeat(4, 1),
        [torch.full((4,), center, dtype=torch.float64) for center in VISIBLE],
    ):
        np.testing.assert_allclose(collated_centers(held, 61), VISIBLE)
    assert collated_centers(None, 61) is None
    assert collated_centers(VISIBLE, 60) is None

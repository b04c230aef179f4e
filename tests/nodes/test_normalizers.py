"""Normalisers against NumPy and scikit-learn."""

import numpy as np
import pytest
import torch
from fitted_graphs import fitted, spectra
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from cuvisc.language.node import FitError
from cuvisc.language.statistics import BandMoments
from cuvisc.nodes import StandardNormalizer


def evaluated(text: str, cube: np.ndarray, unseen: np.ndarray | None = None) -> np.ndarray:
    """The float64 output of the one node of a spec, fitted to ``cube``, on ``unseen`` or the cube itself."""
    module = fitted(f"nodes: {{node: {text}}}", cube)
    values = module(torch.from_numpy((cube if unseen is None else unseen).astype(np.float64)))
    return values[str(module.graph.nodes[0].output)].detach().numpy()


CUBE = spectra(2, 20, 30, 7, seed="normalizers") * np.linspace(1, 50, 7, dtype=np.float32) + 1e3
UNSEEN = CUBE[:1] * 1.5 - 20
PIXELS, UNSEEN_PIXELS = (x.reshape(-1, 7).astype(np.float64) for x in (CUBE, UNSEEN))


def test_min_max_over_everything() -> None:
    """By default one pair of extremes for all bands; values beyond the training range are not clamped."""
    low, high = PIXELS.min(), PIXELS.max()
    found = evaluated("{type: MinMaxNormalizer}", CUBE, UNSEEN)
    np.testing.assert_allclose(found, (UNSEEN - low.astype(np.float64)) / (high - low), rtol=1e-12)
    assert found.max() > 1


def test_min_max_by_band() -> None:
    expected = MinMaxScaler().fit(PIXELS).transform(UNSEEN_PIXELS).reshape(UNSEEN.shape)
    found = evaluated("{type: MinMaxNormalizer, per_channel: true}", CUBE, UNSEEN)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_min_max_of_each_image() -> None:
    """Without running statistics every image and band has its own extremes, and nothing is fitted."""
    x = CUBE.astype(np.float64)
    low, high = x.min(axis=(1, 2), keepdims=True), x.max(axis=(1, 2), keepdims=True)
    found = evaluated("{type: MinMaxNormalizer, use_running_stats: false}", CUBE)
    np.testing.assert_allclose(found, (x - low) / (high - low), rtol=1e-12)


@pytest.mark.parametrize("per_channel", ["true", "false"])
@pytest.mark.parametrize("running", ["true", "false"])
def test_min_max_of_a_constant_cube(per_channel: str, running: str) -> None:
    """A range of zero is replaced by eps: a constant cube becomes zero, not NaN."""
    cube = np.full((1, 4, 4, 3), 7.0, np.float32)
    text = f"{{type: MinMaxNormalizer, eps: 0.5, per_channel: {per_channel}, use_running_stats: {running}}}"
    assert (evaluated(text, cube) == 0).all()
    if running == "true":
        assert (evaluated(text, cube, cube + 1) == 2).all()


def test_standard_by_band() -> None:
    """z-scores with the unbiased deviation; scikit-learn divides by the population deviation."""
    count = len(PIXELS)
    expected = StandardScaler().fit(PIXELS).transform(UNSEEN_PIXELS) * np.sqrt((count - 1) / count)
    found = evaluated("{type: StandardNormalizer}", CUBE, UNSEEN)
    np.testing.assert_allclose(found, expected.reshape(UNSEEN.shape), rtol=1e-9)


def test_standard_pooled() -> None:
    expected = (UNSEEN.astype(np.float64) - PIXELS.mean()) / PIXELS.std(ddof=1)
    found = evaluated("{type: StandardNormalizer, per_channel: false}", CUBE, UNSEEN)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_standard_of_one_pixel() -> None:
    with pytest.raises(FitError) as caught:
        StandardNormalizer().fit(BandMoments(1, np.ones(3), np.zeros((3, 3))))
    assert str(caught.value) == "a standard deviation needs at least 2 pixels; give more training data"


def test_sigmoid() -> None:
    """sigmoid((x - lower median) / population deviation) by image and band, for odd and even numbers of pixels."""
    for cube in (CUBE, CUBE[:, :3, :5]):
        pixels = cube.astype(np.float64).reshape(len(cube), -1, 7)
        median = np.sort(pixels, axis=1)[:, (pixels.shape[1] - 1) // 2][:, None, None]
        spread = pixels.std(axis=1)[:, None, None]
        expected = 1 / (1 + np.exp(-(cube - median) / spread))
        np.testing.assert_allclose(evaluated("{type: SigmoidNormalizer}", cube), expected, rtol=1e-10)


def test_sigmoid_of_a_constant_band() -> None:
    cube = np.full((1, 3, 3, 2), 5.0, np.float32)
    assert (evaluated("{type: SigmoidNormalizer}", cube) == 0.5).all()


def test_identity() -> None:
    assert (evaluated("{type: IdentityNormalizer}", CUBE) == CUBE).all()


def test_one_constant_band_among_others() -> None:
    """A constant band becomes a constant; the others are normalised as if it were not there."""
    cube = CUBE.copy()
    cube[..., 2] = 5.0
    for text in ("{type: MinMaxNormalizer, per_channel: true}", "{type: StandardNormalizer}"):
        found = evaluated(text, cube)
        assert (found[..., 2] == 0).all()
        others = [0, 1, 3, 4, 5, 6]
        np.testing.assert_allclose(found[..., others], evaluated(text, cube[..., others]), rtol=1e-12)

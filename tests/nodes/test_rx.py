"""Anomaly scores against Spectral Python and numpy.linalg."""

import numpy as np
import pytest
import spectral
import torch
from fitted_graphs import fitted, moments, run_onnx, spectra

from cuvisc.compiler.backends.onnx_model import generate_onnx
from cuvisc.compiler.lowering import lower
from cuvisc.language.node import FitError
from cuvisc.nodes import RXGlobal, RXLogitHead, RXPerBatch

CUBE = spectra(2, 25, 30, 12, seed="rx")
PIXELS = CUBE.reshape(-1, 12).astype(np.float64)


def fit(cube: np.ndarray = CUBE, **params: object) -> RXGlobal:
    node = RXGlobal(**params)
    node.bind({"C": cube.shape[-1]})
    node.fit(moments(cube))
    return node


def scores(node: torch.nn.Module, cube: np.ndarray) -> np.ndarray:
    return node(torch.from_numpy(cube.astype(np.float64))).numpy()


def mahalanobis(pixels: np.ndarray, ridge: float = 0.0) -> np.ndarray:
    """By the textbook: pseudo-inverse of the covariance in float64."""
    centered = pixels - pixels.mean(axis=0)
    covariance = np.cov(pixels, rowvar=False)
    inverse = np.linalg.pinv(covariance + ridge * np.eye(len(covariance)))
    return np.einsum("nc,cd,nd->n", centered, inverse, centered)


def test_spectral_python() -> None:
    expected = spectral.rx(PIXELS.reshape(50, 30, 12))
    np.testing.assert_allclose(scores(fit(), CUBE).reshape(50, 30), expected, rtol=1e-7)


def test_numpy() -> None:
    np.testing.assert_allclose(scores(fit(), CUBE).ravel(), mahalanobis(PIXELS), rtol=1e-7)


def test_scores_are_squared_and_average_to_the_bands() -> None:
    """The mean of squared distances over the training pixels is C (n - 1) / n."""
    found = scores(fit(), CUBE)
    assert found.min() >= 0
    np.testing.assert_allclose(found.mean(), 12 * (len(PIXELS) - 1) / len(PIXELS), rtol=1e-6)


@pytest.mark.parametrize("eps", [1e-6, 1e-2, 0.5])
def test_ridge(eps: float) -> None:
    """eps is a relative standard deviation: eps^2 times the mean variance is added to the diagonal."""
    ridge = eps**2 * np.cov(PIXELS, rowvar=False).trace() / 12
    np.testing.assert_allclose(scores(fit(eps=eps), CUBE).ravel(), mahalanobis(PIXELS, ridge), rtol=1e-7)


def test_units_do_not_matter() -> None:
    """Reflectance, counts, or counts with an offset: an anomaly is as far away."""
    expected = scores(fit(), CUBE)
    scaled = CUBE.astype(np.float64) * 4000 + 1e4
    node = RXGlobal()
    node.bind({"C": 12})
    node.fit(moments(scaled))
    np.testing.assert_allclose(scores(node, scaled), expected, rtol=1e-6)


def test_correlated_bands() -> None:
    """A condition of 1e8 is no reason to lose directions: scores stay those of float64."""
    random = np.random.default_rng(8)
    axes, _ = np.linalg.qr(random.standard_normal((20, 20)))
    pixels = random.standard_normal((3000, 20)) * np.geomspace(1, 1e-4, 20) @ axes.T
    cube = pixels.reshape(1, 60, 50, 20)
    np.testing.assert_allclose(scores(fit(cube), cube).ravel(), mahalanobis(pixels), rtol=1e-3)


@pytest.mark.parametrize("spoil", ["constant", "repeated"])
def test_degenerate_bands(spoil: str) -> None:
    """A constant or repeated band stays finite and leaves the ranking of the rest alone."""
    cube = CUBE.copy()
    cube[..., 4] = 0.3 if spoil == "constant" else cube[..., 5]
    rest = np.delete(cube, 4, axis=-1)
    found, expected = scores(fit(cube), cube).ravel(), mahalanobis(rest.reshape(-1, 11).astype(np.float64))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, expected, rtol=1e-4)


FEW_PIXELS = (
    "a covariance of 12 bands needs more than 12 pixels, got {}; "
    "give more training data or put a TrainablePCA with fewer components before it"
)
CONSTANT = "the background does not vary at all: every training pixel has the same spectrum"


@pytest.mark.parametrize(
    ("cube", "message"),
    [
        (CUBE[:1, :3, :4], FEW_PIXELS.format(12)),
        (CUBE[:1, :1, :1], FEW_PIXELS.format(1)),
        (np.full((1, 5, 5, 3), 2.5, np.float32), CONSTANT),
        (np.full((1, 5, 5, 3), 0.1, np.float32), CONSTANT),
    ],
    ids=["as many pixels as bands", "one pixel", "all equal", "all equal to no binary fraction"],
)
def test_data_that_has_no_background(cube: np.ndarray, message: str) -> None:
    with pytest.raises(FitError) as caught:
        fit(cube)
    assert str(caught.value) == message


def test_pixels_that_are_not_finite() -> None:
    """They take no part in the fit, have scores that are not finite, and leave the other pixels alone."""
    cube = CUBE.copy()
    cube[0, 3, 4, 2], cube[1, 5, 6, 0] = np.nan, np.inf
    bad = ~np.isfinite(cube).all(axis=-1)
    found = scores(fit(cube), cube)[..., 0]
    good = PIXELS.reshape(2, 25, 30, 12)[~bad]
    np.testing.assert_allclose(found[~bad], mahalanobis(good), rtol=1e-6)
    assert not np.isfinite(found[bad]).any()


def test_each_image_has_its_own_background() -> None:
    node = RXPerBatch(eps=1e-6)
    node.bind({"C": 12})
    found = scores(node, CUBE)
    for image, score in zip(CUBE.astype(np.float64), found, strict=True):
        np.testing.assert_allclose(score.ravel(), mahalanobis(image.reshape(-1, 12)), rtol=1e-6)


@pytest.mark.parametrize("bands", [6, 40])
def test_bands_that_depend_on_each_other_leave_the_distance_to_the_rest(bands: int) -> None:
    """Counts with sums, a copy and a constant among them score as without, also where ONNX has no factorisation."""
    rest = (spectra(2, 20, 25, bands, seed="dependent") * 2000).astype(np.uint16)
    more = np.stack([rest[..., 0] + rest[..., 1], rest[..., 2], np.full_like(rest[..., 0], 7)], axis=-1)
    cube = np.concatenate([rest, more], axis=-1)
    module = fitted("nodes: {rx: {type: RXPerBatch}}", cube)
    lowered = lower(module)
    found = run_onnx(generate_onnx(lowered.fused, "uint16", {}).data, cube)["rx.scores"]
    trained = scores(module.node("rx"), cube)
    for image, exported, score in zip(rest.astype(np.float64), found, trained, strict=True):
        expected = mahalanobis(image.reshape(-1, bands))
        np.testing.assert_allclose(score.ravel(), expected, rtol=1e-6)
        np.testing.assert_allclose(exported.ravel(), expected, rtol=1e-6)


def test_a_covariance_that_is_singular_beyond_eps_has_no_scores() -> None:
    """Where the ridge is lost in rounding there is no distance, and none is made up."""
    cube = spectra(1, 20, 25, 4, seed="singular")[..., [*range(4)] * 4] * 1e3
    node = RXPerBatch(eps=1e-12)
    node.bind({"C": 16})
    found = scores(node, cube)
    exported = run_onnx(
        generate_onnx(
            lower(fitted("nodes: {rx: {type: RXPerBatch, eps: 1e-12}}", cube)).fused, "float32", {}
        ).data,
        cube,
    )["rx.scores"]
    assert np.isnan(found).all()
    assert np.isnan(exported).all()


def test_an_image_without_variation() -> None:
    node = RXPerBatch()
    node.bind({"C": 3})
    assert (scores(node, np.full((1, 3, 3, 3), 0.1, np.float32)) == 0).all()


def head(**params: object) -> tuple[RXLogitHead, np.ndarray]:
    node = RXLogitHead(**params)
    node.bind({"C": 1})
    found = scores(fit(), CUBE)
    node.fit(moments(found))
    return node, found.ravel()


def test_logit_head_starts_where_phase_1_says() -> None:
    """bias = mean + 2 std of the training scores; logit = scale (score - bias)."""
    node, found = head(init_scale=0.5)
    bias = found.mean() + 2 * found.std(ddof=1)
    np.testing.assert_allclose(node.bias, [bias], rtol=1e-9)
    np.testing.assert_allclose(scores(node, found[:, None]).ravel(), 0.5 * (found - bias), rtol=1e-9)


def test_logit_head_with_a_given_bias() -> None:
    node = RXLogitHead(init_bias=3.0)
    assert node.measured is None
    node.fit(None)
    assert scores(node, np.array([[5.0]])).item() == 2.0


def test_a_graph_scores_what_numpy_scores() -> None:
    """Normalise, project, detect: the whole chain against the textbook."""
    text = """
    nodes:
      normalizer: {type: MinMaxNormalizer}
      pca: {type: TrainablePCA, n_components: 5}
      rx: {type: RXGlobal}
    """
    module = fitted(text, CUBE)
    found = module(torch.from_numpy(CUBE.astype(np.float64)))["rx.scores"].numpy().ravel()
    x = (PIXELS - PIXELS.min()) / (PIXELS.max() - PIXELS.min())
    axes = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2][:5]
    np.testing.assert_allclose(found, mahalanobis((x - x.mean(axis=0)) @ axes.T), rtol=1e-5)

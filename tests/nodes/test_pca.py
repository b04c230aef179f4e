"""Principal components against scikit-learn and numpy.linalg."""

import numpy as np
import pytest
import torch
from fitted_graphs import fitted, moments, spectra
from sklearn.decomposition import PCA

from cuvisc.language.node import FitError
from cuvisc.nodes import TrainablePCA

CUBE = spectra(2, 20, 30, 9, seed="pca") * 100 + 50
PIXELS = CUBE.reshape(-1, 9).astype(np.float64)


def fit(cube: np.ndarray = CUBE, **params: object) -> TrainablePCA:
    node = TrainablePCA(**params)
    node.bind({"C": cube.shape[-1], "n_components": node.n_components})
    node.fit(moments(cube))
    return node


def scores(node: TrainablePCA, cube: np.ndarray = CUBE) -> np.ndarray:
    return node(torch.from_numpy(cube.astype(np.float64))).numpy()


@pytest.mark.parametrize("components", [1, 3, 9])
@pytest.mark.parametrize("whiten", [False, True])
def test_scikit_learn(components: int, whiten: bool) -> None:
    """Components, variances, ratios of the total variance and scores are scikit-learn's, up to the sign."""
    oracle = PCA(components, whiten=whiten, svd_solver="full").fit(PIXELS)
    node = fit(n_components=components, whiten=whiten, eps=1e-12)
    rows = node.components.numpy()
    signs = np.sign((rows * oracle.components_).sum(axis=1))
    np.testing.assert_allclose(rows, oracle.components_ * signs[:, None], atol=1e-6)
    np.testing.assert_allclose(node.explained_variance, oracle.explained_variance_, rtol=1e-9)
    np.testing.assert_allclose(node.explained_variance_ratio, oracle.explained_variance_ratio_, rtol=1e-9)
    np.testing.assert_allclose(node.mean, PIXELS.mean(axis=0), rtol=1e-12)
    expected = oracle.transform(PIXELS).reshape(*CUBE.shape[:3], components) * signs
    spread = np.abs(expected).max()
    np.testing.assert_allclose(scores(node), expected, atol=1e-5 * spread)


def test_ratio_is_of_the_total_variance() -> None:
    """Three of nine components do not explain everything."""
    ratio = fit(n_components=3).explained_variance_ratio.numpy()
    eigenvalues = np.linalg.eigvalsh(np.cov(PIXELS, rowvar=False))[::-1]
    np.testing.assert_allclose(ratio, eigenvalues[:3] / eigenvalues.sum(), rtol=1e-9)
    assert ratio.sum() < 1


@pytest.mark.parametrize("flip", [1.0, -1.0])
def test_sign(flip: float) -> None:
    """The loading of largest magnitude is positive, whatever the sign of the data: refitting never mirrors a map."""
    rows = fit(flip * CUBE, n_components=4).components.numpy()
    assert (rows[np.arange(4), np.abs(rows).argmax(axis=1)] > 0).all()
    np.testing.assert_allclose(rows, fit(n_components=4).components.numpy(), atol=1e-6)


def test_whitened_scores() -> None:
    """Whitened scores have unit variance and no covariance."""
    white = scores(fit(n_components=4, whiten=True, eps=1e-12)).reshape(-1, 4)
    np.testing.assert_allclose(np.cov(white, rowvar=False), np.eye(4), atol=1e-4)


def test_without_centering() -> None:
    """``center: false`` takes the axes of the second moments around zero, as an uncentred SVD does."""
    node = fit(n_components=3, center=False)
    axes = np.linalg.svd(PIXELS, full_matrices=False)[2][:3]
    rows = node.components.numpy()
    assert (node.mean == 0).all()
    np.testing.assert_allclose(np.abs((rows * axes).sum(axis=1)), 1, atol=1e-6)
    np.testing.assert_allclose(
        scores(node).reshape(-1, 3), PIXELS @ rows.T.astype(np.float64), rtol=1e-6, atol=1e-6
    )


def test_orthonormal() -> None:
    rows = fit(n_components=9).components.numpy().astype(np.float64)
    np.testing.assert_allclose(rows @ rows.T, np.eye(9), atol=1e-6)


FEWER = "varies in {0} directions only; ask for at most {0}"


def repeated_bands() -> np.ndarray:
    return np.concatenate([CUBE[..., :3], CUBE[..., :3]], axis=-1)


@pytest.mark.parametrize(
    ("cube", "components", "message"),
    [
        (CUBE, 10, "n_components is 10, but the cube has 9 bands"),
        (
            repeated_bands(),
            4,
            f"n_components is 4, but the training data (1200 pixels, 6 bands) {FEWER.format(3)}",
        ),
        (
            CUBE[:1, :1, :3],
            3,
            f"n_components is 3, but the training data (3 pixels, 9 bands) {FEWER.format(2)}",
        ),
        (
            np.ones((1, 2, 2, 4), np.float32),
            1,
            "the training data does not vary at all: every pixel has the same spectrum",
        ),
        (
            np.ones((1, 1, 1, 4), np.float32),
            2,
            "the training data does not vary at all: every pixel has the same spectrum",
        ),
    ],
    ids=["more than bands", "repeated bands", "few pixels", "constant", "one pixel"],
)
def test_more_than_the_data_has(cube: np.ndarray, components: int, message: str) -> None:
    with pytest.raises(FitError) as caught:
        fit(cube, n_components=components)
    assert str(caught.value) == message


def test_repeated_bands_within_their_rank() -> None:
    ratio = fit(repeated_bands(), n_components=3).explained_variance_ratio.numpy()
    np.testing.assert_allclose(ratio.sum(), 1, rtol=1e-12)


def test_in_a_graph_after_a_normalizer() -> None:
    """Components are those of what the node reads, not of the raw cube."""
    module = fitted(
        "nodes: {z: {type: StandardNormalizer}, pca: {type: TrainablePCA, n_components: 2}}", CUBE
    )
    z = (PIXELS - PIXELS.mean(axis=0)) / PIXELS.std(axis=0, ddof=1)
    oracle = PCA(2, svd_solver="full").fit(z)
    found = module.node("pca").components.numpy()
    np.testing.assert_allclose(np.abs((found * oracle.components_).sum(axis=1)), 1, atol=1e-5)

"""Projections of pixels as ONNX Runtime computes them: right for every width, the same bits however they are cut."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from fitted_graphs import fitted, moments, run_onnx, spectra

from cuvisc.compiler.backends.onnx_model import generate_onnx
from cuvisc.compiler.backends.onnx_pixels import Block, blocks_of
from cuvisc.compiler.lowering import lower

SIXTEEN = 16
"""A block of pixels whose number is a multiple of this has the bits of the whole image."""

GRAPHS = {
    "rx": "nodes: {z: {type: StandardNormalizer}, rx: {type: RXGlobal}}",
    **{
        f"pca{k}": f"nodes: {{pca: {{type: TrainablePCA, n_components: {k}}}, rx: {{type: RXGlobal}}}}"
        for k in (1, 2, 3, 4, 5, 8)
    },
    "both": """
        nodes: {pca: {type: TrainablePCA, n_components: 3}, rx: {type: RXGlobal}}
        graph: {outputs: [pca, rx]}
        """,
    "one band": "nodes: {pca: {type: TrainablePCA, n_components: 1}}",
}


def model(name: str, cube: np.ndarray) -> bytes:
    return generate_onnx(lower(fitted(GRAPHS[name], cube), moments(cube)).fused, str(cube.dtype), {}).data


def whitened(cube: np.ndarray) -> np.ndarray:
    flat = cube.reshape(-1, cube.shape[-1]).astype(np.float64)
    centered = flat - flat.mean(axis=0)
    return np.einsum("ij,ij->i", centered @ np.linalg.inv(np.cov(flat.T)), centered)


@pytest.mark.parametrize("bands", [5, 40, 61, 100])
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_rx_is_the_squared_mahalanobis_distance(bands: int, dtype: str) -> None:
    cube = spectra(1, 30, 41, bands, dtype=dtype)
    scores = run_onnx(model("rx", cube), cube)["rx.scores"]
    assert scores.shape == (1, 30, 41, 1)
    np.testing.assert_allclose(scores.ravel(), whitened(cube), rtol=1e-4)


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("bands", [9, 61, 200])
def test_blocks_of_sixteen_pixels_have_the_bits_of_the_whole(name: str, bands: int) -> None:
    cube = spectra(1, 1, 1009, bands, dtype="uint16")
    made = model(name, cube)
    whole = run_onnx(made, cube)
    for step in (SIXTEEN, 3 * SIXTEEN, 512):
        parts = [run_onnx(made, cube[:, :, start : start + step]) for start in range(0, 1009, step)]
        for key, values in whole.items():
            joined = np.concatenate([part[key] for part in parts], axis=2)
            np.testing.assert_array_equal(joined[:, :, :1008], values[:, :, :1008])


@pytest.mark.parametrize("bands", [9, 70])
def test_a_band_that_is_not_a_number_reaches_the_score(bands: int) -> None:
    cube = spectra(1, 20, 30, bands)
    made = model("rx", cube)
    for band in range(bands):
        broken = cube[:, :1, :2].copy()
        broken[0, 0, 0, band] = np.nan
        scores = run_onnx(made, broken)["rx.scores"].ravel()
        assert np.isnan(scores).tolist() == [True, False]


def test_zeros_of_a_triangular_whitening_are_not_multiplied() -> None:
    graph = onnx.load_from_string(model("rx", spectra(1, 20, 30, 70))).graph
    shapes = [tuple(t.dims) for t in graph.initializer if t.name.endswith(".matrix")]
    assert shapes == [(70, 32), (38, 38)]


def test_a_matrix_without_zeros_or_with_unread_bands_stays_whole() -> None:
    random = np.random.default_rng(0)
    full = random.normal(size=(70, 70))
    assert blocks_of(full) == (Block(0, 70, 0, 70),)
    assert blocks_of(np.tril(full)) == (Block(0, 32, 0, 70), Block(32, 70, 32, 70))
    diagonal = np.kron(np.eye(2), np.ones((32, 32)))
    assert blocks_of(diagonal) == (Block(0, 32, 0, 32), Block(32, 64, 32, 64))
    diagonal[40:] = 0
    assert blocks_of(diagonal) == (Block(0, 64, 0, 64),)

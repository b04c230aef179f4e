"""Real scenes from the raw integer cube through the exported ONNX model, against scores that others computed.

The scenes and their expected areas under the ROC curve lie beside the repository; without them the tests are skipped.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fitted_graphs import fitted, moments, run_onnx
from sklearn.metrics import roc_auc_score

from cuvisc.compiler.backends.onnx_model import generate_onnx
from cuvisc.compiler.lowering import lower
from cuvisc.runtime.export import Source, export

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SCENES = ("abu-airport-2", "abu-airport-3", "hydice-urban", "sandiego-aviris1")
RX = "nodes: {rx: {type: RXGlobal}}"
NORMALIZED = "nodes: {normalizer: {type: MinMaxNormalizer}, rx: {type: RXGlobal}}"
PROJECTED = """
nodes:
  normalizer: {type: MinMaxNormalizer}
  pca: {type: TrainablePCA, n_components: 10}
  rx: {type: RXGlobal}
"""


@cache
def scene(name: str) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Cube [1,H,W,C] as it was measured, mask and expected numbers."""
    path, expected = DATA / f"{name}.npz", DATA / "expected.json"
    for wanted in (path, expected):
        if not wanted.is_file():
            pytest.skip(f"the scene shared/data/{wanted.name} is not beside the repository")
    with np.load(path, allow_pickle=False) as archive:
        return archive["cube"][None], archive["mask"], json.loads(expected.read_text())[name]


def scores(text: str, cube: np.ndarray) -> np.ndarray:
    module = fitted(text, cube)
    model = generate_onnx(lower(module, moments(cube)).fused, str(cube.dtype), {})
    return run_onnx(model.data, cube)["rx.scores"][0, ..., 0].astype(np.float64)


@pytest.mark.parametrize("text", [RX, NORMALIZED], ids=["raw", "normalized"])
@pytest.mark.parametrize("name", SCENES)
def test_global_rx(name: str, text: str) -> None:
    """Detection, mean and largest score are those of float64, on covariances of condition up to 2e8."""
    cube, mask, expected = scene(name)
    found = scores(text, cube)
    assert roc_auc_score(mask.ravel() > 0, found.ravel()) == pytest.approx(
        expected["global_rx_auc"], abs=5e-4
    )
    assert found.mean() == pytest.approx(expected["global_rx_score_mean"], rel=1e-4)
    assert found.max() == pytest.approx(expected["global_rx_score_max"], rel=1e-4)


@pytest.mark.parametrize("name", SCENES)
def test_rx_of_ten_components(name: str) -> None:
    cube, mask, expected = scene(name)
    found = scores(PROJECTED, cube)
    auc = roc_auc_score(mask.ravel() > 0, found.ravel())
    assert auc == pytest.approx(expected["pca_rx_auc"]["10"], abs=3e-3)


@pytest.mark.parametrize("name", SCENES)
def test_the_artifact_is_kept(name: str, tmp_path: Path) -> None:
    """The parity gate lets every real scene pass, on pixels of the scene itself."""
    cube, _, _ = scene(name)
    module, sample = fitted(RX, cube), cube.reshape(-1, cube.shape[-1])[::13]
    made = Source(module, "0" * 64, str(cube.dtype), sample, moments(cube))
    assert export(made, tmp_path / "artifact")["max_relative_error"] < 1e-4


def test_a_spike_in_one_band() -> None:
    """A smooth scene of 61 bands and little noise: a spike of 0.01 in one band keeps its score, to a hundredth.

    A float32 pseudo-inverse keeps 4 of the 61 directions here and loses the spike altogether.
    """
    random = np.random.default_rng(61)
    bands = np.linspace(0, 1, 61)
    endmembers = np.stack(
        [np.exp(-(((bands - c) / w) ** 2)) for c, w in ((0.1, 0.3), (0.4, 0.5), (0.7, 0.25), (0.9, 0.6))]
    )
    mixed = random.dirichlet(np.ones(4), (1, 60, 60)) @ endmembers
    cube = (mixed + 1e-4 * random.standard_normal((1, 60, 60, 61))).astype(np.float32)
    probe = cube[:, :1, :3].copy()
    probe[..., 30] += 0.01
    pixels = cube.reshape(-1, 61).astype(np.float64)
    centered = probe.reshape(-1, 61).astype(np.float64) - pixels.mean(axis=0)
    expected = np.einsum("nc,cd,nd->n", centered, np.linalg.inv(np.cov(pixels, rowvar=False)), centered)
    module = fitted(NORMALIZED, cube)
    model = generate_onnx(lower(module, moments(cube)).fused, "float32", {})
    found = run_onnx(model.data, probe)["rx.scores"].ravel()
    np.testing.assert_allclose(found, expected, rtol=0.01)
    assert expected.min() > 1000

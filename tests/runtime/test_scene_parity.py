"""Real scenes keep every decision, score and area under the curve, however their model is optimised, cut and run.

The reference is the textbook in NumPy float64: eigenvectors of the covariance, squared distances along them. The
scenes lie beside the repository; without them the tests are skipped.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from fitted_graphs import fitted, moments, run_onnx
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from cuvisc.compiler.backends.onnx_model import generate_onnx
from cuvisc.compiler.lowering import lower
from cuvisc.runtime.export import Source, export
from cuvisc.runtime.inference import Predictor

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SCENES = ("abu-airport-2", "abu-airport-3", "hydice-urban", "sandiego-aviris1")
FULL = "normalizer: {type: MinMaxNormalizer}, rx: {type: RXGlobal}"
PROJECTED = (
    "normalizer: {type: MinMaxNormalizer}, pca: {type: TrainablePCA, n_components: 10}, rx: {type: RXGlobal}"
)
OFFSET = 10_000

Results = Iterator[tuple[str, NDArray[np.float64], NDArray[np.bool_]]]
"""How it was run, scores [H,W] and decisions [H,W]."""


def scene(name: str) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    """Cube [1,H,W,C] as it was measured, and the mask [H,W]."""
    path = DATA / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"the scene shared/data/{path.name} is not beside the repository")
    with np.load(path, allow_pickle=False) as arrays:
        return arrays["cube"][None], arrays["mask"] > 0


def textbook(cube: NDArray[np.generic], components: int) -> NDArray[np.float64]:
    """Squared distance to the mean of all pixels along the leading components, in units of their variance [H,W]."""
    pixels = cube.reshape(-1, cube.shape[-1]).astype(np.float64)
    pixels -= pixels.mean(axis=0)
    variances, vectors = np.linalg.eigh(pixels.T @ pixels / (len(pixels) - 1))
    along = pixels @ vectors[:, -components:]
    return (along**2 / variances[-components:]).sum(axis=1).reshape(cube.shape[1:3])


def between(scores: NDArray[np.float64]) -> float:
    """A threshold in the widest gap among the highest scores, so that no decision hangs on rounding."""
    highest = np.sort(scores.ravel())[int(0.97 * scores.size) : int(0.995 * scores.size)]
    gap = np.argmax(highest[1:] / highest[:-1])
    return float(highest[gap : gap + 2].mean())


def ways(nodes: str, threshold: float, cube: NDArray[np.generic], folder: Path) -> Results:
    """The same graph, unfused and fused, whole and in strips, on one thread and on two, by ONNX and TorchScript."""
    head = f"head: {{type: RXLogitHead, init_bias: {threshold!r}}}"
    decider = "decider: {type: BinaryDecider, apply_sigmoid: true}"
    module = fitted(
        f"nodes: {{{nodes}, {head}, {decider}}}\ngraph: {{outputs: [rx.scores, decider.decisions]}}", cube
    )
    profile, size = moments(cube), cube.shape[1:3]

    def shown(found: dict[str, NDArray[np.generic]]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        scores, decisions = found["rx.scores"].reshape(size), found["decider.decisions"].reshape(size)
        return scores.astype(np.float64), decisions.astype(bool)

    unfused = generate_onnx(lower(module, profile).plain, str(cube.dtype), {})
    if np.abs(cube.max() / np.ptp(cube)) < 2:
        # As the nodes spell it, float32 loses the digits of a large offset: centring first is what fusion adds.
        yield "unfused", *shown(run_onnx(unfused.data, cube))
    export(Source(module, "0" * 64, str(cube.dtype), cube.reshape(-1, cube.shape[-1])[::17], profile), folder)
    for threads in (1, 2):
        predictor = Predictor(folder, threads=threads)
        yield f"whole, {threads} threads", *shown(dict(predictor.predict(cube)))
        predictor._block_pixels = lambda source: 333  # type: ignore[method-assign]
        yield f"strips, {threads} threads", *shown(dict(predictor.predict(cube)))
    script = torch.jit.load(io.BytesIO((folder / "model.ts").read_bytes()))
    with torch.no_grad():
        found = script(torch.from_numpy(cube))
    yield "TorchScript", *shown({name: values.numpy() for name, values in found.items()})


@pytest.mark.parametrize("offset", [0, OFFSET])
@pytest.mark.parametrize(("nodes", "components"), [(FULL, None), (PROJECTED, 10)], ids=["full", "projected"])
@pytest.mark.parametrize("name", SCENES)
def test_no_optimisation_changes_a_result(
    name: str, nodes: str, components: int | None, offset: int, tmp_path: Path
) -> None:
    cube, mask = scene(name)
    if offset:
        cube = cube.astype(np.float32) + np.float32(offset)
    expected = textbook(cube, components or cube.shape[-1])
    threshold = between(expected)
    area = roc_auc_score(mask.ravel(), expected.ravel())
    for way, scores, decisions in ways(nodes, threshold, cube, tmp_path / "artifact"):
        np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-3 * expected.mean(), err_msg=way)
        np.testing.assert_array_equal(decisions, expected >= threshold, err_msg=way)
        assert roc_auc_score(mask.ravel(), scores.ravel()) == pytest.approx(area, abs=1e-5), way

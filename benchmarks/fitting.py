"""Phase 1 beside other ways to get the same statistics (c), and its error on what the statistics are for: scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Work
from benchmarks.scenes import COMPONENTS, EPS, Cube, fit, scene, typed
from cuvisc.compiler.graph import TypedGraph

TEXT = f"""
nodes:
  normalizer: {{type: MinMaxNormalizer, eps: {EPS}}}
  pca: {{type: TrainablePCA, n_components: {COMPONENTS}}}
  rx: {{type: RXGlobal}}
"""
_BLOCK = 4096

Moments = tuple[NDArray[np.float64], NDArray[np.float64]]
"""A mean and a covariance."""


def fit_work(images: int, side: int, bands: int) -> Work:
    """MinMax → PCA(3) → RX fitted to cubes in memory; compared by the RX scores of some pixels."""
    cube = np.concatenate([scene(side, side, bands, seed=seed) for seed in range(images)])
    graph = typed(TEXT)
    flat = cube.reshape(-1, bands)
    probe = flat[:: max(1, len(flat) // 2000)].astype(np.float64)
    work = Work(
        f"fit-{bands}",
        f"phase 1 of MinMax → PCA(3) → RX, {images} × {side}², {bands} bands",
        len(flat),
        bands,
        scores_of(probe)(two_pass(flat)),
        cube.nbytes / 1e9,
        len(flat) * bands * (bands + 1) / 1e9,
        cube=cube,
        scores=scores_of(probe),
    )
    work.add("cuvisc, one pass", lambda: cuvisc_moments(graph, cube))
    work.add("numpy float64, two passes", lambda: two_pass(flat))
    work.add(
        "numpy float64 X^T X alone, in blocks",
        lambda: gram(flat, np.float64),
        checked=False,
        note="not a result: its products are what every exact way computes",
    )
    work.add(
        "numpy float32 X^T X alone",
        lambda: flat.T @ flat,
        checked=False,
        note="not a result: float32 loses the small eigenvalues",
    )
    work.add("numpy float32, shifted, in blocks", lambda: shifted_float32(flat))
    work.add(
        "scikit-learn IncrementalPCA alone",
        lambda: incremental_pca(flat),
        checked=False,
        note="components only",
    )
    return work


def cuvisc_moments(graph: TypedGraph, cube: Cube) -> Moments:
    """Phase 1 on batches of one image."""
    _, found = fit(graph, [image[np.newaxis] for image in cube])
    if len(found.passes) != 1:
        raise ValueError(f"phase 1 takes {len(found.passes)} passes")
    return found.profile.moments.mean, found.profile.moments.covariance


def two_pass(flat: Cube) -> Moments:
    """Mean first, then the centred products, everything in float64."""
    mean = flat.mean(axis=0, dtype=np.float64)
    scatter = np.zeros((flat.shape[1],) * 2)
    for start in range(0, len(flat), _BLOCK):
        centered = flat[start : start + _BLOCK] - mean
        scatter += centered.T @ centered
    return mean, scatter / (len(flat) - 1)


def shifted_float32(flat: Cube) -> Moments:
    """Products of float32 blocks around the mean of the first one, added up in float64."""
    shift = flat[:_BLOCK].mean(axis=0, dtype=np.float64).astype(np.float32)
    total, products = np.zeros(flat.shape[1]), np.zeros((flat.shape[1],) * 2)
    for start in range(0, len(flat), _BLOCK):
        moved = flat[start : start + _BLOCK] - shift
        products += moved.T @ moved
        total += moved.sum(axis=0, dtype=np.float64)
    drift = total / len(flat)
    return shift + drift, (products - len(flat) * np.outer(drift, drift)) / (len(flat) - 1)


def gram(flat: Cube, dtype: Any) -> None:
    """Nothing but the products of every block."""
    total = np.zeros((flat.shape[1],) * 2)
    for start in range(0, len(flat), _BLOCK):
        block = flat[start : start + _BLOCK].astype(dtype)
        total += block.T @ block


def incremental_pca(flat: Cube) -> None:
    """Components by scikit-learn, in blocks as cuvisc reads them."""
    from sklearn.decomposition import IncrementalPCA

    IncrementalPCA(COMPONENTS, batch_size=_BLOCK).fit(flat)


def scores_of(probe: NDArray[np.float64]) -> Callable[[Moments], NDArray[np.float64]]:
    """RX of the probe over all bands: what depends most on how exact a covariance is."""

    def scores(moments: Moments) -> NDArray[np.float64]:
        centered = probe - moments[0]
        return np.asarray(np.einsum("ij,ji->i", centered, np.linalg.solve(moments[1], centered.T)))

    return scores

"""The sizes at which others were measured before: cuvisc beside the best simple version and plain torch (g).

cuvis-ai is not run here. What is said of it is the speed of the best simple version beside cuvisc, measured here, times
that of the best simple version beside cuvis-ai 0.19.3, measured before on another machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.contenders import numpy_blocked, torch_eager
from benchmarks.fitting import TEXT, Moments, cuvisc_moments, scores_of, shifted_float32, two_pass
from benchmarks.measure import Timing, Work, measure
from benchmarks.scenes import FULL, PCA, Cube, exported, scene, typed
from cuvisc.runtime.inference import Predictor

SIZES = ((8, 128, 61), (4, 145, 200))
BEST_BESIDE_CUVIS_AI = {
    ("fit", 61): 8.0 / 1.34,
    ("fit", 200): 1.7 / 0.15,
    ("pca", 61): 51 / 16.7,
    ("pca", 200): 18 / 1.2,
    ("rx", 61): 13.5 / 5.8,
    ("rx", 200): 1.8 / 0.77,
}
SCENE_BESIDE_CUVIS_AI = {("pca", 200): 314 / 12, ("rx", 200): 713 / 132}
"""Speed of the best simple version over that of cuvis-ai 0.19.3, ±30 %; for one large scene the second."""
OWN, BEST, TORCH = "cuvisc", "best simple version", "plain torch"


def compare(
    folder: Path, rounds: int, sizes: tuple[tuple[int, int, int], ...] = SIZES
) -> list[dict[str, Any]]:
    """Seconds of the three for fitting, and for scoring with and without PCA."""
    rows = []
    for images, side, bands in sizes:
        cube = np.concatenate([scene(side, side, bands, seed=seed) for seed in range(images)])
        for work in (_fitting(cube), *(_scoring(kind, cube, folder) for kind in ("pca", "rx"))):
            timings = measure(work, rounds)
            rows.append(_row(work, timings, f"{images} × {side}²", BEST_BESIDE_CUVIS_AI))
    return rows


def one_scene(folder: Path, rounds: int, side: int, bands: int) -> list[dict[str, Any]]:
    """Seconds and extra memory for one large scene."""
    cube = scene(side, side, bands)
    rows = []
    for kind in ("pca", "rx"):
        work = _scoring(kind, cube, folder)
        megabytes = {c.name: extra_megabytes(c.run) for c in work.contenders if c.run}
        row = _row(work, measure(work, rounds), f"{side}²", SCENE_BESIDE_CUVIS_AI)
        rows.append({**row, "megabytes": megabytes})
    return rows


def extra_megabytes(run: Callable[[], Any]) -> float | None:
    """How far the memory of this process rises while `run` lasts; None where the system does not say."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        before = _peak()
        run()
        return (_peak() - before) / 1024
    except OSError:
        return None


def _peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def _row(
    work: Work, timings: list[Timing], size: str, known: Mapping[tuple[str, int], float]
) -> dict[str, Any]:
    kind, bands = work.name, work.bands
    seconds = {timing.name: timing.median for timing in timings}
    return {
        "kind": kind,
        "title": work.title,
        "size": size,
        "bands": bands,
        "pixels": work.pixels,
        "seconds": seconds,
        "errors": {timing.name: timing.error for timing in timings},
        "beside cuvis-ai": seconds[BEST] / seconds[OWN] * known.get((kind, bands), float("nan")),
    }


def _fitting(cube: Cube) -> Work:
    flat, graph = cube.reshape(-1, cube.shape[-1]), typed(TEXT)
    probe = flat[:: max(1, len(flat) // 2000)].astype(np.float64)
    expected = scores_of(probe)(two_pass(flat))
    size = len(flat), flat.shape[1]
    work = Work("fit", "fit MinMax → PCA(3) → RX", *size, expected, scores=scores_of(probe))
    work.add(OWN, lambda: cuvisc_moments(graph, cube))
    work.add(BEST, lambda: shifted_float32(flat))
    work.add(TORCH, lambda: _torch_fit(torch.from_numpy(flat)))
    return work


def _torch_fit(flat: torch.Tensor) -> Moments:
    """Extrema, the normalised cube, its mean and its covariance, step by step in float32, as a first version would."""
    low, high = flat.min(), flat.max()
    x = (flat - low) / (high - low)
    mean, covariance = x.mean(dim=0).double().numpy(), torch.cov(x.T).double().numpy()
    scale = float(high) - float(low)
    return mean * scale + float(low), covariance * scale**2


def _scoring(kind: str, cube: Cube, folder: Path) -> Work:
    bands = cube.shape[-1]
    text, title = {"pca": (PCA, "score MinMax → PCA(3) → RX"), "rx": (FULL, "score MinMax → RX")}[kind]
    made = exported(text, bands, folder / f"peers-{kind}-{bands}")
    predictor = Predictor(made.folder, threads=1)
    work = Work(kind, title, cube.size // bands, bands, made.scores(cube))
    work.add(OWN, lambda: predictor.predict(cube)["rx.scores"])
    work.add(BEST, numpy_blocked(made, cube))
    work.add(TORCH, torch_eager(made, cube))
    return work

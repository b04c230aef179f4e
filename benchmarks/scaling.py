"""How time and memory grow with pixels, bands and nodes (f)."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.files import run_cuvisc, write_cube
from benchmarks.scenes import FULL, PCA, exported, fit, scene, typed
from cuvisc.compiler.lowering import lower
from cuvisc.runtime.inference import Predictor

Rows = list[dict[str, Any]]


def by_pixels(folder: Path, rounds: int, factors: tuple[int, ...], megabytes: float = 16) -> Rows:
    """`predict` on files of 1 to 64 times the pixels: seconds without the start-up, peak memory."""
    made = exported(PCA, 61, folder / "scaling", "uint16")
    options = ("-o", str(folder / "scaling.npz"), "--threads", "1", "--force", "--json")
    rows = []
    for factor in factors:
        path = folder / "scaling.npy"
        height, width = write_cube(path, megabytes * factor, 61, "uint16")
        ends = [run_cuvisc("predict", str(made.folder), str(path), *options) for _ in range(rounds)]
        path.unlink()
        rows.append(
            {
                "factor": factor,
                "pixels": height * width,
                "seconds": statistics.median(_summary(ended.output)["seconds"] for ended in ends),
                "megabytes": statistics.median(ended.peak_megabytes for ended in ends),
            }
        )
    return rows


def _summary(output: str) -> dict[str, Any]:
    found = json.loads(output)
    summary: dict[str, Any] = found[0] if isinstance(found, list) else found
    return summary


def by_bands(folder: Path, rounds: int, bands: tuple[int, ...], side: int) -> Rows:
    """Kernel and phase 1 for more and more bands."""
    rows, full = [], typed(FULL)
    for count in bands:
        cube = scene(side, side, count)
        row: dict[str, Any] = {"bands": count}
        for name, text in (("pca", PCA), ("rx", FULL)):
            predictor = Predictor(exported(text, count, folder / f"bands-{name}").folder, threads=1)
            row[f"{name} seconds"] = _seconds(lambda p=predictor, c=cube: p.predict(c), rounds)  # type: ignore[misc]
        row["fit seconds"] = _seconds(lambda c=cube: fit(full, [c]), rounds)  # type: ignore[misc]
        rows.append(row)
    return rows


def by_nodes(rounds: int, counts: tuple[int, ...], side: int = 64) -> Rows:
    """Checking, phase 1 and passes for longer and longer chains of normalisers before PCA and RX."""
    rows = []
    cube = scene(side, side, 61)
    for count in counts:
        names = "".join(f"  n{index}: {{type: MinMaxNormalizer}}\n" for index in range(count))
        text = f"nodes:\n{names}  pca: {{type: TrainablePCA, n_components: 3}}\n  rx: {{type: RXGlobal}}\n"
        graph = typed(text)
        module, found = fit(graph, [cube])
        rows.append(
            {
                "nodes": count + 2,
                "check seconds": _seconds(lambda t=text: typed(t), rounds),  # type: ignore[misc]
                "fit seconds": _seconds(lambda g=graph: fit(g, [cube]), rounds),  # type: ignore[misc]
                "passes seconds": _seconds(lambda m=module, f=found: lower(m, f.profile.moments), rounds),  # type: ignore[misc]
                "operations": len(lower(module, found.profile.moments).fused.operations),
                "passes over the data": len(found.passes),
            }
        )
    return rows


def growth(rows: Rows, size: str, cost: str) -> float:
    """Slope of cost over size on logarithmic scales: 1 is proportional."""
    x, y = (np.log(np.maximum([row[key] for row in rows], 1e-9)) for key in (size, cost))
    return float(np.polyfit(x, y, 1)[0])


def _seconds(run: Callable[[], Any], rounds: int) -> float:
    run()
    seconds = []
    for _ in range(rounds):
        started = time.process_time()
        run()
        seconds.append(time.process_time() - started)
    return statistics.median(seconds)

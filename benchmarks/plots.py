"""Results to figures, the same bytes from the same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

_STYLE = {"svg.hashsalt": "cuvisc", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
_OWN, _OTHER = "#b5442e", "#9aa7b0"


def draw(results: Mapping[str, Any], folder: Path) -> list[str]:
    """Write the figures that the results allow; returns their names."""
    folder.mkdir(parents=True, exist_ok=True)
    with pyplot.rc_context(_STYLE):
        names = [_bars(work, folder / f"{name}.svg") for name, work in results.get("works", {}).items()]
        if "scaling" in results:
            names.append(_lines(results["scaling"], folder / "scaling.svg"))
    return names


def _bars(work: Mapping[str, Any], path: Path) -> str:
    timings = [timing for timing in work["timings"] if timing["median"] > 0]
    timings.sort(key=lambda timing: timing["median"], reverse=True)
    rates = [work["pixels"] / timing["median"] / 1e6 for timing in timings]
    figure, axes = pyplot.subplots(figsize=(7, 0.35 * len(timings) + 0.8), layout="constrained")
    own = [timing["name"].startswith("cuvisc") for timing in timings]
    bars = axes.barh(
        [timing["name"] for timing in timings], rates, color=[_OWN if o else _OTHER for o in own]
    )
    axes.bar_label(bars, [f"{rate:.3g}" for rate in rates], padding=3)
    axes.set_xscale("log")
    axes.set_xlabel("million pixels a second, one thread")
    axes.set_title(work["title"], loc="left")
    return _save(figure, path)


def _lines(scaling: Mapping[str, Any], path: Path) -> str:
    panels = (
        ("pixels", "pixels", {"seconds": "seconds"}),
        ("pixels", "pixels", {"megabytes": "peak MB"}),
        (
            "bands",
            "bands",
            {"pca seconds": "PCA(3) → RX, s", "rx seconds": "RX, s", "fit seconds": "phase 1, s"},
        ),
        (
            "nodes",
            "nodes",
            {"check seconds": "check, s", "passes seconds": "passes, s", "fit seconds": "phase 1, s"},
        ),
    )
    figure, grid = pyplot.subplots(1, len(panels), figsize=(12, 2.8), layout="constrained")
    for axes, (kind, size, costs) in zip(grid, panels, strict=True):
        rows = scaling[kind]
        for key, label in costs.items():
            axes.plot(
                [row[size] for row in rows], [row[key] for row in rows], marker="o", markersize=3, label=label
            )
        axes.set_xscale("log")
        axes.set_xlabel(size)
        if "megabytes" in costs:
            axes.set_ylim(bottom=0)
        else:
            axes.set_yscale("log")
        axes.legend(frameon=False)
    return _save(figure, path)


def _save(figure: Any, path: Path) -> str:
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return path.name

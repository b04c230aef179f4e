"""How scores are distributed, normal and anomalous pixels apart, as one figure."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from torch import Tensor

from cuvisc.language.declare import In, Param
from cuvisc.language.leaf import Batch, Figures, VisualizationNode

from . import canvas
from .batch import array, has_mask, truth
from .parent import quantity

Values = NDArray[np.float64]
LONG_TAIL = 4.0


class ScoreHistogram(VisualizationNode):
    """Show how the values of a batch are distributed, with a density estimate, statistics and the anomaly threshold.

    density(x) = Σ exp(−(x − x_i)² / 2h_i²) / (n h_i √(2π)), h_i = h √(g / f(x_i))      Abramson 1982

    Where values are rare the kernels are wide, so that the tail is no row of spikes: f is the density with h alone, g
    the geometric mean of f(x_i), h = 0.9 min(std, IQR / 1.34) n^(−1/5) (Silverman 1986).

    Counts are logarithmic, because anomalies are rare. Where the batch has a mask and the output one band,
    anomalous and normal pixels are drawn apart. A tail that would leave nothing else visible is cut at the
    99.9th percentile, or at the threshold beyond it, and counted in the title. Values that are not finite take
    no part.

    ``data``: ``edges`` [n_bins+1], ``counts`` [n_bins] (and ``anomalous_counts``), ``density_at`` and
    ``density`` [512], ``threshold`` []
    """

    aliases = ("cuvis_ai.training.visualizations.ScoreHistogram",)
    output = In("float32[B,H,W,K]", "what is counted", unit="scores|logits|probabilities")
    n_bins: int = Param(50, "number of bins", ge=2, le=1000)
    threshold: float | None = Param(
        None, "threshold that is marked, in the unit of the parent's output; null: mean + 2 std"
    )
    show_density: bool = Param(True, "draw the density estimate")
    compared = {"threshold": "scores|logits|probabilities"}

    def visualize(self, parent_output: Tensor, batch: Batch, step: int, stage: str) -> Figures:
        everything = array(parent_output).astype(np.float64)
        known = np.isfinite(everything)
        values, anomalous = everything[known], None
        if has_mask(batch) and parent_output.shape[-1] == 1:
            anomalous = array(truth(batch, parent_output, "ScoreHistogram"))[known]
        name = quantity(self.parent) if self._parent else "value"
        if not values.size:
            return {
                "figure": canvas.new_figure(9, 5.5, f"no finite {name} ({canvas.occasion(stage, step)})"),
                "data": {},
            }
        threshold = values.mean() + 2 * values.std() if self.threshold is None else self.threshold
        edges = _edges(values, threshold, self.n_bins)
        beyond = int((values > edges[-1]).sum())
        title = f"{values.size:,} {name}s ({canvas.occasion(stage, step)})"
        figure = canvas.new_figure(9, 5.5, title + (f", {beyond:,} beyond the axis" if beyond else ""))
        axes = figure.add_subplot()
        data: dict[str, NDArray[Any]] = {"edges": edges, **self._draw_counts(axes, values, anomalous, edges)}
        if self.show_density:
            data |= _draw_density(axes, values, edges)
        axes.axvline(threshold, color=canvas.VERMILION, linewidth=2, linestyle="--")
        above = (values >= threshold).mean()
        axes.plot(
            [], [], "--", color=canvas.VERMILION, label=f"threshold {threshold:.4g} ({above:.2%} at or above)"
        )
        canvas.label(axes, name, f"pixels per bin of {edges[1] - edges[0]:.3g}")
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.7)
        axes.set_xlim(edges[0], edges[-1])
        axes.grid(axis="y", color="#e4e4e4")
        axes.set_axisbelow(True)
        _write_statistics(axes, values)
        canvas.legend(axes, loc="upper right")
        return {"figure": figure, "data": {**data, "threshold": np.array(threshold)}}

    @staticmethod
    def _draw_counts(
        axes: Axes, values: Values, anomalous: NDArray[np.bool_] | None, edges: Values
    ) -> dict[str, NDArray[np.int64]]:
        counts = np.histogram(values, edges)[0]
        if anomalous is None:
            axes.stairs(counts, edges, fill=True, color=canvas.SKY, label="all pixels")
            return {"counts": counts}
        rare = np.histogram(values[anomalous], edges)[0]
        axes.stairs(counts - rare, edges, fill=True, color=canvas.SKY, label="normal pixels")
        axes.stairs(rare, edges, fill=True, color=canvas.ORANGE, alpha=0.75, label="anomalous pixels (mask)")
        axes.stairs(rare, edges, color=canvas.INK, linewidth=0.8)
        return {"counts": counts, "anomalous_counts": rare}


def density(values: Values, at: Values) -> Values:
    """Adaptive Gaussian density estimate at evenly spaced points, from counts on those points and some around them."""
    spacing = at[1] - at[0]
    quartiles = np.percentile(values, (25, 75))
    widths = [w for w in (values.std(), (quartiles[1] - quartiles[0]) / 1.34) if w > 0]
    # Never wider than what is shown, however far away the values are that are not.
    width = np.clip(0.9 * min(widths, default=spacing) * values.size**-0.2, spacing, at[-1] - at[0])
    reach = int(np.ceil(4 * width / spacing))
    cells = np.arange(-reach, len(at) + reach) * spacing + at[0]
    counts = np.histogram(values, np.append(cells, cells[-1] + spacing) - spacing / 2)[0]
    first = np.convolve(counts, _kernel(np.arange(-reach, reach + 1) * spacing, width), mode="same")
    taken = counts > 0
    counts, cells, first = counts[taken], cells[taken], first[taken]
    if not counts.size:
        return np.zeros(len(at))
    # Relative to its geometric mean, the first estimate needs no norm.
    own = width * np.exp((np.average(np.log(first), weights=counts) - np.log(first)) / 2)
    return np.asarray(_kernel(at[:, None] - cells, np.maximum(own, spacing)) @ counts / values.size)


def _kernel(distances: Values, widths: Values | float) -> Values:
    scaled = distances / widths
    return np.asarray(np.exp(-0.5 * scaled**2) / (widths * np.sqrt(2 * np.pi)))


def _edges(values: Values, threshold: float, bins: int) -> Values:
    low, high = values.min(), values.max()
    middle, far = np.percentile(values, (50, 99.9))
    if high - middle > LONG_TAIL * (far - middle):
        high = min(high, max(far, threshold + 0.08 * (threshold - low)))
    if not high > low:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high + (high - low) / bins, bins + 1)


def _draw_density(axes: Axes, values: Values, edges: Values) -> dict[str, Values]:
    at = np.linspace(edges[0], edges[-1], 512)
    found = density(values, at)
    axes.plot(
        at,
        found * values.size * (edges[1] - edges[0]),
        color=canvas.BLUE,
        linewidth=2,
        label="density estimate",
    )
    return {"density_at": at, "density": found}


def _write_statistics(axes: Axes, values: Values) -> None:
    lines = {
        "mean": values.mean(),
        "std": values.std(),
        "median": np.median(values),
        "95 %": np.percentile(values, 95),
        "max": values.max(),
    }
    text = "\n".join(f"{name:<6} {value:>9.4g}" for name, value in lines.items())
    axes.text(
        0.985,
        0.66,
        text,
        transform=axes.transAxes,
        ha="right",
        va="top",
        family="monospace",
        fontsize=canvas.SMALL,
        color=canvas.INK,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85},
    )

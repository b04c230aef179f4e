"""Pixels in the space of their principal components, as one figure."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from numpy.typing import NDArray
from torch import Tensor

from cuvisc.language.declare import In, Param
from cuvisc.language.leaf import Batch, Figures, VisualizationNode

from . import canvas
from .batch import array, find, has_truth, per_pixel
from .component_metrics import explained_shares, spectra_sums
from .parent import state

MARKERS = "o^sDvP*X"
_COLUMNS, _ROW = 4, 0.26
_WIDTH, _HEIGHT = 8.0, 6.4
"""Inches of the figure without its legend."""


class PCAVisualization(VisualizationNode):
    """Scatter pixels by their first principal components, coloured by class or by distance from the centre.

    distance(z) = √(Σ (z_k − mean_k)² / var_k) over the components shown and the pixels of the batch

    Three components or more are shown in 3-D, two in 2-D, and one as its cumulative distribution. The axes give
    the share of the variance that each component explains: of the batch, with today's components, where
    training hands over the parent's input; else as fitted. Of more pixels than ``subsample`` a fixed random
    choice is shown, in which a class keeps up to a quarter of an equal share, so that rare classes stay
    visible. Pixels that are not finite take no part.

    ``data``: ``scores`` [N,K], ``distances`` [N], ``explained_variance_ratio`` [K] if known, and ``labels`` [N]
    if any
    """

    aliases = ("cuvis_ai.training.visualizations.PCAVisualization",)
    required_parent_attributes = ("components",)
    reads_parent_input = True
    output = In("float32[B,H,W,K]", "component scores")
    subsample: int = Param(2000, "largest number of pixels shown", ge=10)
    color_by: str = Param(
        "auto",
        "labels, distance, or auto: `labels` or `mask` of the batch where it has one, else distance",
        choices=("auto", "labels", "distance"),
    )
    dimensions: int | None = Param(None, "2 or 3; null: 3 where there are three components", ge=2, le=3)

    def visualize(self, parent_output: Tensor, batch: Batch, step: int, stage: str) -> Figures:
        everything = array(parent_output).astype(np.float64).reshape(-1, parent_output.shape[-1])
        known = np.isfinite(everything).all(axis=1)
        everything = everything[known]
        labels, words = self._labels(parent_output, batch)
        labels = None if labels is None else labels[known]
        if not len(everything):
            return {"figure": canvas.new_figure(8, 6.5, "no finite component scores"), "data": {}}
        chosen = choose_pixels(len(everything), labels, self.subsample)
        shown = min(everything.shape[1], self.dimensions or 3)
        deviation = everything[:, :shown].std(axis=0)
        scaled = (everything[:, :shown] - everything[:, :shown].mean(axis=0)) / np.where(
            deviation > 0, deviation, 1
        )
        distances = np.sqrt((scaled**2).sum(axis=1))[chosen]
        scores, labels = everything[chosen], None if labels is None else labels[chosen]
        ratio = self._explained(batch)

        count = (
            f"{len(chosen):,} of {len(everything):,} pixels"
            if len(chosen) < len(everything)
            else "all pixels"
        )
        title = f"principal components of {count} ({canvas.occasion(stage, step)})"
        figure, plot, below = _with_room_below(title, 0 if labels is None else len(np.unique(labels)))
        places = [scores[:, k] for k in range(shown)] + ([_ranks(scores[:, 0])] if shown == 1 else [])
        axes = plot.add_subplot(projection="3d" if len(places) == 3 else None)
        if labels is None:
            _draw_distances(plot, axes, places, distances)
        else:
            _draw_classes(below, axes, places, labels, words)
        _name_axes(axes, shown, ratio)
        data = {
            "scores": scores,
            "distances": distances,
            **({} if ratio is None else {"explained_variance_ratio": ratio}),
            **({} if labels is None else {"labels": labels}),
        }
        return {"figure": figure, "data": data}

    def _labels(self, output: Tensor, batch: Batch) -> tuple[NDArray[Any] | None, dict[int, str]]:
        if self.color_by == "distance" or (self.color_by == "auto" and not has_truth(batch)):
            return None, {}
        name, labels = find(batch, "PCAVisualization", "labels", "mask")
        classes = array(per_pixel(labels, name, output, "PCAVisualization")).reshape(-1).astype(np.int64)
        return classes, {0: "normal", 1: "anomalous"} if name == "mask" else {}

    def _explained(self, batch: Batch) -> NDArray[np.float64] | None:
        given = batch.get("parent_input")
        if given is not None:
            components = state(self.parent, "components").detach()
            sums = spectra_sums(given.flatten(end_dim=-2).to(components.device), components)
            shares = explained_shares(components.double().cpu(), {name: s.cpu() for name, s in sums.items()})
            return None if shares is None else array(shares)
        if self._parent and hasattr(self.parent, "explained_variance_ratio"):
            return array(state(self.parent, "explained_variance_ratio"))
        return None


def choose_pixels(count: int, labels: NDArray[Any] | None, limit: int) -> NDArray[np.int64]:
    """Rising indices of at most about ``limit`` pixels: rare classes first, the rest at random, the same every time."""
    if count <= limit:
        return np.arange(count)
    order = np.random.default_rng(0).permutation(count)
    if labels is None:
        return np.sort(order[:limit])
    classes = np.unique(labels)
    share = max(limit // (4 * len(classes)), 1)
    kept = np.concatenate([order[labels[order] == name][:share] for name in classes])
    rest = order[~np.isin(order, kept)][: max(limit - len(kept), 0)]
    return np.sort(np.concatenate([kept, rest]))


def _with_room_below(title: str, classes: int) -> tuple[Figure, FigureBase, FigureBase]:
    """A figure and its parts for the points and for a legend, which has room of its own: points never lie under it."""
    rows = _ROW * (1 - -classes // _COLUMNS) - 0.1
    figure = canvas.new_figure(_WIDTH, _HEIGHT + rows, title)
    if not classes:
        return figure, figure, figure
    parts: Any = figure.subfigures(2, 1, height_ratios=[_HEIGHT, rows])
    return figure, parts[0], parts[1]


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the values below each value."""
    return np.asarray(values.argsort().argsort() / len(values))


def _draw_distances(
    figure: FigureBase, axes: Axes, places: list[NDArray[np.float64]], distances: NDArray[np.float64]
) -> None:
    order = np.argsort(distances)
    style: dict[str, Any] = {
        "c": distances[order],
        "cmap": "viridis",
        "s": 14,
        "linewidths": 0,
        **_flat(places),
    }
    points = axes.scatter(*(place[order] for place in places), **style)
    bar = figure.colorbar(points, ax=axes, shrink=0.75, pad=0.1 if len(places) == 3 else 0.02)
    bar.set_label("distance from the centre (standard deviations)", fontsize=canvas.SMALL, color=canvas.INK)
    bar.ax.tick_params(labelsize=canvas.SMALL, colors=canvas.INK)


def _draw_classes(
    figure: FigureBase,
    axes: Axes,
    places: list[NDArray[np.float64]],
    labels: NDArray[np.int64],
    words: dict[int, str],
) -> None:
    names, counts = np.unique(labels, return_counts=True)
    marks: dict[int, Any] = {}
    for order, index in enumerate(np.argsort(-counts)):
        name, of_class = int(names[index]), labels == names[index]
        style: dict[str, Any] = {
            "s": 26,
            "marker": MARKERS[(name - 1) % len(MARKERS)],
            "color": _color(name, names),
        }
        if name <= 0:
            style = {"s": 12, "marker": "o", "color": canvas.FAINT, "alpha": 0.7}
        text = f"{words.get(name, f'class {name}')} ({counts[index]:,})"
        style |= {"linewidths": 0, "zorder": 2 + order, "label": text, **_flat(places)}
        marks[name] = axes.scatter(*(place[of_class] for place in places), **style)
    figure.legend(
        handles=[marks[name] for name in sorted(marks)],
        loc="center",
        ncols=_COLUMNS,
        fontsize=canvas.SMALL,
        markerscale=1.4,
        frameon=False,
        labelcolor=canvas.INK,
    )


def _color(name: int, names: NDArray[np.int64]) -> Any:
    """The colour of a class; beyond eight, colours follow the number and markers tell neighbours apart."""
    if names.max() <= len(canvas.CLASSES):
        return canvas.CLASSES[name - 1]
    return matplotlib.colormaps["viridis"](name / names.max())


def _flat(places: list[NDArray[np.float64]]) -> dict[str, bool]:
    """Depth is not drawn as haze, which would hide the far classes."""
    return {"depthshade": False} if len(places) == 3 else {}


def _name_axes(axes: Axes, shown: int, ratio: NDArray[np.float64] | None) -> None:
    names = [f"PC{k + 1}" + ("" if ratio is None else f" ({ratio[k]:.1%} of variance)") for k in range(shown)]
    names += ["share of the pixels below"] if shown == 1 else []
    canvas.label(axes, names[0], names[1])
    if len(names) == 3:
        axes.set_zlabel(names[2], fontsize=canvas.TEXT, color=canvas.INK)  # type: ignore[attr-defined]
        for direction, name in zip(("x", "y", "z"), names, strict=True):
            getattr(axes, f"set_{direction}label")(name, labelpad=12)
            axes.tick_params(axis=direction, labelsize=canvas.SMALL - 1)  # type: ignore[arg-type]
        # The layout does not know the names of these axes; without room they would run into each other.
        axes.set_box_aspect((4, 4, 3), zoom=0.97)  # type: ignore[arg-type, call-arg]
    else:
        axes.grid(color="#ececec")
        axes.set_axisbelow(True)

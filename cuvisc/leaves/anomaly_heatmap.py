"""Where the anomalies are: scores, scores over the scene, and decisions against the mask, as one figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray
from torch import Tensor

from cuvisc.language.collated import collated_centers
from cuvisc.language.declare import In, Param
from cuvisc.language.leaf import Batch, Figures, VisualizationNode

from . import canvas
from .batch import array, has_mask, input_cube, truth
from .color_maps import COLOR_MAPS
from .false_color import false_color
from .parent import quantity

NO_DATA, NORMAL, HIT, MISSED, FALSE_ALARM = range(5)
OUTCOMES = {
    NORMAL: ("normal", "#303030"),
    HIT: ("found", canvas.SKY),
    MISSED: ("missed", canvas.VERMILION),
    FALSE_ALARM: ("false alarm", canvas.YELLOW),
    NO_DATA: ("no data", "#c8c8c8"),
}


class AnomalyHeatmap(VisualizationNode):
    """Show one image's anomaly scores as a heat map, over a false-colour picture, and as decisions.

    decision = x >= threshold; without a threshold, mean + 2 std of the image

    Three panels: the values of the parent's output [H,W]; those that reach the threshold over the scene (bands
    nearest to 665, 560 and 492 nm, else first, middle and last; 2–98 % stretch), with the outline of the mask;
    and the decisions, told apart as found, missed and false alarm where the batch has a mask. Values that are
    not finite are shown as no data.

    ``data``: ``scores`` [H,W], ``false_color`` [H,W,3], ``decisions`` [H,W], ``threshold`` [], and ``mask``
    [H,W] if any
    """

    aliases = ("cuvis_ai.training.visualizations.AnomalyHeatmap",)
    output = In("float32[B,H,W,1]", "what is shown", unit="scores|logits|probabilities")
    colormap: str = Param("inferno", "matplotlib's colour map of the values", choices=COLOR_MAPS)
    threshold: float | None = Param(
        None, "smallest value that is an anomaly, in the unit of the parent's output; null: mean + 2 std"
    )
    image: int | None = Param(
        None, "which image of the batch, from 0; null: the one with the most anomalous pixels", ge=0
    )
    compared = {"threshold": "scores|logits|probabilities"}

    def visualize(self, parent_output: Tensor, batch: Batch, step: int, stage: str) -> Figures:
        masks = array(truth(batch, parent_output, "AnomalyHeatmap"))[..., 0] if has_mask(batch) else None
        index = self._choose_image(masks, len(parent_output))
        scores = array(parent_output[index, ..., 0]).astype(np.float64)
        mask = None if masks is None else masks[index]
        cube = array(input_cube(batch, "AnomalyHeatmap")[index])
        picture, bands = false_color(cube, collated_centers(batch.get("wavelengths"), cube.shape[-1]))
        threshold = self._threshold(scores)
        decisions = scores >= threshold

        name = quantity(self.parent) if self._parent else "value"
        figure, heat, overlay, decided = _new_panels(
            scores.shape, f"image {index} of the batch ({canvas.occasion(stage, step)})"
        )
        self._draw_heat(figure, heat, scores, name)
        self._draw_overlay(overlay, picture, bands, np.where(decisions, scores, np.nan), mask)
        _draw_decisions(decided, judge(scores, decisions, mask), mask is not None)
        canvas.label(decided.image, "column (pixels)", "", f"decisions: {name} ≥ {threshold:.4g}")
        data = {
            "scores": scores,
            "false_color": picture,
            "decisions": decisions,
            "threshold": np.array(threshold),
            **({} if mask is None else {"mask": mask}),
        }
        return {"figure": figure, "data": data}

    def _choose_image(self, masks: NDArray[Any] | None, images: int) -> int:
        if self.image is not None:
            return min(self.image, images - 1)
        return 0 if masks is None else int(masks.sum(axis=(1, 2)).argmax())

    def _threshold(self, scores: NDArray[np.float64]) -> float:
        known = scores[np.isfinite(scores)]
        if self.threshold is not None or not known.size:
            return self.threshold if self.threshold is not None else float("nan")
        return float(known.mean() + 2 * known.std())

    def _limits(self, scores: NDArray[np.float64]) -> tuple[float, float]:
        known = scores[np.isfinite(scores)]
        if not known.size:
            return 0.0, 1.0
        low, high = np.percentile(known, (1, 99.8))
        return float(low), float(high)

    def _draw_heat(self, figure: Figure, panel: _Panel, scores: NDArray[np.float64], name: str) -> None:
        low, high = self._limits(scores)
        colors = matplotlib.colormaps[self.colormap].with_extremes(bad=OUTCOMES[NO_DATA][1])
        known = np.where(np.isfinite(scores), scores, np.nan)
        image = panel.image.imshow(known, cmap=colors, vmin=low, vmax=high, interpolation="nearest")
        canvas.label(panel.image, "column (pixels)", "row (pixels)", f"anomaly {name}")
        panel.key.set_axis_off()
        inset = panel.key.inset_axes((0.05, 0.72, 0.9, 0.28))
        inset.set_in_layout(False)
        bar = figure.colorbar(image, cax=inset, orientation="horizontal", extend="both")
        bar.set_label(f"{name} (1st to 99.8th percentile)", fontsize=canvas.SMALL, color=canvas.INK)
        bar.ax.tick_params(labelsize=canvas.SMALL, colors=canvas.INK)

    def _draw_overlay(
        self,
        panel: _Panel,
        picture: NDArray[np.float64],
        bands: str,
        above: NDArray[np.float64],
        mask: NDArray[Any] | None,
    ) -> None:
        panel.image.imshow(picture, interpolation="nearest")
        known = above[np.isfinite(above)]
        if known.size:
            low = known.min() - 1.5 * (known.max() - known.min()) - 1e-12
            panel.image.imshow(above, cmap=self.colormap, vmin=low, vmax=known.max(), interpolation="nearest")
        if mask is not None and 0 < mask.sum() < mask.size:
            panel.image.contour(mask.astype(float), levels=[0.5], colors=[canvas.SKY], linewidths=1.6)
        canvas.label(panel.image, "column (pixels)", "", f"anomalies over {bands}")
        marks = [Patch(facecolor=matplotlib.colormaps[self.colormap](0.75), label="at threshold or above")]
        if mask is not None:
            marks.append(Patch(facecolor="none", edgecolor=canvas.SKY, linewidth=1.6, label="mask"))
        panel.explain(marks)


@dataclass(frozen=True)
class _Panel:
    """A picture, and the space below it where it is explained."""

    image: Axes
    key: Axes

    def explain(self, marks: list[Patch]) -> None:
        self.key.set_axis_off()
        legend = self.key.legend(
            handles=marks,
            loc="upper center",
            ncols=2,
            fontsize=canvas.SMALL,
            frameon=False,
            labelcolor=canvas.INK,
        )
        legend.set_in_layout(False)


def _new_panels(shape: tuple[int, ...], title: str) -> tuple[Figure, _Panel, _Panel, _Panel]:
    height, width = shape
    pictures, keys = float(np.clip(4.3 * height / width, 1.5, 7.0)) + 0.7, 1.1
    figure = canvas.new_figure(13.5, pictures + keys + 0.7, title)
    above, below = figure.subplots(2, 3, height_ratios=[pictures, keys])
    for axes in above[1:]:
        axes.sharex(above[0])
        axes.sharey(above[0])
        axes.tick_params(labelleft=False)
    first, second, third = (_Panel(image, key) for image, key in zip(above, below, strict=True))
    return figure, first, second, third


def _draw_decisions(panel: _Panel, outcomes: NDArray[np.int64], judged: bool) -> None:
    colors = ListedColormap([OUTCOMES[outcome][1] for outcome in sorted(OUTCOMES)])
    panel.image.imshow(outcomes, cmap=colors, vmin=-0.5, vmax=len(OUTCOMES) - 0.5, interpolation="nearest")
    names = {outcome: name for outcome, (name, _) in OUTCOMES.items()} | ({} if judged else {HIT: "anomaly"})
    counts = {outcome: int((outcomes == outcome).sum()) for outcome in names}
    panel.explain(
        [
            Patch(facecolor=OUTCOMES[outcome][1], label=f"{name} {counts[outcome]:,}")
            for outcome, name in names.items()
            if counts[outcome]
        ]
    )


def judge(
    scores: NDArray[np.float64], decisions: NDArray[np.bool_], mask: NDArray[Any] | None
) -> NDArray[np.int64]:
    """The outcome of every pixel [H,W]; without a mask every detection counts as found."""
    truth = decisions if mask is None else mask > 0
    outcomes = np.where(truth, np.where(decisions, HIT, MISSED), np.where(decisions, FALSE_ALARM, NORMAL))
    return np.where(np.isfinite(scores), outcomes, NO_DATA)

"""How a band selector makes up its mind: temperature, probabilities and stability of the selection, as figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray
from torch import Tensor

from cuvisc.language.collated import collated_centers
from cuvisc.language.declare import In, Param
from cuvisc.language.leaf import Batch, Figures, VisualizationNode

from . import canvas
from .batch import array
from .parent import state
from .selector_losses import SELECTOR_STATE


class _Trace(VisualizationNode):
    """Remembers a row of numbers for every step it drew; saved with the checkpoint, so that a resumed run goes on."""

    reads_output = False
    output = In("float32[B,H,W,K]", "selected bands, not read")
    required_parent_attributes = SELECTOR_STATE

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._rows: dict[int, NDArray[np.float64]] = {}

    def remember(self, step: int, row: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """All steps [E] and rows [E,N], this one last; a step drawn again is replaced, later ones forgotten."""
        self._rows = {past: kept for past, kept in self._rows.items() if past < step}
        self._rows[step] = np.asarray(row, dtype=np.float64)
        return np.array(list(self._rows)), np.stack(list(self._rows.values()))

    def get_extra_state(self) -> dict[str, Tensor]:
        rows = [torch.as_tensor(row) for row in self._rows.values()]
        return {
            "steps": torch.tensor(list(self._rows)),
            "rows": torch.stack(rows) if rows else torch.zeros(0),
        }

    def set_extra_state(self, state: dict[str, Tensor]) -> None:
        self._rows = {
            int(step): row.cpu().numpy().astype(np.float64)
            for step, row in zip(state["steps"], state["rows"], strict=True)
        }


class SelectorTemperaturePlot(_Trace):
    """Plot the temperature of a band selector over training.

    p = softmax(logits / T): a high temperature weighs all bands alike, a low one decides

    ``data``: ``steps`` [E], ``temperature`` [E]
    """

    aliases = ("cuvis_ai.training.visualizations.SelectorTemperaturePlot",)

    def visualize(self, parent_output: Tensor, batch: Batch, step: int, stage: str) -> Figures:
        now = float(state(self.parent, "temperature"))
        steps, rows = self.remember(step, np.array([now]))
        figure = canvas.new_figure(8, 4.5, f"selector temperature {now:.3g} ({canvas.occasion(stage, step)})")
        axes = figure.add_subplot()
        axes.plot(steps, rows[:, 0], "o-", color=canvas.BLUE, linewidth=2, markersize=5)
        floor = getattr(self.parent, "temperature_min", None)
        if floor is not None:
            axes.axhline(floor, color=canvas.FAINT, linestyle="--", linewidth=1.5, label=f"lowest, {floor:g}")
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        _over_steps(axes, "temperature (unitless)")
        canvas.legend(axes, loc="upper right")
        return {"figure": figure, "data": {"steps": steps, "temperature": rows[:, 0]}}


class SelectorChannelMaskPlot(VisualizationNode):
    """Plot the selection probability of every band, the selected bands set off.

    p = softmax(logits / T) [C], over wavelength where the batch has ``wavelengths``, else over the number of
    the band

    ``data``: ``probabilities`` [C], ``selected`` [C] (bool), ``wavelengths`` [C] if known
    """

    aliases = ("cuvis_ai.training.visualizations.SelectorChannelMaskPlot",)
    reads_output = False
    output = In("float32[B,H,W,K]", "selected bands, not read")
    required_parent_attributes = SELECTOR_STATE

    def visualize(self, parent_output: Tensor, batch: Batch, step: int, stage: str) -> Figures:
        probabilities = array(_ask(self.parent, "get_selection_probabilities")).astype(np.float64)
        chosen = array(_ask(self.parent, "get_selected_channels")).astype(np.int64)
        bands = len(probabilities)
        selected = np.isin(np.arange(bands), chosen)
        centers = collated_centers(batch.get("wavelengths"), bands)
        at = np.arange(1, bands + 1, dtype=np.float64) if centers is None else centers
        title = f"{len(chosen)} of {bands} bands selected ({canvas.occasion(stage, step)})"
        figure = canvas.new_figure(9, 4.8, title)
        axes = figure.add_subplot()
        # The typical spacing: where two spectrometers of one sensor overlap, the smallest one is almost zero.
        width = 0.85 * float(np.median(np.abs(np.diff(at)))) if bands > 1 else 1.0
        axes.bar(at, probabilities, width, color=np.where(selected, canvas.VERMILION, canvas.SKY))
        axes.axhline(1 / bands, color=canvas.INK, linestyle=":", linewidth=1.5)
        axes.set_ylim(0, 1.25 * max(probabilities.max(), 1 / bands))
        canvas.label(axes, "band" if centers is None else "wavelength (nm)", "selection probability")
        axes.legend(
            handles=[
                Patch(color=canvas.VERMILION, label="selected"),
                Patch(color=canvas.SKY, label="not selected"),
                axes.plot([], [], ":", color=canvas.INK, label=f"all alike, 1/{bands}")[0],
            ],
            loc="upper right",
            ncols=3,
            fontsize=canvas.SMALL,
            frameon=False,
            labelcolor=canvas.INK,
        )
        data = {"probabilities": probabilities, "selected": selected}
        return {"figure": figure, "data": data if centers is None else {**data, "wavelengths": centers}}


class SelectorStabilityPlot(_Trace):
    """Plot which bands are selected over training, and how much the selection keeps of the one before.

    J = |A ∩ B| / |A ∪ B| of the bands selected now and when last drawn      Jaccard 1912

    One where nothing changed, zero where no band was kept. ``log_frequency: 1`` compares every epoch with the
    previous one.

    ``data``: ``steps`` [E], ``selected`` [E,C] (bool), ``jaccard`` [E], its first entry not a number
    """

    aliases = ("cuvis_ai.training.visualizations.SelectorStabilityPlot",)
    threshold: float = Param(0.9, "Jaccard index that is marked as stable", ge=0, le=1)

    def visualize(self, parent_output: Tensor, batch: Batch, step: int, stage: str) -> Figures:
        bands = len(state(self.parent, "logits"))
        chosen = array(_ask(self.parent, "get_selected_channels")).astype(np.int64)
        steps, rows = self.remember(step, np.isin(np.arange(bands), chosen))
        selected = rows > 0
        index = jaccard(selected)
        now = "" if len(steps) < 2 else f"Jaccard index {index[-1]:.2f} "
        figure = canvas.new_figure(
            9, 6.5, f"stability of the selection: {now}({canvas.occasion(stage, step)})"
        )
        above, below = figure.subplots(2, 1, height_ratios=[1.0, 1.3], sharex=True)
        above.plot(steps, index, "o-", color=canvas.BLUE, linewidth=2, markersize=5)
        above.axhline(self.threshold, color=canvas.FAINT, linestyle="--", label=f"stable, {self.threshold:g}")
        above.set_ylim(-0.05, 1.08)
        _over_steps(above, "Jaccard index")
        above.set_xlabel("")
        canvas.legend(above, loc="lower right")
        _draw_selections(below, steps, selected, collated_centers(batch.get("wavelengths"), bands))
        return {"figure": figure, "data": {"steps": steps, "selected": selected, "jaccard": index}}


def jaccard(selected: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Jaccard index of every row [E,C] with the one before; the first has none."""
    before, after = selected[:-1], selected[1:]
    union = np.maximum((before | after).sum(axis=1), 1)
    return np.concatenate([[np.nan], (before & after).sum(axis=1) / union])


def _draw_selections(
    axes: Axes, steps: NDArray[np.int64], selected: NDArray[np.bool_], centers: NDArray[np.float64] | None
) -> None:
    at = np.arange(1, selected.shape[1] + 1) if centers is None else centers
    rows, bands = np.nonzero(selected)
    axes.scatter(steps[rows], at[bands], marker="s", s=22, color=canvas.VERMILION, linewidths=0)
    margin = 0.03 * (at.max() - at.min()) + 0.5
    axes.set_ylim(at.min() - margin, at.max() + margin)
    _over_steps(axes, "selected band" if centers is None else "selected band (nm)")


def _over_steps(axes: Axes, y: str) -> None:
    canvas.label(axes, "step", y)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(color="#ececec")
    axes.set_axisbelow(True)


def _ask(selector: Any, question: str) -> Tensor:
    return torch.as_tensor(getattr(selector, question)())

"""The look of every figure: size, type, and colours that all readers can tell apart. No pyplot, no global state."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#222222"
FAINT = "#9a9a9a"
BLUE, ORANGE, GREEN, YELLOW = "#0072B2", "#E69F00", "#009E73", "#F0E442"
SKY, VERMILION, PURPLE = "#56B4E9", "#D55E00", "#CC79A7"
CLASSES = (VERMILION, BLUE, GREEN, ORANGE, PURPLE, SKY, YELLOW, "#000000")
"""Okabe & Ito 2008, in the order in which classes take them."""

TITLE, TEXT, SMALL = 15, 13, 12


def new_figure(width: float, height: float, title: str) -> Figure:
    """An empty figure of this size in units of 100 pixels, with a title over all its panels."""
    figure = Figure(figsize=(width, height), dpi=100, layout="constrained", facecolor="white")
    figure.suptitle(title, fontsize=TITLE, color=INK)
    return figure


def label(axes: Axes, x: str, y: str, title: str = "") -> None:
    """Name the axes, with units, and quieten everything else."""
    axes.set_title(title, fontsize=TEXT, color=INK)
    axes.set_xlabel(x, fontsize=TEXT, color=INK)
    axes.set_ylabel(y, fontsize=TEXT, color=INK)
    axes.tick_params(labelsize=SMALL, colors=INK)
    for side in ("top", "right"):
        if side in axes.spines:
            axes.spines[side].set_visible(False)


def legend(axes: Axes, **options: Any) -> None:
    """A legend of what was labelled, if anything was."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=SMALL, framealpha=0.9, edgecolor="none", labelcolor=INK, **options)


def occasion(stage: str, step: int) -> str:
    """When a figure was drawn: ``val, step 120``."""
    return f"{stage}, step {step}"

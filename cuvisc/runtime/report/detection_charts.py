"""Histogram, ROC and precision-recall curve of a detector as charts, of a run or of an evaluation. NumPy only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.confusion import Confusion
from cuvisc.runtime.report.charts import Chart, Line, Mark, Steps
from cuvisc.runtime.report.markup import number, percent
from cuvisc.runtime.report.scales import Axis

Arrays = Mapping[str, NDArray[Any]]
_RATES = (0.001, 0.01, 0.1)


def histogram_chart(counts: Arrays, name: str, unit: str | None, threshold: float | None) -> Chart:
    """Counts of `normal` and, with a mask, `anomalous` scores between `edges`, and where the threshold lies."""
    edges, normal, rare = counts["edges"], counts["normal"], counts.get("anomalous")
    masked = rare is not None
    items: list[Steps | Mark] = [Steps(edges, normal, "calm", "normal" if masked else "all pixels")]
    if rare is not None:
        items.append(Steps(edges, rare, "orange", "anomalous (mask)"))
    if threshold is not None:
        items.append(Mark(threshold, "vermilion", f"threshold {number(threshold)}"))
    top = max(int(normal.max(initial=1)), int(rare.max(initial=1)) if rare is not None else 1)
    width = number(float(edges[1] - edges[0]), 3)
    return Chart(
        Axis(f"{name} ({unit or 'no unit'})", float(edges[0]), float(edges[-1])),
        Axis(f"pixels per {width}", 0.7, top * 1.6, log=True),
        f"Histogram of {name}" + (", normal and anomalous pixels apart" if masked else ""),
        items,
    )


def roc_chart(curve: NDArray[Any], auroc: float, decided: Confusion | None) -> Chart:
    """The corners of a ROC curve [2,n], chance, and where the decisions lie."""
    items: list[Line | Mark] = [
        Line(np.array([0.0, 1.0]), np.array([0.0, 1.0]), "quiet", "chance", dashed=True),
        Line(curve[0], curve[1], "blue", f"AUROC {auroc:.4f}"),
    ]
    quality = decided.quality if decided is not None else None
    if quality is not None and quality.recall is not None:
        items.append(Mark(quality.fallout or 0.0, "vermilion", "decisions", quality.recall))
    return Chart(
        Axis("false positive rate", 0, 1),
        Axis("true positive rate (recall)", 0, 1.0),
        f"ROC curve, area {auroc:.4f}",
        items,
    )


def precision_recall_chart(
    curve: NDArray[Any], average_precision: float, base: float, decided: Confusion | None
) -> Chart:
    """The corners of a precision-recall curve [2,n], what guessing gives (`base`), and where the decisions lie."""
    items: list[Line | Mark] = [
        Line(np.array([0.0, 1.0]), np.array([base, base]), "quiet", "chance", dashed=True),
        Line(curve[0], curve[1], "blue", f"AP {average_precision:.4f}"),
    ]
    quality = decided.quality if decided is not None else None
    if quality is not None and quality.precision is not None and quality.recall is not None:
        items.append(Mark(quality.recall, "vermilion", "decisions", quality.precision))
    return Chart(
        Axis("recall", 0, 1),
        Axis("precision", 0, 1.0),
        f"Precision-recall curve, average precision {average_precision:.4f}",
        items,
    )


def at_low_rates(curve: NDArray[Any]) -> str:
    """What most readers want from a ROC curve of rare events: recall where few alarms are allowed."""
    found = [float(curve[1][curve[0] <= rate].max(initial=0.0)) for rate in _RATES]
    words = (
        f"{100 * rate:g}\u202f% of normal pixels alarm: {percent(part)}"
        for rate, part in zip(_RATES, found, strict=True)
    )
    return f"Recall where {', '.join(words)}."

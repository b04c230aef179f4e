"""Scores, decisions and masks of all images to numbers, curves and histograms. NumPy only.

What the data does not define has a reason in place of a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.curves import Sweep, histogram_edges, thin_along
from cuvisc.runtime.evaluation import auroc, average_precision, decision_quality

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

NO_MASK = "the validation data has no mask"
NO_ANOMALY = "the mask has no anomaly"
ALL_ANOMALY = "the mask has nothing but anomalies"
NO_DECISION = "nothing in the graph decides: it has no threshold"
NO_DETECTION = "nothing was decided to be an anomaly"
_AGREEMENT = 0.9999


@dataclass
class Image:
    """One validation image: values of one band by name, flat; and its mask, where it has one."""

    name: str
    shape: tuple[int, int]
    scores: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    decisions: dict[str, Bools] = field(default_factory=dict)
    mask: Bools | None = None


def ranking(scores: Floats, mask: Bools | None) -> dict[str, Any]:
    """AUROC and average precision of scores [N], pixels without a score left out; or the reasons they lack."""
    found: dict[str, Any] = {"auroc": None, "average_precision": None, "reasons": {}}
    if mask is None:
        found["reasons"] = dict.fromkeys(("auroc", "average_precision"), NO_MASK)
        return found
    known = ~np.isnan(scores)
    scores, mask = scores[known], mask[known]
    if not mask.any():
        found["reasons"] = dict.fromkeys(("auroc", "average_precision"), NO_ANOMALY)
        return found
    found["average_precision"] = average_precision(scores, mask)
    if mask.all():
        found["reasons"]["auroc"] = ALL_ANOMALY
    else:
        found["auroc"] = auroc(scores, mask)
    return found


def deciding(known: Bools, decided: Bools | None, mask: Bools | None) -> dict[str, Any]:
    """Detections [N] against a mask [N] where a pixel is known: counts, precision, recall, F1, IoU, or reasons."""
    names = ("precision", "recall", "f1", "iou")
    found: dict[str, Any] = {**dict.fromkeys(names), "detections": None, "confusion": None, "reasons": {}}
    if decided is None:
        found["reasons"] = dict.fromkeys(names, NO_DECISION)
        return found
    decided = decided[known]
    found["detections"] = int(np.count_nonzero(decided))
    if mask is None:
        found["reasons"] = dict.fromkeys(names, NO_MASK)
        return found
    mask = mask[known]
    found["confusion"] = {
        "hits": int(np.count_nonzero(decided & mask)),
        "misses": int(np.count_nonzero(~decided & mask)),
        "alarms": int(np.count_nonzero(decided & ~mask)),
        "rejections": int(np.count_nonzero(~decided & ~mask)),
    }
    found |= decision_quality(decided, mask)
    reasons = {"precision": NO_DETECTION, "recall": NO_ANOMALY, "f1": NO_ANOMALY, "iou": NO_ANOMALY}
    found["reasons"] = {name: reasons[name] for name in names if found[name] is None}
    return found


def joined(images: list[Image], name: str, *, labelled: bool) -> tuple[Floats, Bools | None]:
    """The scores of all images one after the other [N], and their mask; `labelled` leaves out images without one."""
    chosen = [image for image in images if image.mask is not None or not labelled]
    masks = [image.mask for image in chosen if image.mask is not None]
    scores = [image.scores[name].astype(np.float64) for image in chosen]
    whole = labelled and bool(chosen)
    return (np.concatenate(scores) if scores else np.zeros(0)), (np.concatenate(masks) if whole else None)


def settle_threshold(scores: Floats, decided: Bools | None, level: float | None) -> float | None:
    """The threshold on the scores that the decisions agree with: `level`, or one between the two kinds of pixels.

    None when the decisions do not follow from a threshold on these scores.
    """
    if decided is None:
        return level
    known = ~np.isnan(scores)
    scores, decided = scores[known], decided[known]
    if level is not None and (not scores.size or np.mean((scores >= level) == decided) >= _AGREEMENT):
        return level
    if decided.any() and not decided.all():
        lowest, highest = float(scores[decided].min()), float(scores[~decided].max())
        return (lowest + highest) / 2 if lowest > highest else None
    return None


def curves(scores: Floats, mask: Bools | None) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """ROC and precision-recall curves of a few hundred points, and the best F1 that a threshold could reach."""
    known = ~np.isnan(scores)
    scores = scores[known]
    if mask is None or not mask[known].any():
        return {}, {}
    sweep = Sweep.of(scores, mask[known])
    best, at = sweep.best_f1()
    # At no threshold lies the point where nothing is decided: recall 0, and the precision of the strongest pixel.
    recall = np.concatenate([[0.0], sweep.recall])
    arrays: dict[str, NDArray[Any]] = {}
    x, y = thin_along(recall, np.concatenate([sweep.precision[:1], sweep.precision]))
    arrays["curves/precision_recall"] = np.stack([x, y])
    if sweep.negatives:
        x, y = thin_along(np.concatenate([[0.0], sweep.fallout]), recall)
        arrays["curves/roc"] = np.stack([x, y])
    return {"best_f1": best, "best_threshold": at}, arrays


def histogram(scores: Floats, mask: Bools | None, threshold: float | None) -> dict[str, NDArray[Any]]:
    """Edges, and counts of normal and anomalous pixels (of all, without a mask); and how many lie beyond the edges."""
    finite = np.isfinite(scores)
    values = scores[finite]
    if not values.size:
        return {}
    truth = np.zeros(values.shape, bool) if mask is None else mask[finite]
    edges = histogram_edges(values, threshold, values[truth])
    found: dict[str, NDArray[Any]] = {
        "histogram/edges": edges,
        "histogram/normal": np.histogram(values[~truth], edges)[0],
        "histogram/beyond": np.array(
            [np.count_nonzero(values < edges[0]), np.count_nonzero(values > edges[-1])]
        ),
    }
    if mask is not None:
        found["histogram/anomalous"] = np.histogram(values[truth], edges)[0]
    return found


def file_row(
    image: Image, main: str | None, decisions: Mapping[str, Bools] | None, rule: float | None
) -> dict[str, Any]:
    """The quality of one image by itself."""
    height, width = image.shape
    row: dict[str, Any] = {"name": image.name, "height": height, "width": width}
    scores = image.scores[main].astype(np.float64) if main is not None else None
    known = np.ones(height * width, bool) if scores is None else ~np.isnan(scores)
    decided = next(iter(decisions.values()), None) if decisions else None
    if decided is None and scores is not None and rule is not None:
        decided = scores >= rule
    row["anomalies"] = None if image.mask is None else int(np.count_nonzero(image.mask & known))
    row["excluded"] = int(np.count_nonzero(~known))
    if scores is not None:
        row |= ranking(scores, image.mask)
    row |= {key: value for key, value in deciding(known, decided, image.mask).items() if key != "reasons"}
    row.pop("reasons", None)
    return row

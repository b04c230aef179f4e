"""Scores, decisions and masks of all images to numbers, curves and histograms. NumPy only.

What the data does not define has a reason in place of a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.confusion import Confusion
from cuvisc.runtime.curves import histogram as bins
from cuvisc.runtime.curves import thin_along
from cuvisc.runtime.ranking import Ranking

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
    """One validation image: values of one band by name, flat; its mask, where it has one; a small picture of it."""

    name: str
    shape: tuple[int, int]
    scores: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    decisions: dict[str, Bools] = field(default_factory=dict)
    mask: Bools | None = None
    picture: NDArray[np.uint8] | None = None


def ranking(scores: Floats, mask: Bools | None) -> dict[str, Any]:
    """AUROC and average precision of scores [N], pixels without a score left out; or the reasons they lack."""
    found: dict[str, Any] = {"auroc": None, "average_precision": None, "reasons": {}}
    known = ~np.isnan(scores)
    why = _why_unranked(mask, known)
    if mask is None or why:
        found["reasons"] = dict.fromkeys(("auroc", "average_precision"), why)
        return found
    ranked = Ranking.of(scores[known], mask[known])
    return found | {"auroc": ranked.auroc(), "average_precision": ranked.average_precision()}


def _why_unranked(mask: Bools | None, known: Bools) -> str:
    """Why scores cannot be ranked against a mask, empty where they can."""
    if mask is None:
        return NO_MASK
    if not mask[known].any():
        return NO_ANOMALY
    return ALL_ANOMALY if mask[known].all() else ""


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
    confusion = Confusion.of(decided, mask)
    quality = confusion.quality._asdict()
    found["confusion"] = asdict(confusion)
    found |= {name: quality[name] for name in names}
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
    if mask is None or _why_unranked(mask, known):
        return {}, {}
    ranked = Ranking.of(scores[known], mask[known])
    best, at = ranked.best_f1()
    arrays: dict[str, NDArray[Any]] = {
        "curves/precision_recall": np.stack(thin_along(*ranked.precision_recall())),
        "curves/roc": np.stack(thin_along(*ranked.roc())),
    }
    return {"best_f1": best, "best_threshold": at}, arrays


def histogram(scores: Floats, mask: Bools | None, threshold: float | None) -> dict[str, NDArray[Any]]:
    """Edges, and counts of normal and anomalous pixels (of all, without a mask); and how many lie beyond the edges."""
    known = ~np.isnan(scores)
    values = scores[known]
    truth = np.zeros(values.shape, bool) if mask is None else mask[known]
    counts = bins(values[~truth], None if mask is None else values[truth], threshold)
    return {f"histogram/{name}": array for name, array in counts.items()}


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

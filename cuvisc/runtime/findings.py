"""What was measured to the numbers that people read, and the thresholds worth knowing. NumPy only.

A quantity that the data does not define (no anomaly in the mask, nothing decided positive) is None and has a reason,
never a made-up zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from cuvisc.runtime.confusion import Confusion
from cuvisc.runtime.evaluation import Measurement
from cuvisc.runtime.ranking import Ranking

RANKED = ("auroc", "average_precision")
DECIDED = ("precision", "recall", "f1", "iou")
NO_SCORES = "the artifact has no output of scores, logits or probabilities"
NO_ANOMALY = "the mask has no anomaly"
ALL_ANOMALY = "the mask has nothing but anomalies"
NO_DECISION = "the artifact has no output of decisions; --threshold decides from the scores"
_NEITHER = "there is no anomaly, decided or real"
_UNDEFINED = {
    "precision": "nothing was decided to be an anomaly",
    "recall": NO_ANOMALY,
    "f1": _NEITHER,
    "iou": _NEITHER,
}
FALLOUTS = (0.0001, 0.001, 0.01, 0.1)
RECALLS = (0.9, 0.99)


@dataclass(frozen=True)
class Findings:
    """Quality against a mask; None where a quantity is undefined, with the reason in `reasons`.

    `threshold` is the lowest score decided for, where the decisions follow from a threshold on the scores.
    """

    pixels: int
    anomalies: int
    excluded_pixels: int
    auroc: float | None = None
    average_precision: float | None = None
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    iou: float | None = None
    threshold: float | None = None
    confusion: Confusion | None = None
    reasons: dict[str, str] = field(default_factory=dict)

    def metrics(self) -> dict[str, float | None]:
        """The six numbers by name."""
        return {name: getattr(self, name) for name in (*RANKED, *DECIDED)}

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold on the scores, why it is of interest, and what it decides; None: no threshold does that."""

    name: str
    threshold: float | None
    confusion: Confusion

    def to_json(self) -> dict[str, Any]:
        """Plain data: the threshold, the qualities and the counts."""
        quality = self.confusion.quality
        return {
            "at": self.name,
            "threshold": _finite(self.threshold),
            "recall": quality.recall,
            "fpr": quality.fallout,
            "precision": quality.precision,
            "f1": quality.f1,
            "iou": quality.iou,
            **asdict(self.confusion),
        }


def findings(measured: Measurement) -> Findings:
    """The numbers of a measurement."""
    numbers: dict[str, float] = {}
    reasons = dict.fromkeys(RANKED, why) if (why := _why_unranked(measured)) else {}
    if measured.ranking is not None and not reasons:
        numbers["auroc"] = measured.ranking.auroc()
        numbers["average_precision"] = measured.ranking.average_precision()
    if measured.confusion is None:
        reasons |= dict.fromkeys(DECIDED, NO_DECISION)
    else:
        quality = measured.confusion.quality._asdict()
        reasons |= {name: _UNDEFINED[name] for name in DECIDED if quality[name] is None}
        numbers |= {name: quality[name] for name in DECIDED if quality[name] is not None}
    return Findings(
        measured.pixels,
        measured.anomalies,
        measured.excluded_pixels,
        **numbers,
        threshold=measured.threshold,
        confusion=measured.confusion,
        reasons=reasons,
    )


def operating_points(measured: Measurement, asked: Sequence[float] = ()) -> list[OperatingPoint]:
    """The decisions as they are, thresholds that were asked for, and those that a choice is made from.

    Best F1; most hits while at most a share of the normal pixels alarms, for shares that allow one alarm; fewest alarms
    while a share of the anomalous pixels is found. They are chosen on these very pixels: other data will give less.
    """
    return [*_decided(measured), *_ranked(measured, asked)]


def _finite(value: float | None) -> float | None:
    """What JSON can hold: a threshold is infinite where scores are."""
    return value if value is not None and math.isfinite(value) else None


def _decided(measured: Measurement) -> Iterator[OperatingPoint]:
    if measured.confusion is not None:
        yield OperatingPoint("decisions", measured.threshold, measured.confusion)


def _ranked(measured: Measurement, asked: Sequence[float]) -> Iterator[OperatingPoint]:
    ranking = measured.ranking
    if ranking is None:
        return
    for threshold in asked:
        yield _point(ranking, f"score >= {threshold:g}", threshold)
    if _why_unranked(measured):
        return
    yield _point(ranking, "best F1", ranking.best_f1()[1])
    for rate in FALLOUTS:
        if rate * ranking.negatives.size >= 1:
            yield _point(ranking, f"FPR <= {rate:g}", ranking.at_fallout(rate))
    for rate in RECALLS:
        yield _point(ranking, f"recall >= {rate:g}", ranking.at_recall(rate))


def _point(ranking: Ranking, name: str, threshold: float | None) -> OperatingPoint:
    if threshold is None:
        nothing = Confusion(0, ranking.positives.size, 0, ranking.negatives.size)
        return OperatingPoint(name, None, nothing)
    return OperatingPoint(name, threshold, ranking.confusion(threshold))


def _why_unranked(measured: Measurement) -> str | None:
    """Why there are no curves and no areas under them, None where there are."""
    if measured.ranking is None:
        return NO_SCORES
    if measured.anomalies == 0:
        return NO_ANOMALY
    return ALL_ANOMALY if measured.anomalies == measured.pixels else None

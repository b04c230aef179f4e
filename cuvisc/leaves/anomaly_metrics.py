"""How well an output finds the anomalies of the mask, over an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from cuvisc.language.choose import Choose
from cuvisc.language.declare import In, Param, ParameterError
from cuvisc.language.leaf import Batch, MetricNode

from .batch import truth, widened
from .moments import StreamingMoments, Totals
from .value_counts import Counted, ValueCounts

SCORES, LOGITS, DECISIONS = "scores", "logits", "decisions"
_COUNTED = ("anomaly_precision", "anomaly_recall", "anomaly_f1", "anomaly_iou")
_AREAS = ("anomaly_auroc", "anomaly_average_precision")


class AnomalyDetectionMetrics(MetricNode):
    """Precision, recall, F1, IoU and areas under the curves of a detector against the anomaly mask.

    precision = TP / (TP + FP), recall = TP / (TP + FN), F1 = 2 TP / (2 TP + FP + FN), IoU = TP / (TP + FP + FN)

    Counted over all pixels of the epoch, as ``anomaly_precision``, ``anomaly_recall``, ``anomaly_f1`` and
    ``anomaly_iou``. Of values, not decisions, also ``anomaly_auroc`` (Mann & Whitney 1947) and
    ``anomaly_average_precision`` (the sum of precision times gain in recall, without interpolation).

    An anomaly is decided where x >= threshold: a score or probability; of logits the probability of the logit;
    or, with ``threshold_multiplier`` k, mean + k std of all values of the epoch. ``reads`` says which output
    [B,H,W,1] is measured.

    A ratio of 0 / 0 is 0, as in scikit-learn: precision without a detection, recall without an anomaly. Areas
    need what they compare: both are left out where the epoch's masks are all empty or all full. Pixels whose value is
    not finite take no part; an epoch without any other gives no numbers.

    Memory is at most some 60 MB however long the epoch. The counts are exact for a fixed threshold. Areas, and
    the counts for ``threshold_multiplier``, are exact up to 2^20 distinct values of float32; beyond that values
    closer than 2^-11 (0.05 %) of themselves may count as equal.

    Raises ``BatchError`` for a batch without ``mask`` or ``labels``, or with one of another height or width.
    """

    aliases = ("cuvis_ai.training.metrics.AnomalyDetectionMetrics",)
    needs = ("mask",)
    output = In(
        Choose("reads", {DECISIONS: "bool[B,H,W,1]"}, otherwise="float32[B,H,W,1]"),
        "what is compared with the mask",
        unit=Choose("reads", {DECISIONS: "decisions", LOGITS: "logits"}, otherwise="scores|probabilities"),
    )
    reads: str = Param(
        SCORES,
        "what the parent gives: scores (or probabilities), logits or decisions",
        choices=(SCORES, LOGITS, DECISIONS),
    )
    threshold: float = Param(0.5, "smallest score that is an anomaly; of logits a probability")
    threshold_multiplier: float | None = Param(
        None, "k of the threshold mean + k std, which then takes the place of `threshold`"
    )
    logs = Choose("reads", {DECISIONS: _COUNTED}, otherwise=(*_COUNTED, *_AREAS))
    compared = {"threshold": Choose("threshold_multiplier", {None: "scores|probabilities"}, otherwise=None)}
    excludes = (("reads", DECISIONS, "threshold_multiplier"),)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        if self.reads == DECISIONS and self.threshold_multiplier is not None:
            raise ParameterError(
                "AnomalyDetectionMetrics: decisions have no threshold; leave out `threshold_multiplier`"
            )
        self.moments = StreamingMoments()
        self.counted = ValueCounts()
        self._left_out = ""
        self.confusion = Totals("detections", "hits", "anomalies", "pixels")

    def update(self, parent_output: Tensor, batch: Batch) -> None:
        anomalous = truth(batch, parent_output, type(self).__name__)
        known = torch.isfinite(parent_output)
        values, anomalous = parent_output[known], anomalous[known]
        if self.reads != DECISIONS:
            self.counted.update(values, anomalous)
        if self.threshold_multiplier is not None:
            self.moments.update(values)
        decided = self._decide(values)
        self.confusion.update(
            detections=decided.sum(),
            hits=(decided & anomalous).sum(),
            anomalies=anomalous.sum(),
            pixels=known.sum(),
        )

    def compute(self) -> dict[str, float]:
        confusion = {name: float(total) for name, total in self.confusion.gathered().items()}
        counted = self.counted.gathered() if self.reads != DECISIONS else None
        self._left_out = ""
        if not confusion["pixels"]:
            return {}
        detections, hits, anomalies = (confusion[name] for name in ("detections", "hits", "anomalies"))
        if self.threshold_multiplier is not None:
            spread = self.moments.gathered()
            assert spread is not None
            assert counted is not None
            above = counted.values >= spread.mean + self.threshold_multiplier * spread.std
            detections, hits = float(counted.counts[above].sum()), float(counted.positives[above].sum())
        found = areas(counted) if counted is not None else {}
        if counted is not None and not found:
            why = "nothing but anomalies" if anomalies else "no anomaly"
            self._left_out = f"{' and '.join(_AREAS)}: the masks have {why}"
        return {
            "anomaly_precision": _ratio(hits, detections),
            "anomaly_recall": _ratio(hits, anomalies),
            "anomaly_f1": _ratio(2 * hits, detections + anomalies),
            "anomaly_iou": _ratio(hits, detections + anomalies - hits),
            **found,
        }

    def left_out(self) -> str:
        return self._left_out

    def reset(self) -> None:
        for part in (self.moments, self.counted, self.confusion):
            part.reset()

    def _decide(self, values: Tensor) -> Tensor:
        if self.reads == DECISIONS:
            return values.bool()
        return (torch.sigmoid(widened(values)) if self.reads == LOGITS else values) >= self.threshold


def areas(counted: Counted) -> dict[str, float]:
    """Areas under the ROC curve (ties count half) and under the precision-recall curve; none without both classes."""
    negatives, positives = counted.negatives.astype(np.float64), counted.positives.astype(np.float64)
    normal, anomalous = negatives.sum(), positives.sum()
    if not normal or not anomalous:
        return {}
    below = np.cumsum(negatives) - negatives / 2
    hits = np.cumsum(positives[::-1])
    detections = hits + np.cumsum(negatives[::-1])
    return {
        "anomaly_auroc": float((positives * below).sum() / (normal * anomalous)),
        "anomaly_average_precision": float((positives[::-1] * hits / detections).sum() / anomalous),
    }


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0

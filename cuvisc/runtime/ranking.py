"""Scores and a mask to everything that the order of the scores says: areas, curves, thresholds. NumPy only.

A threshold t decides for a pixel where its score >= t. No quality here changes between two scores of anomalous pixels
but for the worse, so those are the only thresholds that are looked at: exact, and cheap where anomalies are rare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.confusion import Confusion

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Ranking:
    """Scores of anomalous pixels [P] and of normal pixels [N], each rising, without NaN; in their own dtype."""

    positives: NDArray[Any]
    negatives: NDArray[Any]

    @classmethod
    def of(cls, scores: NDArray[Any], positive: Bools) -> Ranking:
        """From scores [n] without NaN, and which of them are anomalous [n]."""
        return cls(np.sort(scores[positive]), np.sort(scores[~positive]))

    @classmethod
    def merge(cls, rankings: Sequence[Ranking]) -> Ranking:
        """The pixels of several rankings as one."""
        # The stable sort of floats merges what is sorted already.
        positives = np.concatenate([ranking.positives for ranking in rankings])
        negatives = np.concatenate([ranking.negatives for ranking in rankings])
        positives.sort(kind="stable")
        negatives.sort(kind="stable")
        return cls(positives, negatives)

    @property
    def pixels(self) -> int:
        """How many scores there are."""
        return self.positives.size + self.negatives.size

    @cached_property
    def thresholds(self) -> NDArray[Any]:
        """The distinct scores of anomalous pixels [T], falling."""
        return np.unique(self.positives)[::-1]

    @cached_property
    def hits(self) -> Counts:
        """Anomalous pixels at or above every threshold [T]."""
        return _at_least(self.positives, self.thresholds)

    @cached_property
    def alarms(self) -> Counts:
        """Normal pixels at or above every threshold [T]."""
        return _at_least(self.negatives, self.thresholds)

    @cached_property
    def _above(self) -> Counts:
        """Normal pixels above every threshold [T]."""
        return self.negatives.size - np.searchsorted(self.negatives, self.thresholds, side="right")

    def auroc(self) -> float:
        """Area under the ROC curve: P(score of an anomaly > score of a normal pixel) + P(equal) / 2.

        Both kinds of pixels must occur.
        """
        tied = np.diff(self.hits, prepend=0).astype(np.float64)
        outranked = self.negatives.size - (self.alarms + self._above) / 2
        return float(tied @ outranked) / (self.positives.size * self.negatives.size)

    def average_precision(self) -> float:
        """Sum over the thresholds, high to low, of (recall_n - recall_{n-1}) * precision_n; no interpolation."""
        precision = self.hits / (self.hits + self.alarms)
        return float(np.diff(self.hits, prepend=0) @ precision) / self.positives.size

    def best_f1(self) -> tuple[float, float]:
        """The largest F1 = 2 hits / (hits + alarms + P) that any threshold reaches, and that threshold."""
        f1 = 2 * self.hits / (self.hits + self.alarms + self.positives.size)
        best = int(np.argmax(f1))
        return float(f1[best]), float(self.thresholds[best])

    def at_fallout(self, rate: float) -> float | None:
        """The threshold with most hits of those where at most this share of the normal pixels alarms; None: none."""
        allowed = np.flatnonzero(self.alarms <= rate * self.negatives.size)
        return float(self.thresholds[allowed[-1]]) if allowed.size else None

    def at_recall(self, rate: float) -> float:
        """The highest threshold that finds at least this share of the anomalous pixels."""
        enough = np.flatnonzero(self.hits >= rate * self.positives.size)
        return float(self.thresholds[enough[0]])

    def confusion(self, threshold: float) -> Confusion:
        """What a threshold decides, as the scores' dtype has it: a model compares it in that dtype, too."""
        with np.errstate(over="ignore"):
            compared = np.asarray([threshold], self.negatives.dtype)
        hits, alarms = (int(_at_least(scores, compared)[0]) for scores in (self.positives, self.negatives))
        return Confusion(hits, self.positives.size - hits, alarms, self.negatives.size - alarms)

    def roc(self) -> tuple[Floats, Floats]:
        """Corners of the ROC curve, false positive rate and true positive rate, from (0, 0) to (1, 1)."""
        alarms, hits = self._corners()
        return alarms / self.negatives.size, hits / self.positives.size

    def precision_recall(self) -> tuple[Floats, Floats]:
        """Corners of the precision-recall curve, recall and precision, from recall 0 on.

        Where nothing is decided, precision is that of the strongest pixels.
        """
        alarms, hits = self._corners()
        precision = hits[1:] / (hits[1:] + alarms[1:])
        return hits / self.positives.size, np.concatenate([precision[:1], precision])

    def _corners(self) -> tuple[Floats, Floats]:
        """Alarms and hits where the curves turn: before and after the pixels of every threshold."""
        before = np.concatenate([[0], self.hits[:-1]])
        alarms = np.stack([self._above, self.alarms], axis=1).ravel()
        hits = np.stack([before, self.hits], axis=1).ravel()
        x = np.concatenate([[0], alarms, [self.negatives.size]]).astype(np.float64)
        y = np.concatenate([[0], hits, [self.positives.size]]).astype(np.float64)
        moved = np.append(True, (np.diff(x) > 0) | (np.diff(y) > 0))
        return x[moved], y[moved]


def _at_least(rising: NDArray[Any], thresholds: NDArray[Any]) -> Counts:
    found: Counts = rising.size - np.searchsorted(rising, thresholds, side="left")
    return found

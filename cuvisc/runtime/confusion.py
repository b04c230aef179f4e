"""Decisions and a mask to four counts, and the qualities that follow from them. NumPy only."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]


class Quality(NamedTuple):
    """Qualities of decisions; None where the denominator is zero.

    precision = hits / (hits + alarms), recall = hits / (hits + misses), fallout = alarms / (alarms + rejections),
    f1 = 2 hits / (2 hits + alarms + misses), iou = hits / (hits + alarms + misses)
    """

    precision: float | None
    recall: float | None
    fallout: float | None
    f1: float | None
    iou: float | None


@dataclass(frozen=True)
class Confusion:
    """How many pixels are anomalous and decided so (hits) or not (misses), normal and decided so or not (alarms)."""

    hits: int
    misses: int
    alarms: int
    rejections: int

    @classmethod
    def of(cls, decided: Bools, positive: Bools) -> Confusion:
        """From decisions [N] and which pixels are anomalous [N]."""
        hits = int(np.count_nonzero(decided & positive))
        alarms = int(np.count_nonzero(decided)) - hits
        misses = int(np.count_nonzero(positive)) - hits
        return cls(hits, misses, alarms, positive.size - hits - alarms - misses)

    def __add__(self, other: Confusion) -> Confusion:
        pairs = zip(asdict(self).values(), asdict(other).values(), strict=True)
        return Confusion(*(a + b for a, b in pairs))

    @property
    def pixels(self) -> int:
        """All pixels."""
        return self.hits + self.misses + self.alarms + self.rejections

    @property
    def quality(self) -> Quality:
        """Precision, recall, fallout, F1 and IoU."""
        wrong = self.alarms + self.misses
        return Quality(
            precision=_ratio(self.hits, self.hits + self.alarms),
            recall=_ratio(self.hits, self.hits + self.misses),
            fallout=_ratio(self.alarms, self.alarms + self.rejections),
            f1=_ratio(2 * self.hits, 2 * self.hits + wrong),
            iou=_ratio(self.hits, self.hits + wrong),
        )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None

"""What became of every pixel: found, missed, false alarm, normal; and samples of their spectra. NumPy only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

NO_DATA, NORMAL, FOUND, MISSED, ALARM = range(5)
NAMES = {FOUND: "found", MISSED: "missed", ALARM: "false alarm", NORMAL: "normal", NO_DATA: "no data"}
_SEED = 20_250_211

Bools = NDArray[np.bool_]


def judge(known: Bools, decided: Bools | None, mask: Bools | None) -> NDArray[np.uint8]:
    """The outcome of every pixel, of any shape.

    Without a mask a detection is FOUND, without a decision an anomaly of the mask is; without both all are NORMAL.
    """
    nothing = np.zeros(known.shape, bool)
    truth = mask if mask is not None else decided if decided is not None else nothing
    seen = decided if decided is not None else truth
    found = np.where(truth, np.where(seen, FOUND, MISSED), np.where(seen, ALARM, NORMAL))
    return np.where(known, found, NO_DATA).astype(np.uint8)


class SpectraSample:
    """Random spectra of every outcome, at most `size` of each, the same from run to run.

    Unlike the sample that an export is proven with, spectra may have bands that are not finite.
    """

    def __init__(self, size: int = 1000) -> None:
        self.size = size
        self.counts: dict[int, int] = {}
        self._kept: dict[int, tuple[NDArray[np.float64], NDArray[Any]]] = {}
        self._random = np.random.default_rng(_SEED)

    def update(self, spectra: NDArray[Any], outcomes: NDArray[np.uint8]) -> None:
        """Take in spectra [N,C] and the outcomes of their pixels [N]."""
        for outcome in np.unique(outcomes).tolist():
            index = np.flatnonzero(outcomes == outcome)
            self.counts[outcome] = self.counts.get(outcome, 0) + len(index)
            keys = self._random.random(len(index))
            smallest = np.argsort(keys, kind="stable")[: self.size]
            keys, chosen = keys[smallest], spectra[index[smallest]]
            if outcome in self._kept:
                keys = np.concatenate([self._kept[outcome][0], keys])
                chosen = np.concatenate([self._kept[outcome][1], chosen])
                smallest = np.argsort(keys, kind="stable")[: self.size]
                keys, chosen = keys[smallest], chosen[smallest]
            self._kept[outcome] = keys, chosen

    def summarised(self) -> dict[int, NDArray[np.float32]]:
        """Mean, 5th and 95th percentile of every band [3,C] by outcome; NaN where a band has no finite value."""
        return {outcome: summarise(spectra) for outcome, (_, spectra) in sorted(self._kept.items())}


def summarise(spectra: NDArray[Any]) -> NDArray[np.float32]:
    """Mean, 5th and 95th percentile [3,C] of the finite values of every band of spectra [N,C]."""
    exact = spectra.astype(np.float64)
    result = np.full((3, exact.shape[1]), np.nan, np.float32)
    finite = np.isfinite(exact)
    if finite.all():
        result[0], result[1:] = exact.mean(axis=0), np.percentile(exact, (5, 95), axis=0)
        return result
    for band in np.flatnonzero(finite.any(axis=0)):
        values = exact[finite[:, band], band]
        result[:, band] = values.mean(), *np.percentile(values, (5, 95))
    return result

"""Whether the values of a cube are of the size that a model was trained on, or another unit or scale. NumPy only.

Far outside means more than the width of the training range beyond it, or nowhere above a hundredth of its largest size.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SPECTRA = 128
_SMALL = 100


class ValueRange:
    """The extremes of some 128 spectra of every block, without what is not finite or stands for none."""

    def __init__(self, nodata: Any = None) -> None:
        self.low, self.high = math.inf, -math.inf
        self._nodata = nodata

    def update(self, spectra: NDArray[Any]) -> None:
        """Take in a block [rows,columns,C]."""
        pixels = spectra.reshape(-1, spectra.shape[-1])
        some = pixels[:: max(1, len(pixels) // _SPECTRA)]
        if self._nodata is not None:
            some = some[some != self._nodata]
        if not some.size:
            return
        low, high = float(some.min()), float(some.max())
        if not math.isfinite(high - low):
            some = some[np.isfinite(some)]
            low, high = float(some.min(initial=math.inf)), float(some.max(initial=-math.inf))
        self.low, self.high = min(self.low, low), max(self.high, high)

    def far_from(self, trained: tuple[float, float] | None) -> bool:
        """Whether these values lie far outside the range that training saw; False where either is not known."""
        if trained is None or self.low > self.high:
            return False
        low, high = trained
        width = high - low
        largest = max(abs(low), abs(high))
        beyond = self.low < low - width or self.high > high + width
        return beyond or max(abs(self.low), abs(self.high)) < largest / _SMALL

    def doubt(self, trained: tuple[float, float] | None, name: str, model: str) -> str | None:
        """What to warn of where these values, of the cube of that name, are unlike those a model was trained on."""
        if trained is None or not self.far_from(trained):
            return None
        return (
            f"{name} has values from {self}, `{model}` was trained on {trained[0]:.6g} to {trained[1]:.6g}: "
            "another unit or scale makes its scores meaningless"
        )

    def __str__(self) -> str:
        return f"{self.low:.6g} to {self.high:.6g}"

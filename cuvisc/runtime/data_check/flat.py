"""Spectra to the values that some of them hold in every band, as numbers for no data do. NumPy only."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEWEST_BANDS = 3
_MOST_VALUES = 4096


class FlatSpectra:
    """How many pixels hold one finite value in every band, by that value; of thousands the rarest are lost."""

    def __init__(self) -> None:
        self.counts: Counter[float] = Counter()

    def add(self, columns: NDArray[Any]) -> None:
        """Count spectra [C,N], band by band: four bands leave few pixels of which the others have to be looked at."""
        if len(columns) < FEWEST_BANDS:
            return
        first, last = columns[0], columns[-1]
        flat = np.flatnonzero((first == last) & (first == columns[1]) & (first == columns[len(columns) // 2]))
        for band in columns[2:-1]:
            if not flat.size:
                return
            same = band[flat] == first[flat]
            flat = flat if same.all() else flat[same]
        found = first[flat]
        values, counts = np.unique(found[np.isfinite(found)], return_counts=True)
        self.counts.update(dict(zip(map(float, values), map(int, counts), strict=True)))
        if len(self.counts) > _MOST_VALUES:
            self.counts = Counter(dict(self.counts.most_common(_MOST_VALUES // 2)))

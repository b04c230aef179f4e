"""Spectra to the values that some of them hold in every band, as numbers for no data do. NumPy only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.compiler.graph import TypedGraph

FEWEST_BANDS = 3
FILLED = 0.01
"""Shares of pixels from which on such a number is worth a word."""
FULL_SCALES = {2**bits - 1 for bits in (10, 12, 14)}
"""Largest values of common converters; those of the dtypes come on top."""
_EXPOSED = FULL_SCALES | {2**8 - 1}
MOST_FILLS = 2
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


def may_be_exposed(value: float, dtype: np.dtype[Any]) -> bool:
    """Whether light could have made it, as what a converter gives at most."""
    return dtype.kind in "iu" and value in _EXPOSED


def doubts_of_sample(pixels: NDArray[Any], graph: TypedGraph) -> Iterator[str]:
    """A line for every number that many of a sample of pixels [N,C] hold in every band, and that no node marks."""
    flat = FlatSpectra()
    flat.add(np.ascontiguousarray(pixels.T))
    if flat.counts.total() == len(pixels):
        return
    for value, count in flat.counts.most_common(MOST_FILLS):
        many = count > 1 and count >= FILLED * len(pixels)
        if many and not may_be_exposed(value, pixels.dtype) and not is_marked(value, graph):
            number = exact(value, pixels.dtype)
            yield f"some {count / len(pixels):.1%} of the training pixels hold {number} in every band; {remedy(number)}"


def remedy(number: str) -> str:
    """What to do about a number that may stand for no data."""
    return f"if that stands for no data, add NoDataMask {{nodata: {number}}}"


def is_marked(value: float, graph: TypedGraph) -> bool:
    """Whether a node makes pixels of this value invalid; it compares numbers as float32 has them."""
    for node in graph.nodes:
        if node.type == "NoDataMask":
            given = (value, node.params["nodata"], node.params["saturation"])
            with np.errstate(over="ignore"):
                single, nodata, saturation = (np.float32(np.nan if one is None else one) for one in given)
            if single == nodata or single >= saturation:
                return True
    return False


def exact(value: float, dtype: np.dtype[Any] | None) -> str:
    """The shortest number that is this value in its dtype."""
    whole = value.is_integer() and abs(value) < 1e15
    return str(int(value)) if whole or dtype is None else str(dtype.type(value))

"""Which pixels of a block hold no data: those whose every band is the file's number for it. NumPy only, never torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]


class Missing(NamedTuple):
    """`whole` [rows,columns]: no band has data; `partly`: number of other pixels where some that are read have none."""

    whole: Bools
    partly: int


def stored_nodata(nodata: float | None, dtype: np.dtype[Any]) -> Any:
    """The number as the cube's dtype holds it, or None where the dtype cannot."""
    if nodata is None or (dtype.kind != "f" and not math.isfinite(nodata)):
        return None
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return dtype.type(nodata)
    limits = np.iinfo(dtype)
    return dtype.type(int(nodata)) if nodata == int(nodata) and limits.min <= nodata <= limits.max else None


def values_without_data(spectra: NDArray[Any], nodata: Any) -> Bools:
    """Values that are the number for none; `nodata` as `stored_nodata` gives it."""
    found: Bools = np.isnan(spectra) if nodata != nodata else spectra == nodata
    return found


def find_missing(spectra: NDArray[Any], nodata: Any, read: Sequence[int] | None = None) -> Missing | None:
    """The pixels of a block [rows,columns,C] without data; None where the file has no number for it.

    `read` are the bands that anything is made of, None all.
    """
    if nodata is None:
        return None
    found = values_without_data(spectra, nodata)
    whole = found[..., 0].copy()
    if whole.any():
        whole[whole] = found[whole].all(axis=-1)
    # Mostly all or nothing of a pixel is missing, and to count values is much faster than to look at every pixel.
    if np.count_nonzero(found) == np.count_nonzero(whole) * spectra.shape[-1]:
        return Missing(whole, 0)
    partly = found[~whole] if read is None else found[~whole][:, list(read)]
    return Missing(whole, int(np.count_nonzero(partly.any(axis=-1))))

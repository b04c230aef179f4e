"""Spectra of one image, a few at a time, to what is worth knowing of its values; memory depends on bands alone."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.data_check.flat import FILLED, FULL_SCALES, MOST_FILLS, FlatSpectra, may_be_exposed

Floats = NDArray[np.float64]
_NEAR = 0.98
_PILED = 10


class Tally:
    """Counts, extremes and means of the values of an image; per band where an array, NaN where a band has no value.

    `nodata`, where the file has a number for it, and values that are not finite are counted and otherwise left out.
    """

    def __init__(self, bands: int, nodata: float | None = None) -> None:
        self.bands, self.nodata = bands, nodata
        self.nodata_values = 0
        self.pixels = self.nan_values = self.infinite_values = self.empty_pixels = self.partial_pixels = 0
        self.lowest, self.highest = np.full(bands, np.inf), np.full(bands, -np.inf)
        self.dtype: np.dtype[Any] | None = None
        self.pixels_at_top = 0
        self._top, self._values_at_top, self._values_below = -np.inf, 0, 0
        self._flat = FlatSpectra()
        self._sums, self._counts = np.zeros(bands), np.zeros(bands, np.int64)
        self._digests = [hashlib.blake2b(digest_size=16) for _ in range(bands)]

    def add(self, spectra: NDArray[Any]) -> None:
        """Count spectra [N,C] that follow those before."""
        if not len(spectra):
            return
        self.dtype = spectra.dtype
        columns = np.ascontiguousarray(spectra.T)
        finite = self._usable(columns)
        self._flat.add(columns)
        self.pixels += len(spectra)
        for digest, column in zip(self._digests, columns, strict=True):
            digest.update(column)
        if finite is None or finite.all():
            lowest, highest = columns.min(axis=1), columns.max(axis=1)
            self._sums += columns.sum(axis=1, dtype=np.float64)
            self._counts += columns.shape[1]
        else:
            self._count_gaps(columns)
            lowest = np.where(finite, columns, np.inf).min(axis=1)
            highest = np.where(finite, columns, -np.inf).max(axis=1)
            self._sums += np.sum(columns, axis=1, where=finite, dtype=np.float64)
            self._counts += np.count_nonzero(finite, axis=1)
        self.lowest = np.minimum(self.lowest, lowest)
        self.highest = np.maximum(self.highest, highest)
        top = float(highest.max())
        if top > self._top:
            self._top, self.pixels_at_top, self._values_at_top, self._values_below = top, 0, 0, 0
        near = columns[highest >= _NEAR * self._top] if self._top > 0 else columns[:0]
        at_top = near == self._top
        self.pixels_at_top += int(np.count_nonzero(at_top.any(axis=0)))
        self._values_at_top += int(np.count_nonzero(at_top))
        self._values_below += int(np.count_nonzero(near >= _NEAR * self._top) - np.count_nonzero(at_top))

    def _usable(self, columns: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Where there is a value, None where that is everywhere."""
        finite: NDArray[np.bool_] | None = np.isfinite(columns) if columns.dtype.kind == "f" else None
        if self.nodata is None or self.nodata != self.nodata:
            return finite
        there: NDArray[np.bool_] = columns != self.nodata
        self.nodata_values += int(there.size - np.count_nonzero(there))
        return there if finite is None else finite & there

    def _count_gaps(self, columns: NDArray[Any]) -> None:
        if columns.dtype.kind != "f":
            return
        self.nan_values += int(np.count_nonzero(np.isnan(columns)))
        self.infinite_values += int(np.count_nonzero(np.isinf(columns)))
        kept = np.count_nonzero(np.isfinite(columns), axis=0)
        self.empty_pixels += int(np.count_nonzero(kept == 0))
        self.partial_pixels += int(np.count_nonzero((kept > 0) & (kept < self.bands)))

    @property
    def minimum(self) -> float | None:
        """The smallest value, None where there is none."""
        return float(self.lowest.min()) if self._counts.any() else None

    @property
    def maximum(self) -> float | None:
        """The largest value, None where there is none."""
        return self._top if self._counts.any() else None

    @property
    def mean(self) -> float | None:
        """The mean of all values, None where there is none."""
        total = int(self._counts.sum())
        return float(self._sums.sum()) / total if total else None

    @property
    def spectrum(self) -> Floats:
        """The mean of every band."""
        with np.errstate(invalid="ignore"):
            found: Floats = self._sums / np.where(self._counts, self._counts, np.nan)
        return found

    @property
    def constant_bands(self) -> list[int]:
        """Bands, counted from 0, whose values are all one, or that have none."""
        return [int(band) for band in np.flatnonzero(self.lowest >= self.highest)]

    @property
    def repeated_bands(self) -> list[tuple[int, int]]:
        """Pairs of a band and a later one with the same value in every pixel, constant bands aside."""
        constant = set(self.constant_bands)
        first: dict[bytes, int] = {}
        pairs = []
        for band, digest in enumerate(self._digests):
            before = first.setdefault(digest.digest(), band)
            if before != band and band not in constant:
                pairs.append((before, band))
        return pairs

    @property
    def content(self) -> bytes:
        """Tells images apart by their pixels, in order."""
        joined = hashlib.blake2b(f"{self.pixels} {self.dtype}".encode(), digest_size=16)
        for digest in self._digests:
            joined.update(digest.digest())
        return joined.digest()

    @property
    def fills(self) -> dict[float, int]:
        """Values that pixels hold in every band as if for no data, and how many do: 1 in 100, or all at the top.

        None where every pixel is flat, for then bands are alike, and none that is what a converter gives at most.
        """
        found = self._flat.counts
        if self.dtype is None or found.total() == self.pixels:
            return {}
        return {
            value: count
            for value, count in found.most_common(MOST_FILLS)
            if count > 1
            and value != self.nodata
            and not may_be_exposed(value, self.dtype)
            and (count >= FILLED * self.pixels or (value == self._top and self._fills_top()))
        }

    def _fills_top(self) -> bool:
        """Whether the largest value would be taken for full scale, and no pixel has it in some bands alone."""
        return self._is_full_scale() and self._flat.counts[self._top] == self.pixels_at_top

    @property
    def saturated_pixels(self) -> int:
        """Pixels with a value at full scale: the largest of the image, where it is one of a converter or piled up.

        It is piled up when one pixel in a thousand has it, and ten times as many values as lie up to 2 % below. What
        fills every band of a pixel is none.
        """
        return self.pixels_at_top if self._is_full_scale() and self._top not in self.fills else 0

    def _is_full_scale(self) -> bool:
        if self.pixels_at_top < 2 or self.dtype is None or self.minimum == self.maximum:
            return False
        if self.dtype.kind in "iu" and self._top in FULL_SCALES | {np.iinfo(self.dtype).max}:
            return True
        piled = self._values_at_top > _PILED * self._values_below
        return piled and self.pixels_at_top * 1000 > self.pixels

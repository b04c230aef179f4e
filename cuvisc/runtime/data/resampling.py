"""A cube on other band centres, by linear interpolation between the neighbours of each. NumPy only, never torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.data.nodata import stored_nodata, values_without_data
from cuvisc.runtime.data.source import Block, CubeSource


class Resampled(CubeSource):
    """A cube whose spectra are read at `centers` (nm), in float32; what depends on a value without data is NaN.

    y(c) = (1 - t) x(l) + t x(r), t = (c - l) / (r - l), l and r the nearest known centres around c; bands that the
    file calls bad are not used, and beyond the outermost band its value is taken.
    """

    def __init__(self, source: CubeSource, centers: Sequence[float]) -> None:
        known = np.asarray(source.facts.wavelengths, np.float64)
        usable = np.arange(len(known))
        if source.facts.good_bands is not None and any(source.facts.good_bands):
            usable = usable[np.asarray(source.facts.good_bands)]
        usable = usable[np.argsort(known[usable], kind="stable")]
        wanted = np.asarray(centers, np.float64)
        place = np.clip(np.searchsorted(known[usable], wanted), 1, max(len(usable) - 1, 1))
        self._left, self._right = usable[place - 1], usable[np.minimum(place, len(usable) - 1)]
        gap = known[self._right] - known[self._left]
        t = (wanted - known[self._left]) / np.where(gap > 0, gap, 1.0)
        self._t = np.clip(t, 0, 1).astype(np.float32)
        self._source = source
        self._nodata = stored_nodata(source.facts.nodata, source.dtype)
        self.name = source.name
        self.dtype = np.dtype("f4")
        self.shape = (*source.shape[:3], len(wanted))
        self.array_shape = (*source.array_shape[:-1], len(wanted))
        self.facts = replace(
            source.facts,
            shape=self.array_shape,
            dtype=self.dtype,
            wavelengths=tuple(float(center) for center in wanted),
            fwhm=None,
            good_bands=None,
            band_names=None,
            default_bands=None,
            nodata=None if self._nodata is None else float("nan"),
        )

    @property
    def in_memory(self) -> bool:
        """Never: every block has to be interpolated."""
        return False

    def blocks(self, pixels: int) -> Iterator[tuple[Block, NDArray[Any]]]:
        """Every block with its spectra at the new centres."""
        for block, spectra in self._source.blocks(pixels):
            values = spectra.astype(np.float32)
            if self._nodata is not None:
                values[values_without_data(spectra, self._nodata)] = np.nan
            left, right = values[..., self._left], values[..., self._right]
            yield (
                block,
                np.where(self._t == 0, left, np.where(self._t == 1, right, left + (right - left) * self._t)),
            )

    def close(self) -> None:
        """Let go of the file."""
        self._source.close()

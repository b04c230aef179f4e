"""A stream of pixels to a small random sample of them, the same on every machine and for any number of ranks.

Every pixel is given a random key from a fixed seed; those with the smallest keys are kept. NumPy only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.language.statistics import finite_pixels

SIZE = 1024
_SEED = 20_240_917
_BLOCK = 2**16


class PixelSample:
    """At most `size` finite pixels [n,C] in their own dtype, drawn uniformly from all that were seen."""

    def __init__(self, rank: int = 0, size: int = SIZE) -> None:
        self.size = size
        self._keys: NDArray[np.float64] = np.zeros(0)
        self._pixels: NDArray[Any] | None = None
        self._random = np.random.default_rng((_SEED, rank))

    def update(self, pixels: NDArray[Any]) -> None:
        """Take in pixels [N,C]."""
        for start in range(0, len(pixels), _BLOCK):
            self._update_block(pixels[start : start + _BLOCK])

    def _update_block(self, pixels: NDArray[Any]) -> None:
        keys = self._random.random(len(pixels))
        bound = self._keys[-1] if len(self._keys) == self.size else 1.0
        chosen = np.flatnonzero(keys < bound)
        chosen = chosen[np.argsort(keys[chosen])]
        finite, excluded = finite_pixels(pixels[chosen[: self.size]])
        if excluded:
            chosen = chosen[np.isfinite(pixels[chosen]).all(axis=1)]
            finite = pixels[chosen[: self.size]]
        if len(finite):
            self._keep(keys[chosen[: self.size]], finite)

    def merge(self, other: PixelSample) -> None:
        """Add what another sample has kept."""
        if other._pixels is not None:
            self._keep(other._keys, other._pixels)

    @property
    def pixels(self) -> NDArray[Any] | None:
        """The sample, None before any pixel was seen."""
        return self._pixels

    def _keep(self, keys: NDArray[np.float64], pixels: NDArray[Any]) -> None:
        if self._pixels is not None:
            keys, pixels = np.concatenate([self._keys, keys]), np.concatenate([self._pixels, pixels])
        order = np.argsort(keys)[: self.size]
        self._keys, self._pixels = keys[order], pixels[order]

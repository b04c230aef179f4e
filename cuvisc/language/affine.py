"""Affine maps of spectra in float64: composed by fusion, and carrying statistics. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class AffineMap:
    """``y = (x - center) A + offset`` over the last axis.

    The matrix is a scalar ``[]`` or a diagonal ``[C]`` (both elementwise), or a full ``[C,K]``. Center and offset are
    scalars or vectors that broadcast over the bands. Everything is float64.
    """

    matrix: Array
    center: Array
    offset: Array

    def __post_init__(self) -> None:
        for name, part in vars(self).items():
            object.__setattr__(self, name, np.asarray(part, dtype=np.float64))

    @staticmethod
    def make(matrix: Any, center: Any = 0.0, offset: Any = 0.0) -> AffineMap:
        """Build from anything NumPy reads as float64."""
        return AffineMap(matrix, center, offset)

    @property
    def elementwise(self) -> bool:
        """Whether each output band depends on its own input band alone."""
        return self.matrix.ndim < 2

    def __call__(self, x: Array) -> Array:
        shifted = x - self.center
        return (shifted * self.matrix if self.elementwise else shifted @ self.matrix) + self.offset

    def linear(self, x: Array) -> Array:
        """``x A`` alone, without center and offset."""
        if self.elementwise:
            return x * self.matrix
        bands = self.matrix.shape[0]
        return (x if x.shape[-1:] == (bands,) else np.broadcast_to(x, (bands,))) @ self.matrix

    def then(self, outer: AffineMap) -> AffineMap:
        """``outer(self(x))`` as one map, centred where ``self`` is.

        A chain of centred maps stays centred: only the small difference of the two centres enters the offset, never
        the product of a large centre and a large gain.
        """
        offset = outer.linear(self.offset - outer.center) + outer.offset
        if self.elementwise and not outer.elementwise:
            rows = np.broadcast_to(self.matrix, outer.matrix.shape[:1])
            return AffineMap(rows[:, None] * outer.matrix, self.center, offset)
        return AffineMap(outer.linear(self.matrix), self.center, offset)

    def recentered(self, center: Array) -> AffineMap:
        """The same map written around another center."""
        moved = self.linear(np.asarray(center - self.center, dtype=np.float64))
        return AffineMap(self.matrix, np.asarray(center), moved + self.offset)


def concatenated(parts: list[tuple[AffineMap, int, int]]) -> AffineMap:
    """Maps ``(map, input bands, output bands)`` of one value, side by side on the band axis, as one full map."""
    offsets, matrices = [], []
    for part, bands, width in parts:
        centered = part.recentered(np.zeros(()))
        matrix = centered.matrix
        matrices.append(np.diag(np.broadcast_to(matrix, (bands,))) if centered.elementwise else matrix)
        offsets.append(np.broadcast_to(centered.offset, (width,)))
    return AffineMap(np.concatenate(matrices, axis=1), np.zeros(()), np.concatenate(offsets))

"""The statistics a node may ask phase 1 for: how they accumulate, merge, and follow through an affine map.

NumPy, float64.

A node declares what it needs, ``statistics = Moments(of="cube")``, and receives the result in ``solve``.
Pixels with a band that is not finite take no part; their number is kept.

Gram matrices accumulate in float64 around a pilot mean. In float32 they lose the small eigenvalues on which an anomaly
score rests: on measured scenes with a covariance condition of 1e8 a float32 Gram matrix is not even positive definite.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .affine import AffineMap, Array

_BLOCK_PIXELS, _BLOCK_VALUES = 2**10, 2**17
_FOLDED_VALUES = 2**11
_CENTERED_VALUES = 2**13


@dataclass(frozen=True)
class Statistic:
    """Declared need of a node: the statistic named by ``kind`` of the values at one port or, joined, at several."""

    of: str | tuple[str, ...]
    kind: ClassVar[str] = ""


class Extrema(Statistic):
    """Smallest and largest value of every band; the node's ``solve`` receives :class:`BandExtrema`."""

    kind = "extrema"


class Moments(Statistic):
    """Mean and covariance of the bands; the node's ``solve`` receives :class:`BandMoments`."""

    kind = "moments"


@dataclass(frozen=True)
class BandExtrema:
    """``minimum`` and ``maximum``, each [C], over ``count`` pixels."""

    count: int
    minimum: Array
    maximum: Array

    def through(self, affine: AffineMap) -> BandExtrema:
        """Extrema of ``affine(x)``; exact for elementwise maps, the only ones it is asked for."""
        if not affine.elementwise:
            raise ValueError("extrema do not follow through a map that mixes bands")
        ends = affine(self.minimum), affine(self.maximum)
        return BandExtrema(self.count, np.minimum(*ends), np.maximum(*ends))


@dataclass(frozen=True)
class BandMoments:
    """``mean`` [C] and ``scatter`` [C,C] (sum of centred products) over ``count`` pixels."""

    count: int
    mean: Array
    scatter: Array

    @property
    def covariance(self) -> Array:
        """Unbiased covariance [C,C]: scatter / (count - 1)."""
        return self.scatter / max(self.count - 1, 1)

    @property
    def variance(self) -> Array:
        """Unbiased variance of every band [C]."""
        return np.asarray(np.diagonal(self.covariance))

    def through(self, affine: AffineMap) -> BandMoments:
        """Moments of ``affine(x)``: mean -> affine(mean), scatter -> A^T scatter A. Exact."""
        half = affine.linear(self.scatter)
        return BandMoments(self.count, affine(self.mean), affine.linear(half.T))


@dataclass
class ExtremaAccumulator:
    """Streaming extrema; ``update`` takes pixels [N,C] of any numeric dtype."""

    count: int = 0
    excluded: int = 0
    minimum: Array | None = None
    maximum: Array | None = None

    def update(self, pixels: NDArray[Any]) -> None:
        """Take in pixels [N,C]."""
        with np.errstate(invalid="ignore", over="ignore"):
            for block in blocks_of(pixels):
                self._update_block(block)

    def _update_block(self, block: NDArray[Any]) -> None:
        ends = [_as_float64(_over_pixels(operation, block)) for operation in (np.minimum, np.maximum)]
        if not np.isfinite(ends).all():
            block, excluded = finite_pixels(block)
            self.excluded += excluded
            if not len(block):
                return
            ends = [_as_float64(_over_pixels(operation, block)) for operation in (np.minimum, np.maximum)]
        self._include(len(block), *ends)

    def merge(self, other: ExtremaAccumulator) -> None:
        """Add what another accumulator has seen."""
        self.excluded += other.excluded
        if other.minimum is not None and other.maximum is not None:
            self._include(other.count, other.minimum, other.maximum)

    def _include(self, count: int, low: Array, high: Array) -> None:
        self.count += count
        self.minimum = low if self.minimum is None else np.minimum(self.minimum, low)
        self.maximum = high if self.maximum is None else np.maximum(self.maximum, high)

    def result(self) -> BandExtrema:
        """Extrema of everything seen; raises :class:`NoPixels` when that was nothing."""
        if self.minimum is None or self.maximum is None:
            raise NoPixels
        return BandExtrema(self.count, self.minimum, self.maximum)


@dataclass
class MomentsAccumulator:
    """Streaming mean and scatter around a shift fixed by the first block."""

    count: int = 0
    excluded: int = 0
    shift: Array | None = None
    total: Array = field(default_factory=lambda: np.zeros(0))
    gram: Array = field(default_factory=lambda: np.zeros((0, 0)))

    def update(self, pixels: NDArray[Any]) -> None:
        """Take in pixels [N,C], a block at a time in float64."""
        with np.errstate(invalid="ignore", over="ignore"):
            for block in blocks_of(pixels):
                self._update_block(block)

    def _update_block(self, block: NDArray[Any]) -> None:
        shift = self.shift
        if shift is None:
            block = self._only_finite(block)
            if not len(block):
                return
            shift = self._start(_as_float64(block.mean(axis=0, dtype=np.float64)))
        centered = _centered(block, shift)
        total = np.ones(len(block)) @ centered
        if not np.isfinite(total).all():
            block = self._only_finite(block)
            centered = _centered(block, shift)
            total = np.ones(len(block)) @ centered
        self.gram += centered.T @ centered
        self.total += total
        self.count += len(block)

    def _only_finite(self, block: NDArray[Any]) -> NDArray[Any]:
        block, excluded = finite_pixels(block)
        self.excluded += excluded
        return block

    def _start(self, shift: Array) -> Array:
        self.shift = shift
        self.total = np.zeros(len(shift))
        self.gram = np.zeros((len(shift), len(shift)))
        return shift

    def merge(self, other: MomentsAccumulator) -> None:
        """Add what another accumulator has seen, moved to this one's shift; equals one joint accumulation."""
        self.excluded += other.excluded
        if other.shift is None:
            return
        shift = self._start(other.shift) if self.shift is None else self.shift
        delta = other.shift - shift
        cross = np.outer(delta, other.total)
        self.gram += other.gram + cross + cross.T + other.count * np.outer(delta, delta)
        self.total += other.total + other.count * delta
        self.count += other.count

    def result(self) -> BandMoments:
        """Moments of everything seen; raises :class:`NoPixels` when that was nothing."""
        if self.shift is None:
            raise NoPixels
        drift = self.total / self.count
        scatter = self.gram - self.count * np.outer(drift, drift)
        return BandMoments(self.count, self.shift + drift, (scatter + scatter.T) / 2)


class NoPixels(ValueError):
    """Statistics were asked of no finite pixel at all."""


Result = BandExtrema | BandMoments
Accumulator = ExtremaAccumulator | MomentsAccumulator
ACCUMULATORS: dict[str, type[ExtremaAccumulator] | type[MomentsAccumulator]] = {
    Extrema.kind: ExtremaAccumulator,
    Moments.kind: MomentsAccumulator,
}


def finite_pixels(pixels: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """The pixels [N,C] whose every band is finite, and how many were left out."""
    if pixels.dtype.kind != "f":
        return pixels, 0
    with np.errstate(invalid="ignore", over="ignore"):
        if np.isfinite(pixels.sum(dtype=np.float64)):
            return pixels, 0
    keep = np.isfinite(pixels).all(axis=1)
    return pixels[keep], int(len(keep) - keep.sum())


def block_pixels(bands: int) -> int:
    """Pixels at a time: few enough to stay in the caches of a core, enough for a fast product of matrices."""
    return max(_BLOCK_PIXELS, _BLOCK_VALUES // max(bands, 1))


def blocks_of(pixels: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Pixels [N,C], a block at a time."""
    step = block_pixels(pixels.shape[1])
    for start in range(0, len(pixels), step):
        yield pixels[start : start + step]


def _over_pixels(operation: np.ufunc, block: NDArray[Any]) -> NDArray[Any]:
    """``operation`` over the pixels of [N,C], N > 0: many pixels side by side, since NumPy is slow on short rows."""
    bands = block.shape[1]
    wide = max(1, _FOLDED_VALUES // max(bands, 1))
    whole = len(block) // wide * wide
    if not whole or wide == 1:
        return np.asarray(operation.reduce(block, axis=0))
    folded = operation.reduce(block[:whole].reshape(-1, wide * bands), axis=0)
    result = operation.reduce(folded.reshape(wide, bands), axis=0)
    if whole < len(block):
        result = operation(result, operation.reduce(block[whole:], axis=0))
    return np.asarray(result)


def _centered(block: NDArray[Any], shift: Array) -> Array:
    """``block - shift`` in float64; converting first is faster than subtracting from another dtype."""
    centered = np.array(block, dtype=np.float64, order="C")
    pixels, bands = centered.shape
    wide = max(1, _CENTERED_VALUES // max(bands, 1))
    whole = pixels // wide * wide
    if whole:
        rows = centered[:whole].reshape(-1, wide * bands)
        rows -= np.concatenate([shift] * wide)
    centered[whole:] -= shift
    return centered


def _as_float64(values: NDArray[Any]) -> Array:
    return np.asarray(values, dtype=np.float64)

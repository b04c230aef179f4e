"""One image and its values to small pictures: red, green and blue; strongest of every block. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.inspection import TARGETS_NM

LARGEST, SMALL = 512, 192
"""Pixels along a side of the picture at the top of a page, and of one among several."""
_TOLERANCE = 25.0

Floats = NDArray[np.float64]


def step_for(height: int, width: int, largest: int = LARGEST) -> int:
    """Pixels of the image along one side of a pixel of the picture."""
    return max(1, -(-max(height, width) // largest))


def shrink(values: NDArray[Any], step: int) -> NDArray[Any]:
    """The strongest value of every step x step block of an image [H,W]; NaN only where all of a block is NaN."""
    if step == 1:
        return values
    fill = np.nan if values.dtype.kind == "f" else False if values.dtype == bool else 0
    blocks = _blocks(values, step, fill)
    return np.asarray(np.fmax.reduce(blocks, axis=(1, 3)) if values.dtype.kind == "f" else blocks.max((1, 3)))


def choose_bands(bands: int, wavelengths: Sequence[float] | None) -> tuple[tuple[int, int, int], str]:
    """Bands to show as red, green and blue, and the words that name them.

    Those nearest to 665, 560 and 492 nm where each is within 25 nm, else the first, the middle and the last.
    """
    if wavelengths is not None and len(wavelengths) == bands:
        distances = np.abs(np.asarray(wavelengths)[None, :] - np.asarray(TARGETS_NM)[:, None])
        if (distances.min(axis=1) <= _TOLERANCE).all():
            red, green, blue = map(int, distances.argmin(axis=1))
            return (red, green, blue), " / ".join(f"{wavelengths[b]:.0f}" for b in (red, green, blue)) + " nm"
    chosen = (0, bands // 2, bands - 1)
    return chosen, f"bands {' / '.join(str(band + 1) for band in chosen)} of {bands}"


def false_color(cube: NDArray[Any], bands: Sequence[int], step: int) -> NDArray[np.uint8]:
    """Bands of a cube [H,W,C] as a picture [h,w,3]: block means, each stretched from its 2nd to 98th percentile.

    Pixels without data are white.
    """
    planes = [np.where(np.isfinite(p := cube[..., b].astype(np.float64)), p, np.nan) for b in bands]
    picture = np.stack([_stretched(_block_means(plane, step)) for plane in planes], axis=-1)
    picture[~np.isfinite(picture).all(axis=-1)] = 1.0
    return np.asarray(np.rint(picture * 255), np.uint8)


def picture(value: NDArray[Any], step: int) -> tuple[NDArray[Any], list[int]]:
    """A value [H,W,K] as a picture, and the bands it shows.

    One band and decisions are the plane [h,w] of their strongest values, anything else false colours [h,w,3].
    """
    if value.shape[-1] == 1 or value.dtype.kind != "f":
        plane = value[..., 0].astype(np.float32) if value.dtype.kind == "f" else value[..., 0]
        return shrink(plane, step), [0]
    chosen = list(range(min(3, value.shape[-1])))
    return false_color(value, (*chosen, *chosen[-1:] * (3 - len(chosen))), step), chosen


def _stretched(plane: Floats) -> Floats:
    known = plane[np.isfinite(plane)]
    if not known.size:
        return plane
    low, high = np.percentile(known, (2, 98))
    return np.asarray(np.clip((plane - low) / max(high - low, np.finfo(np.float64).tiny), 0, 1))


def _block_means(plane: Floats, step: int) -> Floats:
    if step == 1:
        return plane
    blocks = _blocks(plane, step, np.nan)
    known = np.isfinite(blocks)
    counts = known.sum(axis=(1, 3))
    sums = np.where(known, blocks, 0).sum(axis=(1, 3))
    return np.asarray(np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0))


def _blocks(values: NDArray[Any], step: int, fill: float) -> NDArray[Any]:
    height, width = values.shape
    padding = ((0, -height % step), (0, -width % step))
    padded = np.pad(values, padding, constant_values=fill)
    return padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step)

"""A cube to a false-colour picture and the words that name its bands. NumPy only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

TARGETS = (665.0, 560.0, 492.0)
TOLERANCE = 25.0


def false_color(
    cube: NDArray[Any], wavelengths: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], str]:
    """Red, green and blue in [0, 1] of a cube [H,W,C], and the bands they show.

    The bands nearest to 665, 560 and 492 nm where each is within 25 nm, else the first, the middle and the
    last. Each is stretched from its 2nd to its 98th percentile; pixels that are not finite are white.
    """
    chosen = choose_bands(cube.shape[-1], wavelengths)
    picture = np.stack([_stretched(cube[..., band].astype(np.float64)) for band in chosen], axis=-1)
    picture[~np.isfinite(picture).all(axis=-1)] = 1.0
    return picture, name_bands(chosen, cube.shape[-1], wavelengths)


def choose_bands(bands: int, wavelengths: NDArray[np.float64] | None) -> tuple[int, int, int]:
    """Indices of the bands shown as red, green and blue."""
    if wavelengths is not None:
        distances = np.abs(wavelengths[None, :] - np.array(TARGETS)[:, None])
        if (distances.min(axis=1) <= TOLERANCE).all():
            red, green, blue = distances.argmin(axis=1)
            return int(red), int(green), int(blue)
    return 0, bands // 2, bands - 1


def name_bands(chosen: tuple[int, int, int], bands: int, wavelengths: NDArray[np.float64] | None) -> str:
    """Words for a title: wavelengths where known, else band numbers counted from 1."""
    if wavelengths is not None:
        return " / ".join(f"{wavelengths[band]:.0f}" for band in chosen) + " nm"
    return "bands " + " / ".join(str(band + 1) for band in chosen) + f" of {bands}"


def _stretched(band: NDArray[np.float64]) -> NDArray[np.float64]:
    known = band[np.isfinite(band)]
    if not known.size:
        return band
    low, high = np.percentile(known, (2, 98))
    return np.asarray(np.clip((band - low) / max(high - low, np.finfo(np.float64).tiny), 0.0, 1.0))

"""Curves to few points and scores to the bins of a histogram, without losing what a reader must see. NumPy only."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
POINTS = 400


def thin(x: Floats, y: Floats, points: int = POINTS) -> tuple[Floats, Floats]:
    """A curve with at most about `points` points: its ends, and of every stretch the lowest and the highest y.

    `x` [n] is monotonic, or nearly so; what is drawn at the width of a page looks the same.
    """
    if x.size <= points:
        return x, y
    stretches = np.linspace(0, x.size, max(points // 2, 1) + 1).astype(np.int64)
    kept = {0, x.size - 1}
    for begin, end in pairwise(stretches.tolist()):
        piece = y[begin:end]
        if np.isfinite(piece).any():
            kept |= {begin + int(np.nanargmin(piece)), begin + int(np.nanargmax(piece))}
        else:
            kept.add(begin)
    index = np.fromiter(sorted(kept), np.int64)
    return x[index], y[index]


def thin_along(x: Floats, y: Floats, points: int = POINTS) -> tuple[Floats, Floats]:
    """A curve in the unit square with at most about `points` points, evenly spaced along its length, its ends kept."""
    if x.size <= points:
        return x, y
    across, up = np.diff(x), np.diff(y)
    # Points on a straight line between their neighbours change nothing that is drawn.
    turns = np.abs(across[:-1] * up[1:] - across[1:] * up[:-1]) > 1e-15
    kept = np.concatenate([[True], turns, [True]])
    x, y = x[kept], y[kept]
    if x.size <= points:
        return x, y
    length = np.cumsum(np.abs(np.diff(x, prepend=x[0])) + np.abs(np.diff(y, prepend=y[0])))
    cell = np.floor(length * points / max(float(length[-1]), 1e-300))
    kept = np.append(np.diff(cell) > 0, True)
    kept[0] = True
    return x[kept], y[kept]


def histogram_edges(
    values: Floats, threshold: float | None = None, rare: Floats | None = None, bins: int = 80
) -> Floats:
    """Edges [bins+1] over finite values; a tail that would leave nothing else visible is cut.

    The tail is long when the largest value lies four times as far from the median as the 99.5th percentile. What is
    kept reaches well beyond the threshold, and to nearly all of the values in `rare`.
    """
    low, high = float(values.min()), float(values.max())
    middle, far = (float(value) for value in np.percentile(values, (50, 99.5)))
    if high - middle > 4 * (far - middle):
        reaches = [far]
        if threshold is not None:
            reaches.append(threshold + 0.5 * (threshold - low))
        if rare is not None and rare.size:
            reaches.append(float(np.percentile(rare, 97)))
        high = min(high, max(reaches))
    if threshold is not None and np.isfinite(threshold):
        span = max(high - low, 1e-300)
        if high < threshold < high + span:
            high = threshold + 0.05 * span
        if low - span < threshold < low:
            low = threshold - 0.05 * span
    if not high > low:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, bins + 1)


def histogram(
    normal: NDArray[Any], anomalous: NDArray[Any] | None, threshold: float | None
) -> dict[str, NDArray[Any]]:
    """`edges`, and counts of `normal` and `anomalous` scores between them; `beyond` counts those below and above.

    Scores are without NaN; infinite ones are left out. Nothing where no score is left.
    """
    groups = {"normal": normal} | ({} if anomalous is None else {"anomalous": anomalous})
    kept = {name: _finite(scores) for name, scores in groups.items()}
    values = np.concatenate(list(kept.values()))
    if not values.size:
        return {}
    edges = histogram_edges(values, threshold, kept.get("anomalous"))
    beyond = [np.count_nonzero(values < edges[0]), np.count_nonzero(values > edges[-1])]
    counts = {name: np.histogram(scores, edges)[0] for name, scores in kept.items()}
    return {"edges": edges, **counts, "beyond": np.array(beyond)}


def _finite(values: NDArray[Any]) -> NDArray[Any]:
    """The finite values; those given, not a copy, where that is all of them."""
    known = np.isfinite(values)
    return values if known.all() else values[known]

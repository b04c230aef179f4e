"""Outlines and run lengths of COCO annotations to pixels. NumPy only.

Coordinates are (x, y) in pixels from the top left corner of the image: the first pixel's centre is (0.5, 0.5).
Everything here raises ValueError with a short fact; the caller says where it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_EDGES_AT_ONCE = 1024


def fill_polygon(covered: NDArray[np.bool_], polygon: Any, corner: tuple[int, int] = (0, 0)) -> None:
    """Add to [H,W] the pixels whose centre lies inside [x0, y0, x1, y1, ...], by the even-odd rule.

    `corner` (x, y) is where in the image the first pixel of `covered` is.
    """
    vertices = _vertices(polygon) - corner
    height, width = covered.shape
    left, top = np.clip(np.floor(vertices.min(axis=0)), 0, (width, height)).astype(int)
    right, bottom = np.clip(np.ceil(vertices.max(axis=0)), 0, (width, height)).astype(int)
    x, y = (vertices - (left, top)).T
    x2, y2 = np.roll(x, -1), np.roll(y, -1)
    toggles = np.zeros((bottom - top, right - left + 1), np.int64)
    for start in range(0, len(x), _EDGES_AT_ONCE):
        part = slice(start, start + _EDGES_AT_ONCE)
        _toggle(toggles, x[part], y[part], x2[part], y2[part])
    # Right of an odd number of edges is inside.
    inside = np.cumsum(toggles[:, :-1], axis=1) % 2 == 1
    covered[top:bottom, left:right] |= inside


def read_runs(counts: Any) -> list[int]:
    """Lengths of runs, background first, from a list or from COCO's compressed text."""
    runs = _decompress(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not runs:
        raise ValueError("`counts` is no list of run lengths")
    if not all(isinstance(run, int) and not isinstance(run, bool) and run >= 0 for run in runs):
        raise ValueError("`counts` holds a run length that is not a whole number from 0")
    return runs


def fill_runs(runs: Sequence[int], height: int, width: int) -> NDArray[np.bool_]:
    """Every second run, column by column."""
    if sum(runs) != height * width:
        raise ValueError(f"the run lengths add up to {sum(runs)}; {height}x{width} pixels are wanted")
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape((height, width), order="F")


def _vertices(polygon: Any) -> NDArray[np.float64]:
    numbers = isinstance(polygon, list) and all(type(value) in (int, float) for value in polygon)
    if not numbers or len(polygon) < 6 or len(polygon) % 2:
        raise ValueError("a polygon is a list of at least three points: x0, y0, x1, y1, x2, y2")
    try:
        vertices = np.array(polygon, np.float64).reshape(-1, 2)
    except OverflowError:
        raise ValueError("a polygon has a coordinate that is not finite") from None
    if not (np.abs(vertices) < 2**31).all():
        raise ValueError("a polygon has a coordinate that is not finite or beyond 2^31")
    return vertices


def _toggle(
    toggles: NDArray[np.int64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    x2: NDArray[np.float64],
    y2: NDArray[np.float64],
) -> None:
    """For every row that an edge crosses, count the crossing at the first pixel whose centre is right of it."""
    height, width = toggles.shape[0], toggles.shape[1] - 1
    top = np.clip(np.ceil(np.minimum(y, y2) - 0.5), 0, height).astype(np.int64)
    bottom = np.clip(np.ceil(np.maximum(y, y2) - 0.5), 0, height).astype(np.int64)
    crossed = bottom - top
    edge = np.repeat(np.arange(len(x)), crossed)
    first = np.repeat(np.cumsum(crossed) - crossed, crossed)
    row = np.repeat(top, crossed) + np.arange(len(edge)) - first
    along = (row + 0.5 - y[edge]) / (y2 - y)[edge]
    crossing = x[edge] + along * (x2 - x)[edge]
    column = np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.int64)
    np.add.at(toggles, (row, column), 1)


def _decompress(text: str) -> list[int]:
    """COCO's text: five bits a character, lowest first; from the fourth run on, differences to the one two before."""
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError("`counts` is no run lengths in COCO's text form")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("`counts` is cut short")
    return runs

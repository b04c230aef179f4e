"""A plane that comes in blocks as a small picture: heat for scores, a colour a class, three bands as colours.

NumPy only, never torch. Memory is that of the picture, however large the plane is.
"""

from __future__ import annotations

from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.data.source import Block
from cuvisc.runtime.data.writers.plane import Plane
from cuvisc.runtime.report.layers import heat, limits
from cuvisc.runtime.report.outcomes import NO_DATA
from cuvisc.runtime.report.palette import OUTCOMES, rgb
from cuvisc.runtime.report.png import encode

LARGEST = 1024


class QuickLook:
    """A picture of (rows, columns); where pixels share one of its own, it shows the largest, so that none is lost."""

    def __init__(self, path: Path, size: tuple[int, int], plane: Plane) -> None:
        self._path, self._plane = path, plane
        self._step = ceil(max(*size, 1) / LARGEST)
        shape = (ceil(size[0] / self._step), ceil(size[1] / self._step), min(plane.bands, 3))
        self._values = np.full(shape, np.nan, np.float32)

    def put(self, block: Block, values: NDArray[Any], without: NDArray[np.bool_]) -> None:
        """The values [rows,columns,bands] of a block; `without` [rows,columns] have none."""
        seen = values[..., : self._values.shape[2]].astype(np.float32)
        seen[without] = np.nan
        rows, top, bottom = self._cells(block.top, block.bottom)
        columns, left, right = self._cells(block.left, block.right)
        largest = np.fmax.reduceat(np.fmax.reduceat(seen, rows, axis=0), columns, axis=1)
        place = self._values[top:bottom, left:right]
        np.fmax(place, largest, out=place)

    def save(self) -> None:
        """Write the PNG."""
        self._path.write_bytes(self._drawn())

    def _cells(self, begin: int, end: int) -> tuple[list[int], int, int]:
        """Where the picture's pixels begin in a block, and which they are."""
        first, last = begin // self._step, (end - 1) // self._step + 1
        return [max(cell * self._step - begin, 0) for cell in range(first, last)], first, last

    def _drawn(self) -> bytes:
        without = np.isnan(self._values).any(axis=-1)
        if self._plane.classes is not None and self._plane.bands == 1:
            index = np.where(without, 255, np.nan_to_num(self._values[..., 0])).astype(np.uint8)
            colors = np.zeros((256, 3), np.uint8)
            colors[: len(self._plane.classes)] = self._plane.colors
            colors[255] = rgb(OUTCOMES[NO_DATA])
            return encode(index, colors)
        if self._values.shape[2] < 3:
            return heat(self._values[..., 0], *limits(self._values[..., 0]))
        pixels = np.empty(self._values.shape, np.uint8)
        for band in range(3):
            values = self._values[..., band]
            low, high = limits(values)
            scaled = (np.nan_to_num(values, posinf=high, neginf=low) - low) / max(high - low, 1e-30)
            pixels[..., band] = np.rint(np.clip(scaled, 0, 1) * 255)
        pixels[without] = rgb(OUTCOMES[NO_DATA])
        return encode(pixels)

"""Values of a file that keeps bands apart, put in the order of pixels. NumPy only, never torch.

Where the same pixel of every band lies a power of two apart, as in images 512 or 1024 pixels wide, all those values
compete for the same few lines of a cache, and a plain transposition takes several times as long. Such values are
copied first to where they do not.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LINE = 64
_ALIASED = 512
_AT_ONCE = 2**20


class PixelOrder:
    """Blocks [rows,columns,bands] of any memory and byte order as C order in `dtype`."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self._between = np.empty(0, np.uint8)

    def put(self, values: NDArray[Any]) -> NDArray[Any]:
        """The block in C order, aligned, in native byte order; itself where it is so already."""
        if not _aliased(values):
            return np.require(values, self._dtype, ["C_CONTIGUOUS", "ALIGNED"])
        ordered = np.empty(values.shape, self._dtype)
        step = max(1, _AT_ONCE // values[:1].nbytes)
        for top in range(0, len(values), step):
            ordered[top : top + step] = self._spread(values[top : top + step])
        return ordered

    def _spread(self, values: NDArray[Any]) -> NDArray[Any]:
        """A copy, in the same order of axes, whose bands lie an odd number of cache lines apart."""
        order = sorted(range(3), key=lambda axis: -abs(values.strides[axis]))
        lengths = [values.shape[axis] for axis in order]
        place = order.index(2)
        outer, inner = math.prod(lengths[:place]), math.prod(lengths[place + 1 :])
        size = values.dtype.itemsize
        step = (-(-inner * size // _LINE) | 1) * _LINE
        wanted = outer * lengths[place] * step
        if len(self._between) < wanted:
            self._between = np.empty(wanted, np.uint8)
        rows = self._between[:wanted].view(values.dtype).reshape(outer, lengths[place], step // size)
        copy = rows[:, :, :inner].reshape(lengths)
        copy[...] = values.transpose(order)
        return copy.transpose(np.argsort(order))


def _aliased(values: NDArray[Any]) -> bool:
    """Whether the bands of a pixel lie a multiple of a large power of two apart."""
    return values.size > 0 and values.shape[2] > 1 and values.strides[2] % _ALIASED == 0

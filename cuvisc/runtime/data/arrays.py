"""How a reader hands over an array: in C order from start to end, or slice by slice. NumPy only, never torch."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.data.facts import CubeFacts

WINDOW_BYTES = 2**25
"""A window of a file that stores bands, tiles or chunks apart: large enough that each part is a sizeable read."""
RUN_BYTES = 2**23
"""A window of a file that is read from start to end: few reads, and all of it still in a cache when it is used."""


@runtime_checkable
class ArrayFile(Protocol):
    """An array that is read once, from start to end."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def read_next(self, count: int) -> NDArray[Any]:
        """The next `count` items in C order, flat; raises :class:`DataError` when the file ends early."""

    def close(self) -> None:
        """Let go of the file."""


@runtime_checkable
class SlicedFile(Protocol):
    """An array of which any box can be read.

    Boxes of `grain` items an axis cost nothing extra; larger ones save reads up to about `window_bytes`.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    grain: tuple[int, ...]
    window_bytes: int

    def read(self, box: tuple[slice, ...]) -> NDArray[Any]:
        """The values of a box, with steps of 1, in any memory order; raises :class:`DataError`."""

    def close(self) -> None:
        """Let go of the file."""


class Opened(NamedTuple):
    """What a reader returns: the facts of a file and its values."""

    facts: CubeFacts
    file: ArrayFile | SlicedFile


class MemoryArray:
    """An array in memory or mapped into it, any order and byte order, as an :class:`ArrayFile`."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.shape, self.dtype = array.shape, array.dtype
        self._flat = array.reshape(-1) if array.flags.c_contiguous else None
        self._array = array
        self._position = 0

    def read_next(self, count: int) -> NDArray[Any]:
        """The next items, without a copy where the array is in C order."""
        start, self._position = self._position, self._position + count
        if self._flat is not None:
            return self._flat[start : self._position]
        return self._gather(start, self._position)

    def close(self) -> None:
        """Nothing to let go of: the mapping ends with the last array that reads it."""

    def _gather(self, start: int, stop: int) -> NDArray[Any]:
        """Items start:stop in C order, reading only the slices of the first axis that hold them."""
        inner = math.prod(self.shape[1:])
        if self._array.ndim > 1 and inner > stop - start:
            first = start // inner
            if (stop - 1) // inner == first:
                part = MemoryArray(self._array[first])
                part._position = start - first * inner
                return part.read_next(stop - start)
        first, last = start // inner, -(-stop // inner)
        return self._array[first:last].reshape(-1)[start - first * inner : stop - first * inner]

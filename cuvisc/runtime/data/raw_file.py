"""Plain numbers at an offset of a file, in any order of the axes, read box by box with ordinary reads. NumPy only.

Ordinary reads, not a mapping: memory stays what a box takes, and a file that shrinks meanwhile is an error, not a
crash.
"""

from __future__ import annotations

import itertools
import math
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.data.arrays import RUN_BYTES, WINDOW_BYTES
from cuvisc.schema.errors import DataError

_CHUNK = 2**26


class RawFile:
    """A :class:`SlicedFile`: `stored` is the shape in the file in C order, axis `i` of the array is `axes[i]` of it."""

    def __init__(
        self,
        stream: IO[bytes],
        name: str,
        offset: int,
        dtype: np.dtype[Any],
        stored: tuple[int, ...],
        axes: tuple[int, ...],
    ) -> None:
        self._stream, self._name, self._offset = stream, name, offset
        self._stored, self._axes = stored, axes
        self.shape = tuple(stored[axis] for axis in axes)
        self.dtype = dtype
        self.grain = grain_of(self.shape, axes)
        row = max(len(stored) - 3, 0)
        self.window_bytes = RUN_BYTES if axes[row] <= row else WINDOW_BYTES

    def read(self, box: tuple[slice, ...]) -> NDArray[Any]:
        """The values of a box."""
        ranges = [range(0)] * len(box)
        for axis, part in zip(self._axes, box, strict=True):
            ranges[axis] = range(*part.indices(self._stored[axis]))
        inner = ranges[-1]
        ranges[-1] = range(self._stored[-1])  # whole runs: a part of the fastest axis is cut out in memory
        values = self._read_runs(ranges)[..., inner.start : inner.stop]
        return values.transpose(self._axes)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _read_runs(self, ranges: list[range]) -> NDArray[Any]:
        """A box of whole runs of the fastest axis, as few reads as it takes."""
        whole = len(ranges)
        while whole > 0 and len(ranges[whole - 1]) == self._stored[whole - 1]:
            whole -= 1
        outer = ranges[: max(whole - 1, 0)]
        last = ranges[whole - 1] if whole else range(1)
        inner = math.prod(self._stored[whole:])
        strides = [math.prod(self._stored[axis + 1 :]) for axis in range(len(ranges))]
        values = np.empty([len(part) for part in ranges], self.dtype)
        target = values.reshape(-1).view(np.uint8).data if values.size else memoryview(b"")
        length = len(last) * inner * self.dtype.itemsize
        position = 0
        for index in itertools.product(*outer):
            start = last.start * inner + sum(i * stride for i, stride in zip(index, strides, strict=False))
            self._fill(self._offset + start * self.dtype.itemsize, target[position : position + length])
            position += length
        return values

    def _fill(self, offset: int, target: memoryview) -> None:
        try:
            self._stream.seek(offset)
            done = 0
            while done < len(target):
                count = self._stream.readinto(target[done : done + _CHUNK])  # type: ignore[attr-defined]
                if not count:
                    raise DataError(f"{self._name} is cut short")
                done += count
        except (OSError, ValueError) as error:
            raise DataError(
                f"cannot read {self._name}: {getattr(error, 'strerror', None) or error}"
            ) from error


def grain_of(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """The box that costs no extra reads in a plain file: one item of the slowest of rows and columns."""
    if len(shape) < 2:
        return shape
    first = max(len(shape) - 3, 0)
    pixel_axes = range(first, first + 2) if len(shape) > 2 else range(2)
    slowest = min(pixel_axes, key=axes.__getitem__)
    return tuple(1 if axis == slowest or axis < first else length for axis, length in enumerate(shape))

"""A rectangle of an array in a file to values in memory; no more is held than that. NumPy only, never torch."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.data.arrays import ArrayFile, SlicedFile
from cuvisc.runtime.data.opening import open_cube
from cuvisc.runtime.data.tiles import Box
from cuvisc.schema.errors import DataError

_SKIPPED_AT_ONCE = 2**20


def read_window(path: Path, key: str | None, box: Box) -> NDArray[Any]:
    """Rows and columns of an array [H,W,...], in native byte order; raises :class:`DataError`.

    A file that is only read from start to end (compressed `.npz`) is read up to the last row of the box.
    """
    file = open_cube(path, key).file
    try:
        _check_inside(path, file.shape, box)
        values = _sliced(file, box) if isinstance(file, SlicedFile) else _in_sequence(file, box)
        return np.array(values, dtype=file.dtype.newbyteorder("="), order="C")
    except MemoryError as error:
        raise DataError(f"{path}: {box.height}x{box.width} pixels at once do not fit in memory") from error
    finally:
        file.close()


def _check_inside(path: Path, shape: tuple[int, ...], box: Box) -> None:
    """A file may have been replaced since it was described."""
    if len(shape) < 2 or box.bottom > shape[0] or box.right > shape[1]:
        raise DataError(f"{path} has the shape {shape}, which has no pixels [{box}]")


def _sliced(file: SlicedFile, box: Box) -> NDArray[Any]:
    rest = tuple(slice(0, length) for length in file.shape[2:])
    return file.read((slice(box.top, box.bottom), slice(box.left, box.right), *rest))


def _in_sequence(file: ArrayFile, box: Box) -> NDArray[Any]:
    row = math.prod(file.shape[1:])
    before = box.top * row
    while before:
        step = min(before, _SKIPPED_AT_ONCE)
        file.read_next(step)
        before -= step
    rows = file.read_next(box.height * row).reshape(box.height, *file.shape[1:])
    return rows[:, box.left : box.right]

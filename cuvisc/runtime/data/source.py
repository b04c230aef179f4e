"""A cube on disk or in memory as a sequence of pixel blocks, in constant memory. NumPy only, never torch.

`open_array` finds the reader by the file's suffix; `CubeSource` gives the array the shape [B,H,W,C] and cuts it.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.data import readers
from cuvisc.schema.errors import DataError

_NUMERIC = "uif"


class ArrayFile(Protocol):
    """One array of a file, as a reader opens it."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def read_next(self, count: int) -> NDArray[Any]:
        """The next `count` items in C order, flat; raises :class:`DataError` when the file ends early."""

    def close(self) -> None:
        """Let go of the file."""


class Block(NamedTuple):
    """Rows `top:bottom` and columns `left:right` of one image."""

    image: int
    top: int
    bottom: int
    left: int
    right: int

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return (self.bottom - self.top) * (self.right - self.left)


def cut(shape: tuple[int, int, int, int], pixels: int) -> Iterator[Block]:
    """Blocks of at most `pixels` pixels that follow each other in C order and cover [B,H,W,C].

    Whole rows where a row fits, parts of one row where it does not.
    """
    images, height, width, _ = shape
    rows, columns = max(1, pixels // max(width, 1)), min(width, pixels)
    for image in range(images):
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            for left in range(0, width, columns):
                yield Block(image, top, bottom, left, min(left + columns, width))


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


class CubeSource:
    """A cube [B,H,W,C], [H,W,C] or [N,C] (spectra) read block by block, once, from start to end."""

    def __init__(self, file: ArrayFile, name: str) -> None:
        self._file = file
        self.name = name
        self.array_shape = file.shape
        self.shape = _as_images(file.shape, name)
        if file.dtype.kind not in _NUMERIC or file.dtype.itemsize > 8:
            raise DataError(f"{name} holds {file.dtype}; a cube is of whole or floating-point numbers")
        self.dtype = file.dtype.newbyteorder("=")

    @classmethod
    def open(cls, path: Path, key: str = "cube") -> CubeSource:
        """Open a file by its suffix; raises :class:`DataError`."""
        return cls(open_array(path, key), str(path))

    @classmethod
    def of(cls, array: NDArray[Any], name: str = "the cube") -> CubeSource:
        """An array in memory."""
        return cls(MemoryArray(array), name)

    @property
    def pixels(self) -> int:
        """Number of pixels of all images."""
        return math.prod(self.shape[:3])

    def blocks(self, pixels: int) -> Iterator[tuple[Block, NDArray[Any]]]:
        """Every block with its values [rows, columns, C]: native byte order, contiguous, aligned."""
        bands = self.shape[3]
        for block in cut(self.shape, pixels):
            try:
                values = self._file.read_next(block.pixels * bands)
                shaped = values.reshape(block.bottom - block.top, block.right - block.left, bands)
                yield block, np.require(shaped, self.dtype, ["C_CONTIGUOUS", "ALIGNED"])
            except MemoryError as error:
                raise DataError(f"{self.name}: {block.pixels} pixels at once do not fit in memory") from error

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_array(path: Path, key: str) -> ArrayFile:
    """Open one array of a file with the reader of its suffix; raises :class:`DataError`."""
    known: dict[str, ModuleType] = {}
    for info in pkgutil.iter_modules(readers.__path__):
        reader = importlib.import_module(f"{readers.__name__}.{info.name}")
        known.update(dict.fromkeys(getattr(reader, "SUFFIXES", ()), reader))
    reader_of_suffix = known.get(path.suffix.lower())
    if reader_of_suffix is None:
        kind = f"`{path.suffix}` files" if path.suffix else "files without a suffix"
        raise DataError(f"{path}: there is no reader for {kind}; there is one for {', '.join(sorted(known))}")
    if not path.is_file():
        raise DataError(f"{path} {'is not a file' if path.exists() else 'does not exist'}")
    try:
        opened: ArrayFile = reader_of_suffix.open_array(path, key)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    return opened


def read_array(path: Path, key: str) -> NDArray[Any]:
    """A whole array in memory, native byte order; raises :class:`DataError`."""
    file = open_array(path, key)
    try:
        flat = file.read_next(math.prod(file.shape))
        return np.array(flat, dtype=file.dtype.newbyteorder("=")).reshape(file.shape)
    except MemoryError as error:
        raise DataError(f"{path}: `{key}` {file.shape} does not fit in memory") from error
    finally:
        file.close()


def _as_images(shape: tuple[int, ...], name: str) -> tuple[int, int, int, int]:
    if 0 in shape:
        raise DataError(f"{name}: the cube is empty, its shape is {shape}")
    if len(shape) == 4:
        return shape[0], shape[1], shape[2], shape[3]
    if len(shape) == 3:
        return 1, shape[0], shape[1], shape[2]
    if len(shape) == 2:
        return 1, shape[0], 1, shape[1]
    raise DataError(
        f"{name}: a cube is [H,W,C], [B,H,W,C] or [N,C]; this array has {len(shape)} axes, its shape is {shape}"
    )

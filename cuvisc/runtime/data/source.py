"""A cube on disk or in memory as a sequence of pixel blocks, in constant memory. NumPy only, never torch.

`CubeSource` gives the array the shape [B,H,W,C] and cuts it; how the file stores it is its reader's affair.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.data.arrays import WINDOW_BYTES, ArrayFile, MemoryArray, Opened, SlicedFile
from cuvisc.runtime.data.facts import CubeFacts
from cuvisc.runtime.data.opening import open_cube, read_array
from cuvisc.runtime.data.pixel_order import PixelOrder
from cuvisc.schema.errors import DataError

__all__ = ["Block", "CubeSource", "cut", "read_array"]

_NUMERIC = "uif"
# A grain is read whole up to this size.
_GRAIN_BYTES = 2**28


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
    for image in range(shape[0]):
        yield from cut_block(Block(image, 0, shape[1], 0, shape[2]), pixels)


def cut_block(whole: Block, pixels: int) -> Iterator[Block]:
    """Blocks of at most `pixels` pixels that cover a block in C order."""
    width = whole.right - whole.left
    rows, columns = max(1, pixels // max(width, 1)), min(width, pixels)
    for top in range(whole.top, whole.bottom, rows):
        bottom = min(top + rows, whole.bottom)
        for left in range(whole.left, whole.right, columns):
            yield Block(whole.image, top, bottom, left, min(left + columns, whole.right))


def windows(
    shape: tuple[int, int, int, int], grain: tuple[int, int], pixel_bytes: int, pixels: int
) -> Iterator[Block]:
    """Windows of whole grains (rows, columns), of about `pixels` pixels, that cover [B,H,W,C] row by row of windows."""
    images, height, width, _ = shape
    budget = max(pixels, 1)
    rows, columns = min(grain[0], height), min(grain[1], width)
    if rows * columns * pixel_bytes > _GRAIN_BYTES:
        rows = max(1, _GRAIN_BYTES // (columns * pixel_bytes))
        columns = min(columns, max(1, _GRAIN_BYTES // pixel_bytes))
    columns = min(width, max(1, budget // (rows * columns)) * columns)
    if columns == width:
        rows = min(height, max(1, budget // (rows * width)) * rows)
    for image in range(images):
        for top in range(0, height, rows):
            for left in range(0, width, columns):
                yield Block(image, top, min(top + rows, height), left, min(left + columns, width))


class CubeSource:
    """A cube [B,H,W,C], [H,W,C] or [N,C] (spectra) read block by block, once."""

    def __init__(self, opened: Opened, name: str) -> None:
        self._file = opened.file
        self.facts = opened.facts
        self.name = name
        self.array_shape = opened.file.shape
        self.shape = _as_images(self.array_shape, name)
        dtype = opened.file.dtype
        if dtype.kind not in _NUMERIC or dtype.itemsize > 8:
            raise DataError(f"{name} holds {dtype}; a cube is of whole or floating-point numbers")
        self.dtype = dtype.newbyteorder("=")
        self._order = PixelOrder(self.dtype)

    @classmethod
    def open(cls, path: Path, key: str | None = None) -> CubeSource:
        """Open a file by its format; `key` names the array where it holds several. Raises :class:`DataError`."""
        opened = open_cube(path, key)
        try:
            return cls(opened, str(path))
        except DataError:
            opened.file.close()
            raise

    @classmethod
    def of(cls, array: NDArray[Any], name: str = "the cube") -> CubeSource:
        """An array in memory."""
        return cls(Opened(CubeFacts("memory", array.shape, array.dtype), MemoryArray(array)), name)

    @property
    def in_memory(self) -> bool:
        """Whether blocks are there before they are asked for."""
        return isinstance(self._file, MemoryArray)

    @property
    def pixels(self) -> int:
        """Number of pixels of all images."""
        return math.prod(self.shape[:3])

    def blocks(self, pixels: int) -> Iterator[tuple[Block, NDArray[Any]]]:
        """Every block with its values [rows, columns, C]: native byte order, contiguous, aligned.

        Arrays in memory and files read from start to end give their blocks in C order; others window by window, so
        that every part of the file is read once.
        """
        try:
            if isinstance(self._file, SlicedFile):
                yield from self._sliced(self._file, pixels)
            else:
                yield from self._sequence(self._file, pixels)
        except MemoryError as error:
            raise DataError(f"{self.name}: {pixels} pixels at once do not fit in memory") from error

    def bands(self, chosen: tuple[int, ...], step: int = 1) -> NDArray[Any]:
        """Some bands of the first image as [rows, columns, bands], every `step`-th row and column."""
        height, width = self.shape[1:3]
        rows, columns = -(-height // step), -(-width // step)
        picture = np.empty((rows, columns, len(chosen)), self.dtype)
        for block, values in self.blocks(max(width, WINDOW_BYTES // (self.shape[3] * self.dtype.itemsize))):
            if block.image:
                break
            top, left = -block.top % step, -block.left % step
            part = values[top::step, left::step][..., chosen]
            row, column = (block.top + top) // step, (block.left + left) // step
            picture[row : row + part.shape[0], column : column + part.shape[1]] = part
        return picture

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _sequence(self, file: ArrayFile, pixels: int) -> Iterator[tuple[Block, NDArray[Any]]]:
        bands = self.shape[3]
        for block in cut(self.shape, pixels):
            shape = (block.bottom - block.top, block.right - block.left, bands)
            yield block, self._order.put(file.read_next(block.pixels * bands).reshape(shape))

    def _sliced(self, file: SlicedFile, pixels: int) -> Iterator[tuple[Block, NDArray[Any]]]:
        _, height, width, bands = self.shape
        if pixels >= height * width:
            parts: Iterator[Block] = cut(self.shape, height * width)
        else:
            pixel_bytes = bands * self.dtype.itemsize
            wanted = max(1, file.window_bytes // (pixel_bytes * pixels)) * pixels
            parts = windows(self.shape, self._grain(file), pixel_bytes, wanted)
        for window in parts:
            values = file.read(self._box(window))
            values = values.reshape(window.bottom - window.top, window.right - window.left, bands)
            for block in cut_block(window, pixels):
                rows = slice(block.top - window.top, block.bottom - window.top)
                columns = slice(block.left - window.left, block.right - window.left)
                yield block, self._order.put(values[rows, columns])

    def _grain(self, file: SlicedFile) -> tuple[int, int]:
        """Grain in rows and columns."""
        axes = len(file.shape)
        return (file.grain[0], 1) if axes == 2 else (file.grain[axes - 3], file.grain[axes - 2])

    def _box(self, block: Block) -> tuple[slice, ...]:
        rows, columns = slice(block.top, block.bottom), slice(block.left, block.right)
        bands = slice(0, self.shape[3])
        return {
            4: (slice(block.image, block.image + 1), rows, columns, bands),
            3: (rows, columns, bands),
            2: (rows, bands),
        }[len(self.array_shape)]


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

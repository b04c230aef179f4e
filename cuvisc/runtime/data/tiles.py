"""An image to rectangles: tiles that cover it, and blocks that stages are made of. Pure Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Box(NamedTuple):
    """Rows `top:bottom` and columns `left:right` of an image."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.right - self.left

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.height * self.width

    def shared(self, other: Box) -> int:
        """Number of pixels that two boxes have in common."""
        rows = min(self.bottom, other.bottom) - max(self.top, other.top)
        columns = min(self.right, other.right) - max(self.left, other.left)
        return max(rows, 0) * max(columns, 0)

    def __str__(self) -> str:
        return f"{self.top}:{self.bottom}, {self.left}:{self.right}"


def overlapping_tiles(box: Box, size: int, overlap: int) -> list[Box]:
    """Tiles of `size` x `size` that cover a box, each `overlap` pixels into the one before.

    The last of a row or column is moved inwards, so that all are of one size; a box smaller than a tile is one tile.
    """
    rows = _steps(box.top, box.bottom, size, size - overlap)
    columns = _steps(box.left, box.right, size, size - overlap)
    return [Box(*row, *column) for row in rows for column in columns]


def separate_tiles(box: Box, size: int) -> list[Box]:
    """Tiles of at most `size` x `size` that cover every pixel of a box once; the last of a row or column is smaller."""
    return [
        Box(top, min(top + size, box.bottom), left, min(left + size, box.right))
        for top in range(box.top, box.bottom, size)
        for left in range(box.left, box.right, size)
    ]


def blocks_of(height: int, width: int, size: int) -> dict[tuple[int, int], Box]:
    """Blocks that cover every pixel of an image once, by row and column of blocks.

    A side is at least `size` (where the image is) and less than twice that: what is left over goes to the last block.
    """
    rows, columns = (_spans(length, size) for length in (height, width))
    return {(i, j): Box(*row, *column) for i, row in enumerate(rows) for j, column in enumerate(columns)}


def with_buffer(
    blocks: Mapping[tuple[int, int], Box], rank: Mapping[tuple[int, int], int], buffer: int
) -> dict[tuple[int, int], Box]:
    """The blocks, made smaller where they touch a block of higher rank, so that `buffer` pixels lie between the two.

    Pixels of two ranks are then more than `buffer` rows or more than `buffer` columns apart, where no block is smaller
    than the buffer. A block with nothing left is left out.
    """
    kept = {}
    for (i, j), box in blocks.items():
        higher = {
            (di, dj)
            for di in (-1, 0, 1)
            for dj in (-1, 0, 1)
            if rank.get((i + di, j + dj), rank[i, j]) > rank[i, j]
        }
        smaller = Box(
            box.top + buffer * any(di == -1 for di, _ in higher),
            box.bottom - buffer * any(di == 1 for di, _ in higher),
            box.left + buffer * ((0, -1) in higher),
            box.right - buffer * ((0, 1) in higher),
        )
        if smaller.height > 0 and smaller.width > 0:
            kept[i, j] = smaller
    return kept


def _steps(start: int, stop: int, size: int, step: int) -> list[tuple[int, int]]:
    if stop - start <= size:
        return [(start, stop)]
    starts = [*range(start, stop - size, step), stop - size]
    return [(first, first + size) for first in starts]


def _spans(length: int, size: int) -> list[tuple[int, int]]:
    count = max(1, length // size)
    return [(i * size, length if i == count - 1 else (i + 1) * size) for i in range(count)]

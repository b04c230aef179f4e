"""The variables of a MAT file of version 5, parsed here: the usual library can crash on malformed ones. NumPy only.

Layout: a header of 128 bytes, then elements (type, size, bytes), each an array or a zlib stream of one; an array is
flags, dimensions, name and values, the values perhaps in a narrower type than the array's class. Numbers alone are
read; sizes are believed only where the bytes are there. MathWorks, "MAT-File Format", R2023b.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from cuvisc.schema.errors import DataError

_COMPRESSED, _MATRIX = 15, 14
_CLASSES = {
    6: "f8",
    7: "f4",
    8: "i1",
    9: "u1",
    10: "i2",
    11: "u2",
    12: "i4",
    13: "u4",
    14: "i8",
    15: "u8",
}
_OTHER_CLASSES = {1: "cells", 2: "a structure", 3: "an object", 4: "text", 5: "a sparse matrix"}
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_COMPLEX, _LOGICAL = 0x0800, 0x0200
_MOST_AXES, _LONGEST_NAME = 32, 4096
_CHUNK = 2**17


@dataclass(frozen=True)
class Variable:
    """One variable: where its element starts, and what its first bytes declare."""

    name: str
    shape: tuple[int, ...]
    held: str
    dtype: np.dtype[Any] | None
    stored: np.dtype[Any] | None
    start: int
    compressed: int
    skip: int

    @property
    def nbytes(self) -> int:
        """Bytes of the values as stored."""
        return math.prod(self.shape) * (self.stored.itemsize if self.stored else 0)


class _Stream:
    """Bytes one after the other, from the file or through zlib, never more than asked for."""

    def __init__(self, file: IO[bytes], size: int, compressed: bool) -> None:
        self._file, self._left = file, size
        self._inflater = zlib.decompressobj() if compressed else None
        self.position = 0

    def take(self, count: int) -> bytes:
        """Exactly `count` bytes; raises :class:`EOFError`."""
        parts = []
        while count:
            part = self._some(min(count, _CHUNK))
            if not part:
                raise EOFError
            parts.append(part)
            count -= len(part)
            self.position += len(part)
        return b"".join(parts)

    def _some(self, most: int) -> bytes:
        if self._inflater is None:
            part = self._file.read(min(most, self._left))
            self._left -= len(part)
            return part
        while not self._inflater.eof:
            waiting = self._inflater.unconsumed_tail
            if not waiting:
                waiting = self._file.read(min(_CHUNK, self._left))
                self._left -= len(waiting)
            part = self._inflater.decompress(waiting, most)
            if part or not waiting:
                return part
        return b""


def variables(path: Path) -> list[Variable]:
    """Every variable of a file; raises :class:`DataError`."""
    try:
        with path.open("rb") as file:
            order = _check_header(file.read(128), path)
            return list(_elements(file, path.stat().st_size, order))
    except (EOFError, struct.error, zlib.error, OverflowError, ValueError) as error:
        raise DataError(f"{path} is damaged: its variables are not those of a MAT file") from error


def spool(path: Path, variable: Variable, target: IO[bytes]) -> None:
    """Decompress a variable's values into a file; raises :class:`DataError`."""
    try:
        with path.open("rb") as file:
            file.seek(variable.start)
            stream = _Stream(file, variable.compressed, compressed=True)
            stream.take(variable.skip)
            left = variable.nbytes
            while left:
                part = stream.take(min(left, _CHUNK))
                target.write(part)
                left -= len(part)
    except (EOFError, zlib.error) as error:
        raise DataError(f"{path}: `{variable.name}` is damaged: it holds less than it declares") from error


def _check_header(header: bytes, path: Path) -> str:
    """The byte order; raises :class:`DataError` for anything but version 5."""
    order = {b"IM": "<", b"MI": ">"}.get(header[126:128])
    if len(header) < 128 or order is None:
        raise DataError(
            f"{path} is not a MAT file of version 5 or 7.3; save it again with MATLAB's default format"
        )
    return order


def _elements(file: IO[bytes], size: int, order: str) -> Iterator[Variable]:
    place = 128
    while place + 8 <= size:
        file.seek(place)
        kind, length = struct.unpack(f"{order}II", file.read(8))
        if place + 8 + length > size:
            raise EOFError
        if kind in (_COMPRESSED, _MATRIX):
            found = _variable(file, place, length, order, kind == _COMPRESSED)
            if found is not None:
                yield found
        place += 8 + length


def _variable(file: IO[bytes], place: int, length: int, order: str, compressed: bool) -> Variable | None:
    start = place + 8 if compressed else place
    file.seek(start)
    stream = _Stream(file, length if compressed else length + 8, compressed)
    kind, inner = struct.unpack(f"{order}II", stream.take(8))
    if kind != _MATRIX or inner < 16:
        return None
    flags, _ = struct.unpack(f"{order}II", _small_element(stream, order, 8))
    raw = _small_element(stream, order, 4 * _MOST_AXES)
    shape = struct.unpack(f"{order}{len(raw) // 4}i", raw)
    name = _small_element(stream, order, _LONGEST_NAME).decode("latin-1")
    if any(axis < 0 for axis in shape):
        raise ValueError(shape)
    code = flags & 0xFF
    held = _OTHER_CLASSES.get(code, "complex numbers" if flags & _COMPLEX else "numbers")
    if code not in _CLASSES or flags & _COMPLEX:
        return Variable(name, shape, held, None, None, start, length, 0)
    dtype = np.dtype("u1" if flags & _LOGICAL else _CLASSES[code])
    kind, count = _tag(stream, order)
    stored = np.dtype(_STORED[kind]).newbyteorder("<" if order == "<" else ">") if kind in _STORED else None
    if stored is None or count != math.prod(shape) * stored.itemsize or stream.position + count > inner + 8:
        raise ValueError(kind)
    if compressed and count > length * 1033:
        raise ValueError(count)
    return Variable(name, shape, held, dtype, stored, start, length if compressed else 0, stream.position)


def _tag(stream: _Stream, order: str) -> tuple[int, int]:
    """Type and size of an element; the short form keeps both in four bytes."""
    (first,) = struct.unpack(f"{order}I", stream.take(4))
    if first >> 16:
        return first & 0xFFFF, first >> 16
    (size,) = struct.unpack(f"{order}I", stream.take(4))
    return first, size


def _small_element(stream: _Stream, order: str, most: int) -> bytes:
    """The bytes of an element of at most `most` bytes, with the padding to eight taken too."""
    before = stream.position
    _, size = _tag(stream, order)
    if size > most:
        raise ValueError(size)
    content = stream.take(size)
    stream.take(-(stream.position - before) % 8)
    return content

"""`.npy` files, mapped into memory, and the header that `.npy` and `.npz` share. NumPy only; no object is unpickled."""

from __future__ import annotations

import math
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal, NamedTuple

import numpy as np

from cuvisc.runtime.data.arrays import ArrayFile, MemoryArray, Opened
from cuvisc.runtime.data.facts import CubeFacts
from cuvisc.schema.errors import DataError

SUFFIXES = (".npy",)
_READ_HEADER = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_LARGEST = 2**62


class Header(NamedTuple):
    """What an array's header declares, and how many bytes it takes."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    size: int

    @property
    def nbytes(self) -> int:
        """Bytes of the values."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def native(self) -> np.dtype[Any]:
        """The dtype in this machine's byte order."""
        return self.dtype.newbyteorder("=")


def read_header(stream: IO[bytes], name: str) -> Header:
    """Read the header at the start of a stream; raises :class:`DataError` for anything but plain numbers."""
    try:
        version = np.lib.format.read_magic(stream)
        if version not in _READ_HEADER:
            raise DataError(f"{name} holds named fields; a cube is an array of numbers")
        shape, fortran, dtype = _READ_HEADER[version](stream)
    except (ValueError, EOFError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise DataError(f"{name} is damaged: its header is not that of an array") from error
    if dtype.hasobject:
        raise DataError(f"{name} holds Python objects, which are never read; save numbers, such as uint16")
    if dtype.names is not None or dtype.subdtype is not None or dtype.kind not in "buif":
        raise DataError(f"{name} holds {dtype}; an array of numbers is wanted")
    header = Header(shape, fortran, dtype, stream.tell())
    if any(length < 0 for length in shape) or header.nbytes > _LARGEST:
        raise DataError(f"{name} is damaged: its header declares the shape {shape}")
    return header


def open_cube(path: Path, key: str | None) -> Opened:
    """Map the file; the key means nothing for a file of one array."""
    with path.open("rb") as stream:
        header = read_header(stream, str(path))
    check_size(path.stat().st_size, header, str(path))
    return Opened(CubeFacts("npy", header.shape, header.native), map_array(path, header, header.size))


def check_size(size: int, header: Header, name: str) -> None:
    """Raise :class:`DataError` when a file or member does not hold exactly what its header declares."""
    wanted = header.size + header.nbytes
    if size != wanted:
        fact = "is cut short" if size < wanted else "is longer than its header says"
        raise DataError(
            f"{name} {fact}: {header.shape} {header.dtype} takes {wanted} bytes with its header, there are {size}"
        )


def map_array(file: Path | BinaryIO, header: Header, offset: int) -> ArrayFile:
    """The values at an offset of a file or an open one, mapped read-only."""
    if header.nbytes == 0:
        return MemoryArray(np.empty(header.shape, header.dtype))
    order: Literal["F", "C"] = "F" if header.fortran else "C"
    return MemoryArray(
        np.memmap(file, dtype=header.dtype, mode="r", offset=offset, shape=header.shape, order=order)
    )

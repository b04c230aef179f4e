"""`.npy` files, and the header that `.npy` and `.npz` share. NumPy only; no object is unpickled."""

from __future__ import annotations

import math
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from cuvisc.runtime.data.arrays import MemoryArray, Opened
from cuvisc.runtime.data.facts import CubeFacts
from cuvisc.runtime.data.raw_file import RawFile
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
    array = plain_array(path.open("rb", buffering=0), str(path), header, header.size)
    return Opened(CubeFacts("npy", header.shape, header.native), array)


def check_size(size: int, header: Header, name: str) -> None:
    """Raise :class:`DataError` when a file or member does not hold exactly what its header declares."""
    wanted = header.size + header.nbytes
    if size != wanted:
        fact = "is cut short" if size < wanted else "is longer than its header says"
        raise DataError(
            f"{name} {fact}: {header.shape} {header.dtype} takes {wanted} bytes with its header, there are {size}"
        )


def plain_array(stream: IO[bytes], name: str, header: Header, offset: int) -> RawFile | MemoryArray:
    """The values at an offset of an open, unbuffered file, which is the array's from then on."""
    if header.nbytes == 0 or not header.shape:
        stream.seek(offset)
        values = np.frombuffer(stream.read(header.nbytes), header.dtype)
        stream.close()
        return MemoryArray(values.reshape(header.shape))
    axes = tuple(range(len(header.shape)))
    if not header.fortran:
        return RawFile(stream, name, offset, header.dtype, header.shape, axes)
    return RawFile(stream, name, offset, header.dtype, header.shape[::-1], axes[::-1])

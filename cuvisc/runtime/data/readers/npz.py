"""`.npz` files: stored members read in place, compressed ones decompressed as they are read. NumPy only.

A member is believed only where the archive's sizes, the array's header and what deflate can achieve agree, before
anything is allocated; a block is all that is ever held.
"""

from __future__ import annotations

import math
import os
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.data.arrays import ArrayFile, Opened, SlicedFile
from cuvisc.runtime.data.band_axis import BandFacts
from cuvisc.runtime.data.facts import CubeFacts
from cuvisc.runtime.data.readers.npy import Header, check_size, plain_array, read_header
from cuvisc.schema.diagnostics import did_you_mean
from cuvisc.schema.errors import DataError

SUFFIXES = (".npz",)
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    ValueError,
)
_ENCRYPTED = 0x1
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_DEFLATE_LIMIT = 1032 + 1  # deflate cannot compress further than 1032 to 1
_CHUNK = 2**17
Array = ArrayFile | SlicedFile
_WAVELENGTHS = "wavelengths"
_MOST_BANDS = 2**20


def open_cube(path: Path, key: str | None) -> Opened:
    """Open the member `key` or `cube`; centres of the bands, in nanometres, are a member `wavelengths`."""
    key = key or "cube"
    try:
        archive = zipfile.ZipFile(path)
    except _DAMAGE as error:
        raise DataError(f"{path} is damaged: it is not a .npz archive") from error
    try:
        header, file = _open_member(path, archive, _find(path, archive, key))
        known = BandFacts(str(path), header.shape[-1] if header.shape else 0)
        centers = None
        if len(header.shape) > 2 and _WAVELENGTHS in _keys(archive) and key != _WAVELENGTHS:
            centers = known.nanometres(_vector(path, archive, _WAVELENGTHS), "nm", _WAVELENGTHS)
        facts = CubeFacts(
            "npz", header.shape, header.native, key, wavelengths=centers, warnings=tuple(known.warnings)
        )
        return Opened(facts, file)
    except _DAMAGE as error:
        _damaged(path, key, error)
    finally:
        archive.close()


def keys(path: Path) -> tuple[str, ...]:
    """Names of the arrays in a file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _keys(archive)
    except _DAMAGE as error:
        raise DataError(f"{path} is damaged: it is not a .npz archive") from error


def _keys(archive: zipfile.ZipFile) -> tuple[str, ...]:
    return tuple(name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy"))


def _find(path: Path, archive: zipfile.ZipFile, key: str) -> zipfile.ZipInfo:
    found = [member for member in archive.infolist() if member.filename == f"{key}.npy"]
    if len(found) > 1:
        raise DataError(f"{path} is damaged: it holds `{key}` {len(found)} times")
    if not found:
        names = _keys(archive)
        listed = ", ".join(f"`{name}`" for name in names[:12]) or "no array"
        hint = did_you_mean(key, names)
        raise DataError(f"{path} has no array `{key}`; it holds {listed}{f'. {hint}' if hint else ''}")
    return found[0]


def _vector(path: Path, archive: zipfile.ZipFile, key: str) -> list[float]:
    header, file = _open_member(path, archive, _find(path, archive, key))
    try:
        if isinstance(file, SlicedFile):
            values = file.read(tuple(slice(0, min(length, _MOST_BANDS)) for length in file.shape))
        else:
            values = file.read_next(min(math.prod(header.shape), _MOST_BANDS))
        return [float(value) for value in values.reshape(-1)]
    finally:
        file.close()


def _open_member(
    path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo
) -> tuple[Header, ArrayFile | SlicedFile]:
    name = f"{path}: `{member.filename.removesuffix('.npy')}`"
    if member.flag_bits & _ENCRYPTED:
        raise DataError(f"{name} is encrypted")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{name} is compressed in a way that numpy does not write")
    if (
        member.compress_type == zipfile.ZIP_DEFLATED
        and member.file_size > member.compress_size * _DEFLATE_LIMIT
    ):
        raise DataError(f"{name} is damaged: {member.compress_size} bytes cannot hold {member.file_size}")
    with archive.open(member) as stream:
        header = read_header(stream, name)
    check_size(member.file_size, header, name)
    if member.compress_type == zipfile.ZIP_STORED:
        offset = _stored_at(path, member, name)
        return header, plain_array(path.open("rb", buffering=0), name, header, offset + header.size)
    compressed = CompressedArray(path, member.filename, header, name)
    return header, compressed.spooled() if header.fortran and len(header.shape) > 1 else compressed


def _stored_at(path: Path, member: zipfile.ZipInfo, name: str) -> int:
    """Where a stored member's bytes begin; the archive's own directory does not say."""
    with path.open("rb") as stream:
        stream.seek(member.header_offset)
        signature, name_length, extra_length = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
        offset: int = member.header_offset + _LOCAL_HEADER.size + name_length + extra_length
        size = os.fstat(stream.fileno()).st_size
    if signature != b"PK\3\4" or member.compress_size != member.file_size or offset + member.file_size > size:
        raise DataError(f"{name} is cut short: {member.file_size} bytes are declared")
    return offset


def _damaged(path: Path, key: str, error: Exception) -> NoReturn:
    raise DataError(f"{path}: `{key}` is damaged: {_fact(error)}") from error


def _fact(error: Exception) -> str:
    return str(error) or type(error).__name__


class CompressedArray:
    """A compressed member in C order, decompressed while it is read and checked against its CRC at the end."""

    def __init__(self, path: Path, member: str, header: Header, name: str) -> None:
        self.shape, self.dtype = header.shape, header.dtype
        self._path, self._name, self._header = path, name, header
        self._left = math.prod(header.shape)
        self._archive = zipfile.ZipFile(path)
        self._stream: IO[bytes] = self._archive.open(member)
        self._stream.read(header.size)

    def read_next(self, count: int) -> NDArray[Any]:
        """The next items."""
        values = np.empty(count, self.dtype)
        self._fill(values.data.cast("B"))
        self._left -= count
        if self._left == 0:
            self._fill(memoryview(bytearray()))
        return values

    def close(self) -> None:
        """Close the archive."""
        self._stream.close()
        self._archive.close()

    def spooled(self) -> Array:
        """The same values in an unnamed temporary file: Fortran order cannot be read row by row."""
        spool = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed with the array
        try:
            left = self._header.nbytes
            while left:
                chunk = memoryview(bytearray(min(_CHUNK, left)))
                self._fill(chunk)
                spool.write(chunk)
                left -= len(chunk)
            self._fill(memoryview(bytearray()))
        except DataError:
            spool.close()
            raise
        finally:
            self.close()
        return plain_array(spool, self._name, self._header, 0)

    def _fill(self, buffer: memoryview) -> None:
        """Fill the buffer; an empty one asks for the end of the stream, where the CRC is checked."""
        try:
            if not buffer:
                if self._stream.read(1):
                    raise DataError(f"{self._name} is damaged: it is longer than declared")
                return
            done = 0
            while done < len(buffer):
                part = self._stream.read(min(_CHUNK, len(buffer) - done))
                if not part:
                    raise DataError(f"{self._name} is cut short")
                buffer[done : done + len(part)] = part
                done += len(part)
        except (*_DAMAGE, OSError) as error:
            raise DataError(f"{self._name} is damaged: {_fact(error)}") from error

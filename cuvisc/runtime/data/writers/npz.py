"""Arrays that arrive in pieces, in any order, to one `.npz` file in constant memory. NumPy only.

Members are stored, not compressed, so that the file can be mapped back into memory, and every value is written once:
an image has its place in the file from its first block on. The checksum grows with blocks that arrive in order; only
what came out of order is read back for it. What the file says of itself is the archive's comment.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.data.source import Block

_CHUNK = 2**20
_EPOCH = (1980, 1, 1, 0, 0, 0)
_OWNERS_ALONE = 0o600 << 16
_NOTES = "cuvisc"


@dataclass
class _Member:
    """Where a member's values begin in the file, how many bytes they take, and what stands before them.

    `checksum` is that of what stands before them and of the first `summed` of the bytes.
    """

    info: zipfile.ZipInfo
    heading: bytes
    start: int
    nbytes: int
    checksum: int
    summed: int = 0


class NpzWriter:
    """Fills the file at `path`, which exists and is empty; `save` completes it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("r+b")
        self._end = 0
        self._images: dict[str, _Member] = {}
        self._others: dict[str, list[NDArray[Any]]] = {}

    def put(
        self, name: str, block: Block, values: NDArray[Any], whole: tuple[int, ...], cube: tuple[int, ...]
    ) -> None:
        """The values [rows,columns,K] of a block of an array of shape `whole`, an image of a cube [B,H,W,C]."""
        if name not in self._images:
            self._images[name] = self._place(name, values.dtype, whole)
        member = self._images[name]
        values = np.ascontiguousarray(values)
        put_block(self._file, member.start, block, values, cube)
        if _together(block, cube) and _bytes_before(block, values, cube) == member.summed:
            member.checksum = zlib.crc32(values.data.cast("B"), member.checksum)
            member.summed += values.nbytes

    def append(self, name: str, values: NDArray[Any]) -> None:
        """The next values, few, of an array that is no image, in C order."""
        self._others.setdefault(name, []).append(values)

    def save(self, shapes: Mapping[str, tuple[int, ...]], notes: Mapping[str, str] | None = None) -> None:
        """Complete the file; arrays that are no images get their shapes. Equal values make equal bytes."""
        for member in self._images.values():
            self._seal(member)
        self._file.seek(self._end)
        with zipfile.ZipFile(self._file, "w", zipfile.ZIP_STORED) as archive:
            archive.filelist += [member.info for member in self._images.values()]
            archive.comment = json.dumps({_NOTES: dict(notes)}).encode() if notes else b""
            for name, values in self._others.items():
                with archive.open(zipfile.ZipInfo(f"{name}.npy", _EPOCH), "w") as file:
                    whole = np.concatenate([value.reshape(-1) for value in values])
                    np.lib.format.write_array(file, whole.reshape(shapes[name]), (1, 0), allow_pickle=False)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _place(self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> _Member:
        """Set the next part of the file aside for an array."""
        heading = io.BytesIO()
        facts = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(heading, facts)
        info = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
        info.external_attr = _OWNERS_ALONE
        info.header_offset = self._end
        nbytes = math.prod(shape) * dtype.itemsize
        info.CRC, info.file_size = 0, len(heading.getvalue()) + nbytes
        info.compress_size = info.file_size
        start = self._end + len(info.FileHeader(zip64=True)) + len(heading.getvalue())
        self._end = start + nbytes
        return _Member(info, heading.getvalue(), start, nbytes, zlib.crc32(heading.getvalue()))

    def _seal(self, member: _Member) -> None:
        """Write what stands before the values of a member, with the checksum of it all."""
        self._file.seek(member.start + member.summed)
        for done in range(member.summed, member.nbytes, _CHUNK):
            part = self._file.read(min(_CHUNK, member.nbytes - done))
            member.checksum = zlib.crc32(part, member.checksum)
        member.info.CRC = member.checksum
        self._file.seek(member.info.header_offset)
        self._file.write(member.info.FileHeader(zip64=True) + member.heading)


def read_notes(path: Path) -> dict[str, str]:
    """The notes that a file was saved with, none of another file; raises BadZipFile."""
    with zipfile.ZipFile(path) as archive:
        try:
            said = json.loads(archive.comment)
        except ValueError:
            return {}
    notes = said.get(_NOTES) if isinstance(said, dict) else None
    return {str(name): str(value) for name, value in notes.items()} if isinstance(notes, dict) else {}


def put_block(
    file: IO[bytes], offset: int, block: Block, values: NDArray[Any], cube: tuple[int, ...]
) -> None:
    """Write the values [rows,columns,K] of a block where they belong in an array [B,H,W,K] that starts at `offset`."""
    values = np.ascontiguousarray(values)
    start = offset + _bytes_before(block, values, cube)
    if _together(block, cube):
        file.seek(start)
        file.write(values.data.cast("B"))
        return
    line = cube[2] * _bytes_of_pixel(values)
    for row, part in enumerate(values):
        file.seek(start + row * line)
        file.write(part.data.cast("B"))


def _together(block: Block, cube: tuple[int, ...]) -> bool:
    """Whether the rows of a block follow one another in the cube."""
    return block.right - block.left == cube[2]


def _bytes_before(block: Block, values: NDArray[Any], cube: tuple[int, ...]) -> int:
    """Where the first of the values of a block belongs in their array."""
    pixels = (block.image * cube[1] + block.top) * cube[2] + block.left
    return pixels * _bytes_of_pixel(values)


def _bytes_of_pixel(values: NDArray[Any]) -> int:
    return values.dtype.itemsize * math.prod(values.shape[2:])

"""Arrays that arrive in pieces, in any order, to one `.npz` file in constant memory. NumPy only.

Members are stored, not compressed, so that the file can be mapped back into memory, and every value is written once:
an image has its place in the file from its first block on. What the file says of itself is the archive's comment.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.data.source import Block

_CHUNK = 2**20
_EPOCH = (1980, 1, 1, 0, 0, 0)
_OWNERS_ALONE = 0o600 << 16
_NOTES = "cuvisc"


class _Member(NamedTuple):
    """Where a member's values begin in the file, how many bytes they take, and what stands before them."""

    info: zipfile.ZipInfo
    heading: bytes
    start: int
    nbytes: int


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
        put_block(self._file, self._images[name].start, block, values, cube)

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
        return _Member(info, heading.getvalue(), start, nbytes)

    def _seal(self, member: _Member) -> None:
        """Write what stands before the values of a member, with the checksum of it all."""
        info, heading, start, nbytes = member
        checksum = zlib.crc32(heading)
        self._file.seek(start)
        for done in range(0, nbytes, _CHUNK):
            checksum = zlib.crc32(self._file.read(min(_CHUNK, nbytes - done)), checksum)
        info.CRC = checksum
        self._file.seek(info.header_offset)
        self._file.write(info.FileHeader(zip64=True) + heading)


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
    _, height, width, _ = cube
    pixel = values.dtype.itemsize * (values.shape[2] if values.ndim > 2 else 1)
    first = (block.image * height + block.top) * width + block.left
    if block.right - block.left == width:
        file.seek(offset + first * pixel)
        file.write(values.data.cast("B"))
        return
    for row, part in enumerate(values):
        file.seek(offset + (first + row * width) * pixel)
        file.write(part.data.cast("B"))

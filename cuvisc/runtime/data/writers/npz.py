"""Arrays that arrive in pieces, in any order, to one `.npz` file in constant memory. NumPy only.

Members are stored, not compressed, so that the file can be mapped back into memory.
"""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.data.source import Block

_CHUNK = 2**20
_EPOCH = (1980, 1, 1, 0, 0, 0)


class NpzWriter:
    """Collects every array in an unnamed temporary file in `folder`; `save` puts them together."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pieces: dict[str, IO[bytes]] = {}
        self._dtypes: dict[str, np.dtype[Any]] = {}

    def append(self, name: str, values: NDArray[Any]) -> None:
        """The next values of an array, in C order."""
        piece = self._piece(name, values)
        piece.seek(0, io.SEEK_END)
        piece.write(np.ascontiguousarray(values).data.cast("B"))

    def put(self, name: str, block: Block, values: NDArray[Any], shape: tuple[int, int, int, int]) -> None:
        """The values [rows,columns,K] of a block of an array that is [B,H,W,...] as a whole."""
        put_block(self._piece(name, values), 0, block, values, shape)

    def save(self, path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Write all arrays, with the shapes they have as wholes; equal values make equal bytes."""
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for name, piece in self._pieces.items():
                header = io.BytesIO()
                np.lib.format.write_array_header_1_0(
                    header,
                    {
                        "descr": np.lib.format.dtype_to_descr(self._dtypes[name]),
                        "fortran_order": False,
                        "shape": shapes[name],
                    },
                )
                piece.seek(0)
                with archive.open(zipfile.ZipInfo(f"{name}.npy", _EPOCH), "w", force_zip64=True) as member:
                    member.write(header.getvalue())
                    shutil.copyfileobj(piece, member, _CHUNK)

    def close(self) -> None:
        """Remove the temporary files."""
        for piece in self._pieces.values():
            piece.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _piece(self, name: str, values: NDArray[Any]) -> IO[bytes]:
        if name not in self._pieces:
            self._pieces[name] = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed by close
            self._dtypes[name] = values.dtype
        return self._pieces[name]


def put_block(
    file: IO[bytes], offset: int, block: Block, values: NDArray[Any], shape: tuple[int, int, int, int]
) -> None:
    """Write the values [rows,columns,K] of a block where they belong in an array [B,H,W,K] that starts at `offset`."""
    values = np.ascontiguousarray(values)
    _, height, width, _ = shape
    pixel = values.dtype.itemsize * (values.shape[2] if values.ndim > 2 else 1)
    first = (block.image * height + block.top) * width + block.left
    if block.right - block.left == width:
        file.seek(offset + first * pixel)
        file.write(values.data.cast("B"))
        return
    for row, part in enumerate(values):
        file.seek(offset + (first + row * width) * pixel)
        file.write(part.data.cast("B"))

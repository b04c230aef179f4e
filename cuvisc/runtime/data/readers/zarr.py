"""Zarr: one array of a store, named as in `FILE.zarr::/group/array`, or the only cube. Never torch."""

from __future__ import annotations

from pathlib import Path

from cuvisc.runtime.data.arrays import Opened
from cuvisc.runtime.data.readers.hdf5 import choose_dataset, open_plain
from cuvisc.runtime.data.zarr_store import ZarrFile
from cuvisc.schema.errors import DataError

SUFFIXES = (".zarr", ".zip")
LISTED = FOLDERS = (".zarr",)


def open_cube(path: Path, key: str | None) -> Opened:
    """Open an array; raises :class:`DataError` with the candidates where the store does not say which is the cube."""
    file = ZarrFile(path)
    try:
        return open_plain(file, key or choose_dataset(file), "zarr")
    except DataError:
        file.close()
        raise


def keys(path: Path) -> tuple[str, ...]:
    """Paths of the arrays of numbers."""
    file = ZarrFile(path)
    try:
        return tuple(file.numeric())
    finally:
        file.close()

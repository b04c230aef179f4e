"""A place in a file (`scene.h5::/path`) to an opened cube, by the reader of its format. NumPy only, never torch.

A reader is a module of `readers` with `SUFFIXES` and `open_cube(path, key)`; where two know a suffix, or the suffix
says nothing, `recognise(path)` decides. Adding the file adds the format.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.data import readers
from cuvisc.runtime.data.arrays import Opened, SlicedFile
from cuvisc.schema.errors import DataError

INSIDE = "::"


def split_location(text: str | Path, key: str | None = None) -> tuple[Path, str | None]:
    """The file, and the array in it that is meant: ``scene.h5::/Reflectance`` names one, else `key` may."""
    path, separator, inside = str(text).partition(INSIDE)
    return Path(path), inside if separator and inside else key


def open_cube(path: Path, key: str | None = None) -> Opened:
    """Open the cube of a file; `key` names the array where a file holds several. Raises :class:`DataError`."""
    reader = find_reader(path)
    try:
        opened: Opened = reader.open_cube(path, key)
        return opened
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except MemoryError as error:
        raise DataError(f"{path} does not fit in memory") from error


def read_array(path: Path, key: str | None = None) -> NDArray[Any]:
    """A whole array in memory, with the axes it has in the file and native byte order; raises :class:`DataError`."""
    file = open_cube(path, key).file
    try:
        if isinstance(file, SlicedFile):
            values = file.read(tuple(slice(0, length) for length in file.shape))
        else:
            values = file.read_next(math.prod(file.shape)).reshape(file.shape)
        return np.array(values, dtype=file.dtype.newbyteorder("="), order="C")
    except MemoryError as error:
        what = f"`{key}` {file.shape}" if key else str(file.shape)
        raise DataError(f"{path}: {what} does not fit in memory") from error
    finally:
        file.close()


def array_names(path: Path) -> tuple[str, ...]:
    """Names of the arrays in a file whose format holds several by name; none for other formats."""
    names = getattr(find_reader(path), "keys", None)
    return () if names is None else tuple(names(path))


def find_reader(path: Path) -> ModuleType:
    """The reader of a file; raises :class:`DataError` when there is none or the file is not there."""
    suffix = path.suffix.lower()
    if path.is_dir() and not any(suffix in getattr(reader, "FOLDERS", ()) for reader in all_readers()):
        raise DataError(f"{path} is a folder, not a file; name a cube in it")
    candidates = [reader for reader in all_readers() if suffix in reader.SUFFIXES]
    if not candidates:
        candidates = [reader for reader in all_readers() if getattr(reader, "ANY_SUFFIX", False)]
        candidates = [reader for reader in candidates if reader.recognise(path)]
    if not candidates:
        kind = f"`{path.suffix}` files" if path.suffix else "files without a suffix"
        known = ", ".join(sorted(suffix for reader in all_readers() for suffix in set(reader.SUFFIXES)))
        raise DataError(f"{path}: there is no reader for {kind}; there is one for {known}")
    if not path.exists():
        raise DataError(f"{path} does not exist")
    for reader in candidates[:-1]:
        if reader.recognise(path):
            return reader
    return candidates[-1]


def holds_cube(path: Path) -> bool:
    """Whether a file found in a folder is taken for a cube: by its suffix, and pictures and ENVI data are not."""
    readers_of = [r for r in all_readers() if path.suffix.lower() in getattr(r, "LISTED", r.SUFFIXES)]
    return any(not path.is_dir() or path.suffix.lower() in getattr(r, "FOLDERS", ()) for r in readers_of)


@cache
def all_readers() -> tuple[ModuleType, ...]:
    """Every reader of the package `readers`."""
    modules = (
        importlib.import_module(f"{readers.__name__}.{info.name}")
        for info in pkgutil.iter_modules(readers.__path__)
    )
    return tuple(module for module in modules if hasattr(module, "SUFFIXES"))

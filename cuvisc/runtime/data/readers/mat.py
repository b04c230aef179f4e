"""MATLAB files: version 5 with a parser of our own, version 7.3 as the HDF5 it is, its axes reversed. Never torch.

The cube is the variable that is named, else `cube`, else the only one of three axes; a vector `wavelengths` of its
number of bands says the centres.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.data import mat5
from cuvisc.runtime.data.arrays import Opened
from cuvisc.runtime.data.band_axis import BandFacts
from cuvisc.runtime.data.facts import CubeFacts
from cuvisc.runtime.data.h5_file import H5Array, H5File
from cuvisc.runtime.data.raw_file import RawFile
from cuvisc.schema.diagnostics import did_you_mean
from cuvisc.schema.errors import DataError

SUFFIXES = (".mat",)
_HDF5 = b"\x89HDF\r\n\x1a\n"
_CENTERS = ("wavelengths", "wavelength", "Wavelengths", "Wavelength", "wl")
_MOST_BANDS = 2**20


def open_cube(path: Path, key: str | None) -> Opened:
    """Open a variable; raises :class:`DataError`."""
    with path.open("rb") as stream:
        is_73 = _is_73(stream.read(520))
    return _open_73(path, key) if is_73 else _open_5(path, key)


def keys(path: Path) -> tuple[str, ...]:
    """Names of the variables of numbers."""
    with path.open("rb") as stream:
        if not _is_73(stream.read(520)):
            return tuple(variable.name for variable in mat5.variables(path) if variable.dtype is not None)
    file = H5File(path)
    try:
        return tuple(file.numeric())
    finally:
        file.close()


def _is_73(start: bytes) -> bool:
    return _HDF5 in (start[:8], start[512:520])


def _open_5(path: Path, key: str | None) -> Opened:
    found = {variable.name: variable for variable in mat5.variables(path)}
    held = {name: (v.shape if v.dtype is not None else v.held) for name, v in found.items()}
    variable = found[_choose(path, key, held)]
    centers: list[float] | None = None
    for name in _CENTERS:
        vector = found.get(name)
        if vector is not None and vector.dtype is not None and math.prod(vector.shape) < _MOST_BANDS:
            file = _values(path, vector)
            values = file.read(tuple(slice(0, length) for length in file.shape))
            file.close()
            centers = [float(value) for value in values.reshape(-1)]
            break
    shape, dtype = variable.shape, variable.dtype
    assert dtype is not None
    return _opened(path, "mat", variable.name, shape, dtype, centers, _values(path, variable))


def _open_73(path: Path, key: str | None) -> Opened:
    file = H5File(path)
    try:
        held: dict[str, tuple[int, ...] | str] = {
            name: tuple(reversed(file.shape(name))) for name in file.numeric() if "/" not in name
        }
        name = key.strip("/") if key and "/" in key.strip("/") else _choose(path, key, held)
        plain = H5Array(file, name)
        array = H5Array(file, name, tuple(reversed(range(len(plain.shape)))))
        centers = next((values for name in _CENTERS if (values := file.vector(name))), None)
        return _opened(path, "mat73", name, array.shape, array.dtype, centers, array)
    except DataError:
        file.close()
        raise


def _opened(
    path: Path,
    kind: str,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    values: list[float] | None,
    file: Any,
) -> Opened:
    known = BandFacts(str(path), shape[-1] if shape else 0)
    centers = known.nanometres(values, None, "wavelengths") if len(shape) > 2 else None
    facts = CubeFacts(
        kind,
        shape,
        dtype.newbyteorder("="),
        name,
        wavelengths=centers,
        warnings=tuple(known.warnings),
    )
    return Opened(facts, file)


def _choose(path: Path, key: str | None, held: dict[str, tuple[int, ...] | str]) -> str:
    """The variable that is meant, among those with their shapes, or with what they hold instead of numbers."""
    if key is not None:
        if isinstance(held.get(key), str):
            raise DataError(f"{path}: `{key}` holds {held[key]}; an array of numbers is wanted")
        if key in held:
            return key
        listed = ", ".join(f"`{name}`" for name in list(held)[:12]) or "no variable"
        hint = did_you_mean(key, list(held))
        raise DataError(f"{path} has no array `{key}`; it holds {listed}{f'. {hint}' if hint else ''}")
    cubes = [name for name, shape in held.items() if len(shape) == 3 and not isinstance(shape, str)]
    if "cube" in cubes:
        return "cube"
    if len(cubes) == 1:
        return cubes[0]
    if not cubes:
        raise DataError(f"{path} holds no array of three axes")
    listed = ", ".join(f"`{name}`" for name in cubes[:12])
    raise DataError(f"{path} holds several cubes: {listed}; name one, as in {path.name}::{cubes[0]}")


class _Converted:
    """Values that are stored in a narrower type than their own."""

    def __init__(self, file: RawFile, dtype: np.dtype[Any]) -> None:
        self._file, self.dtype = file, dtype
        self.shape, self.grain, self.window_bytes = file.shape, file.grain, file.window_bytes

    def read(self, box: tuple[slice, ...]) -> NDArray[Any]:
        """The values of a box."""
        return self._file.read(box).astype(self.dtype)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _values(path: Path, variable: mat5.Variable) -> RawFile | _Converted:
    """The values where they are, or decompressed into an unnamed temporary file: columns come first in them."""
    assert variable.stored is not None
    assert variable.dtype is not None
    stream: IO[bytes]
    offset = variable.start + variable.skip
    if variable.compressed:
        stream = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed with the array
        try:
            mat5.spool(path, variable, stream)
        except DataError:
            stream.close()
            raise
        offset = 0
    else:
        stream = path.open("rb", buffering=0)
    stored = tuple(reversed(variable.shape))
    axes = tuple(reversed(range(len(stored))))
    file = RawFile(stream, f"{path}: `{variable.name}`", offset, variable.stored, stored, axes)
    if variable.stored.newbyteorder("=") == variable.dtype:
        return file
    return _Converted(file, variable.dtype)

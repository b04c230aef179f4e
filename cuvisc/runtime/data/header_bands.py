"""The number of bands that the header of a cube file says. No array is read.

ENVI, `.npy` and `.npz` headers are read in plain Python, those of other formats by their readers, which import NumPy.
Never torch.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path
from typing import IO

from cuvisc.language.spectrum import Spectrum
from cuvisc.runtime.data.band_axis import BandFacts
from cuvisc.runtime.data.envi_fields import items, read_header, text, whole
from cuvisc.schema.errors import DataError

ENVI_DATA = (".img", ".dat", ".raw", ".bin", ".bil", ".bip", ".bsq", "")
_SHAPE = re.compile(rb"'shape':\s*\(([\d,\s]*)\)")
_LARGEST = 2**16
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, KeyError)


def bands_in_header(path: Path, array: str | None = None) -> int:
    """Bands of the one image [H,W,C] in a file; `array` names it where there are several. Raises :class:`DataError`."""
    suffix = path.suffix.lower()
    if suffix == ".hdr" or suffix in ENVI_DATA:
        return _envi(path)
    if suffix == ".npy":
        with path.open("rb") as stream:
            return _numpy(stream, path)
    if suffix == ".npz":
        return _numpy_archive(path, array or "cube")
    from cuvisc.runtime.data.opening import open_cube

    opened = open_cube(path, array)
    opened.file.close()
    return _last_of(opened.facts.shape, path)


def check_image(shape: tuple[int, ...], path: Path) -> None:
    """Raise :class:`DataError` unless the shape is that of one image with bands."""
    if len(shape) == 3 and shape[2] > 0:
        return
    several = len(shape) == 4 and shape[0] > 1
    remedy = "; leave out its first axis" if len(shape) == 4 else ""
    remedy = "; write each image to a file of its own" if several else remedy
    raise DataError(f"{path}: one image [H,W,C] a file is wanted, the shape of this one is {shape}{remedy}")


def spectrum_in_header(path: Path, array: str | None = None) -> Spectrum:
    """What the file says of its bands; raises :class:`DataError`."""
    suffix = path.suffix.lower()
    if suffix == ".hdr" or suffix in ENVI_DATA:
        header = read_header(_envi_header(path))
        return Spectrum(
            BandFacts(str(path), _envi(path)).nanometres(
                items(header, "wavelength"), text(header, "wavelength units"), "wavelengths"
            )
        )
    from cuvisc.runtime.data.opening import open_cube

    opened = open_cube(path, array)
    opened.file.close()
    return Spectrum(opened.facts.wavelengths)


def _envi(path: Path) -> int:
    header = _envi_header(path)
    return whole(read_header(header), "bands", header, 1)


def _envi_header(path: Path) -> Path:
    beside = (path, path.with_name(f"{path.name}.hdr"), path.with_name(f"{path.stem}.hdr"))
    header = next((file for file in beside if file.suffix.lower() == ".hdr" and file.is_file()), None)
    if header is None:
        raise DataError(f"{path} has no ENVI header beside it")
    return header


def _numpy(stream: IO[bytes], path: Path) -> int:
    """Of the header of an array: its text is the literal of a mapping, of which the shape is all that is read."""
    start = stream.read(_LARGEST)
    found = _SHAPE.search(start) if start.startswith(b"\x93NUMPY") else None
    if found is None:
        raise DataError(f"{path} is damaged: its header is not that of an array")
    return _last_of(tuple(int(length) for length in found.group(1).split(b",") if length.strip()), path)


def _numpy_archive(path: Path, array: str) -> int:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{array}.npy") as stream:
            return _numpy(stream, path)
    except _DAMAGE as error:
        raise DataError(f"{path} has no array `{array}` that can be read") from error


def _last_of(shape: tuple[int, ...], path: Path) -> int:
    check_image(shape, path)
    return shape[2]

"""ENVI: a header beside plain numbers in bsq, bil or bip, opened by either name. NumPy only, never torch."""

from __future__ import annotations

import math
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from cuvisc.runtime.data import envi_fields as fields
from cuvisc.runtime.data import envi_header as envi
from cuvisc.runtime.data.arrays import Opened
from cuvisc.runtime.data.band_axis import BandFacts
from cuvisc.runtime.data.facts import CubeFacts
from cuvisc.runtime.data.raw_file import RawFile
from cuvisc.schema.errors import DataError

DATA_SUFFIXES = (".img", ".dat", ".raw", ".bin", ".bil", ".bip", ".bsq")
SUFFIXES = (".hdr", *DATA_SUFFIXES)
LISTED = (".hdr",)
ANY_SUFFIX = True
_STORED = {
    "bsq": (("bands", "lines", "samples"), (1, 2, 0)),
    "bil": (("lines", "bands", "samples"), (0, 2, 1)),
    "bip": (("lines", "samples", "bands"), (0, 1, 2)),
}


def recognise(path: Path) -> bool:
    """Whether there is a header beside the file."""
    return _header_beside(path) is not None


def open_cube(path: Path, key: str | None) -> Opened:
    """Open by the header or the data; a file of one array has no use for the key."""
    header_path = path if path.suffix.lower() == ".hdr" else _header_beside(path)
    if header_path is None:
        raise DataError(
            f"{path} has no ENVI header beside it: neither {path.stem}.hdr nor {path.name}.hdr is there"
        )
    header = fields.read_header(header_path)
    sizes = {name: fields.whole(header, name, header_path, 1) for name in ("lines", "samples", "bands")}
    dtype = envi.dtype_of(header, header_path)
    offset = fields.whole(header, "header offset", header_path, 0)
    interleave = (fields.text(header, "interleave") or "").lower()
    if interleave not in _STORED:
        raise DataError(f"{header_path}: `interleave = {interleave}`; it is bsq, bil or bip")
    if fields.text(header, "file compression") not in (None, "0"):
        raise DataError(f"{header_path}: the data are compressed, which is not read; save them uncompressed")
    names, axes = _STORED[interleave]
    stored = tuple(sizes[name] for name in names)
    size = offset + math.prod(stored) * dtype.itemsize
    data = _find_data(header_path, size) if path == header_path else path
    _check_size(data, header_path, size, f"{'x'.join(map(str, stored))} {interleave} {dtype.name}", offset)
    facts = _facts(header, header_path, sizes, dtype)
    return Opened(facts, RawFile(data.open("rb", buffering=0), str(data), offset, dtype, stored, axes))


def _facts(header: fields.Header, path: Path, sizes: dict[str, int], dtype: np.dtype[Any]) -> CubeFacts:
    bands = sizes["bands"]
    known = BandFacts(str(path), bands)
    known.warnings += envi.assumptions(header, path, dtype)
    units = fields.text(header, "wavelength units")
    centers = known.nanometres(fields.items(header, "wavelength"), units, "wavelengths")
    widths = None
    if centers is not None:
        micrometres = not units and centers != known.numbers(
            fields.items(header, "wavelength"), "wavelengths"
        )
        widths = known.nanometres(fields.items(header, "fwhm"), "um" if micrometres else units, "fwhm")
    good = known.numbers(fields.items(header, "bbl"), "bbl")
    return CubeFacts(
        "envi",
        (sizes["lines"], sizes["samples"], bands),
        dtype.newbyteorder("="),
        wavelengths=centers,
        fwhm=widths,
        good_bands=None if good is None else tuple(value == 1 for value in good),
        band_names=known.names(fields.items(header, "band names"), "band names"),
        default_bands=_default_bands(header, bands),
        nodata=fields.number(header, "data ignore value"),
        scale=fields.number(header, "reflectance scale factor") or None,
        georeference=envi.georeference(header),
        description=fields.text(header, "description"),
        header=MappingProxyType(header),
        warnings=tuple(known.warnings),
    )


def _default_bands(header: fields.Header, bands: int) -> tuple[int, ...] | None:
    listed = fields.items(header, "default bands") or []
    chosen = tuple(int(item) - 1 for item in listed if item.isdigit())
    return chosen if len(chosen) == 3 and all(0 <= band < bands for band in chosen) else None


def _header_beside(path: Path) -> Path | None:
    for name in (f"{path.name}.hdr", f"{path.stem}.hdr", f"{path.name}.HDR", f"{path.stem}.HDR"):
        if path.with_name(name).is_file():
            return path.with_name(name)
    return None


def _find_data(header: Path, size: int) -> Path:
    """The data file of a header: the one beside it whose size is what the header says, where there are several."""
    suffixes = ("", *DATA_SUFFIXES, *(suffix.upper() for suffix in DATA_SUFFIXES))
    found = [
        path for path in (header.with_name(header.stem + suffix) for suffix in suffixes) if path.is_file()
    ]
    if not found:
        raise DataError(
            f"{header} has no data beside it: {header.stem} with {', '.join(DATA_SUFFIXES)} or no suffix"
        )
    fitting = [path for path in found if path.stat().st_size == size]
    if len(found) > 1 and len(fitting) != 1:
        listed = ", ".join(path.name for path in found)
        raise DataError(
            f"{header}: it is not clear which file is its data: {listed}; name the data file instead"
        )
    return fitting[0] if fitting else found[0]


def _check_size(data: Path, header: Path, size: int, declared: str, offset: int) -> None:
    there = data.stat().st_size
    if there != size:
        fact = "is cut short" if there < size else "is longer than its header says"
        after = f" after {offset} bytes" if offset else ""
        raise DataError(
            f"{data} {fact}: {header.name} declares {declared}{after}, {size} bytes; there are {there}"
        )

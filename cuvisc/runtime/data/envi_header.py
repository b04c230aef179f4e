"""What the fields of an ENVI header mean. NumPy only, never torch.

Real headers leave out `byte order`, `header offset` or `file type`: the format's default is taken, with a warning.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from cuvisc.runtime.data.envi_fields import DEFAULTS, Header, items, text, whole
from cuvisc.runtime.data.facts import Georeference, Transform
from cuvisc.schema.errors import DataError

DTYPES = {1: "u1", 2: "i2", 3: "i4", 4: "f4", 5: "f8", 12: "u2", 13: "u4", 14: "i8", 15: "u8"}
TYPE_CODES = {np.dtype(text): code for code, text in DTYPES.items()}
_COMPLEX = {6, 9}


def dtype_of(header: Header, path: Path) -> np.dtype[Any]:
    """The dtype with its byte order."""
    code = whole(header, "data type", path, 0)
    if code in _COMPLEX:
        raise DataError(f"{path}: data type {code} is of complex numbers; a cube is of real ones")
    if code not in DTYPES:
        raise DataError(f"{path}: there is no data type {code}; there is {', '.join(map(str, DTYPES))}")
    order = whole(header, "byte order", path, 0)
    if order > 1:
        raise DataError(f"{path}: `byte order = {order}`; it is 0 (little-endian) or 1 (big-endian)")
    return np.dtype(DTYPES[code]).newbyteorder(">" if order else "<")


def assumptions(header: Header, path: Path, dtype: np.dtype[Any]) -> list[str]:
    """A warning where fields are missing and the default was taken."""
    missing = [name for name in DEFAULTS if name not in header]
    if dtype.itemsize == 1 and "byte order" in missing:
        missing.remove("byte order")
    if not missing:
        return []
    taken = ", ".join(f"`{name} = {DEFAULTS[name]}`" for name in missing)
    return [f"{path} leaves out what the format demands; {taken} is assumed"]


def georeference(header: Header) -> Georeference | None:
    """`map info` and `coordinate system string`."""
    info = items(header, "map info")
    crs = text(header, "coordinate system string")
    if info is None and crs is None:
        return None
    transform = _transform(info) if info else None
    if crs is None and info is not None:
        crs = _utm(info)
    return Georeference(crs, transform, None if info is None else ", ".join(info))


def _transform(info: list[str]) -> Transform | None:
    """Of {projection, column, row, x, y, width, height, …, rotation=degrees}; the reference pixel counts from 1."""
    try:
        column, row, x, y, width, height = (float(item) for item in info[1:7])
        pairs = [item.partition("=") for item in info[7:]]
        turned = [float(value) for name, _, value in pairs if name.strip().lower() == "rotation"]
    except ValueError:
        return None
    rotation = math.radians(sum(turned))
    cosine, sine = math.cos(rotation), math.sin(rotation)
    a, b, d, e = width * cosine, height * sine, width * sine, -height * cosine
    return (
        a,
        b,
        x - (column - 1) * a - (row - 1) * b,
        d,
        e,
        y - (column - 1) * d - (row - 1) * e,
    )


def _utm(info: list[str]) -> str | None:
    """The EPSG code of UTM on WGS 84, the one projection that `map info` says in full."""
    if info[0].upper() != "UTM" or len(info) < 9:
        return None
    datum = info[9].upper().replace(" ", "-") if len(info) > 9 else ""
    hemisphere = {"north": 32600, "south": 32700}.get(info[8].lower())
    if datum not in ("WGS-84", "WGS84") or hemisphere is None or not info[7].isdigit():
        return None
    zone = int(info[7])
    return f"EPSG:{hemisphere + zone}" if 1 <= zone <= 60 else None

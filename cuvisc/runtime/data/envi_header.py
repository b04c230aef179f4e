"""An ENVI header: text to fields and back, and what the fields mean. Pure Python and NumPy, never torch.

Real headers leave out `byte order`, `header offset` or `file type`: the format's default is taken, with a warning.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cuvisc.runtime.data.facts import Georeference, Transform
from cuvisc.schema.errors import DataError

DTYPES = {1: "u1", 2: "i2", 3: "i4", 4: "f4", 5: "f8", 12: "u2", 13: "u4", 14: "i8", 15: "u8"}
TYPE_CODES = {np.dtype(text): code for code, text in DTYPES.items()}
_COMPLEX = {6, 9}
_LARGEST = 64 * 2**20
_DEFAULTS = {"byte order": "0", "header offset": "0", "file type": "ENVI Standard"}

Header = dict[str, str | list[str]]


def read_header(path: Path) -> Header:
    """The fields of a header: names in small letters, values as text, lists in braces as lists of text."""
    if path.stat().st_size > _LARGEST:
        raise DataError(f"{path} is damaged: larger than a header can be")
    text = path.read_bytes().decode("utf-8", errors="replace")
    lines = iter(text.splitlines())
    if next(lines, "").strip().lstrip("\ufeff") != "ENVI":
        raise DataError(f"{path} is not an ENVI header: its first line is not `ENVI`")
    return dict(_fields(lines, path))


def _fields(lines: Iterator[str], path: Path) -> Iterator[tuple[str, str | list[str]]]:
    for line in lines:
        name, equals, value = line.partition("=")
        name, value = " ".join(name.lower().split()), value.strip()
        if not equals or not name or name.startswith(";"):
            continue
        if not value.startswith("{"):
            yield name, value
            continue
        parts = [value[1:]]
        while "}" not in parts[-1]:
            following = next(lines, None)
            if following is None:
                raise DataError(f"{path} is cut short: the list `{name}` does not end")
            parts.append(following)
        parts[-1] = parts[-1].partition("}")[0]
        joined = "\n".join(part for part in parts if not part.lstrip().startswith(";")).strip()
        yield name, joined if name in _TEXTS else [item.strip() for item in joined.split(",") if item.strip()]


_TEXTS = {"description", "coordinate system string", "projection info"}


def write_header(path: Path, header: Mapping[str, object]) -> None:
    """Fields to a header file; lists and texts of several lines go in braces."""
    lines = ["ENVI"]
    for name, value in header.items():
        if isinstance(value, (list, tuple)):
            text = ", ".join(str(item).replace(",", ";").replace("}", ")") for item in value)
            lines.append(f"{name} = {{{text}}}")
        elif name in _TEXTS:
            lines.append(f"{name} = {{{value}}}")
        else:
            lines.append(f"{name} = {value}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def whole(header: Header, name: str, path: Path, least: int) -> int:
    """A field that is a whole number; raises :class:`DataError` when it is missing or is none."""
    value = header.get(name, _DEFAULTS.get(name))
    if value is None:
        raise DataError(f"{path} does not say `{name}`")
    try:
        number = int(value) if isinstance(value, str) else -1
    except ValueError:
        number = -1
    if not least <= number < 2**62:
        raise DataError(f"{path}: `{name} = {value}` is not a whole number of at least {least}")
    return number


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
    missing = [name for name in _DEFAULTS if name not in header]
    if dtype.itemsize == 1 and "byte order" in missing:
        missing.remove("byte order")
    if not missing:
        return []
    taken = ", ".join(f"`{name} = {_DEFAULTS[name]}`" for name in missing)
    return [f"{path} leaves out what the format demands; {taken} is assumed"]


def number(header: Header, name: str) -> float | None:
    """A field that is a finite number, NaN or infinity; None where it is missing or something else."""
    value = header.get(name)
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None


def text(header: Header, name: str) -> str | None:
    """A field that is a text; None where it is missing or empty."""
    value = header.get(name)
    return value if isinstance(value, str) and value else None


def items(header: Header, name: str) -> list[str] | None:
    """A field that is a list; None where it is missing."""
    value = header.get(name)
    return [value] if isinstance(value, str) and value else value or None if isinstance(value, list) else None


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

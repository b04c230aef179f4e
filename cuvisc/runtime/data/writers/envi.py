"""Planes to ENVI: a header with what the input's header says of its place, and plain numbers. Never torch."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.data.envi_fields import write_header
from cuvisc.runtime.data.envi_header import TYPE_CODES
from cuvisc.runtime.data.facts import CubeFacts, Georeference
from cuvisc.runtime.data.readers.envi import SUFFIXES as SUFFIXES
from cuvisc.runtime.data.source import Block
from cuvisc.runtime.data.writers.npz import put_block
from cuvisc.runtime.data.writers.plane import Plane

_LAYOUT = {
    "samples",
    "lines",
    "bands",
    "header offset",
    "file type",
    "data type",
    "interleave",
    "byte order",
    "data ignore value",
    "file compression",
    "classes",
    "class names",
    "class lookup",
}
_OF_BANDS = {
    "wavelength",
    "wavelength units",
    "fwhm",
    "bbl",
    "band names",
    "default bands",
    "default stretch",
    "reflectance scale factor",
    "data gain values",
    "data offset values",
    "data reflectance gain values",
    "data reflectance offset values",
    "spectra names",
    "z plot range",
    "z plot average",
    "z plot titles",
}
_OF_PLACE = {
    "map info",
    "projection info",
    "coordinate system string",
    "geo points",
    "pixel size",
    "x start",
    "y start",
}


class EnviWriter:
    """One plane in two files, data and header, interleaved by pixel."""

    def __init__(
        self, paths: tuple[Path, ...], size: tuple[int, int], plane: Plane, facts: CubeFacts
    ) -> None:
        data, self._header = paths
        self._size, self._plane, self._facts = size, plane, facts
        self._file = data.open("r+b")
        self._file.truncate(math.prod(size) * plane.bands * plane.dtype.itemsize)

    def put(self, block: Block, values: NDArray[Any]) -> None:
        """The values [rows,columns,bands] of a block."""
        little = values.astype(self._plane.dtype.newbyteorder("<"), copy=False)
        put_block(self._file, 0, block, little, (1, *self._size, self._plane.bands))

    def save(self) -> None:
        """Write the header and finish the data."""
        self._file.close()
        plane = self._plane
        several = plane.bands > 1
        fields: dict[str, object] = {
            "description": self._facts.description or f"{plane.name} by cuvisc",
            "samples": self._size[1],
            "lines": self._size[0],
            "bands": plane.bands,
            "header offset": 0,
            "file type": "ENVI Classification" if plane.classes is not None else "ENVI Standard",
            "data type": TYPE_CODES[np.dtype(plane.dtype)],
            "interleave": "bip" if several else "bsq",
            "byte order": 0,
            "data ignore value": "NaN" if math.isnan(plane.nodata) else f"{plane.nodata:.9g}",
            "band names": [
                f"{plane.name} {band + 1}" if several else plane.name for band in range(plane.bands)
            ],
        }
        if plane.classes is not None:
            fields["classes"] = len(plane.classes)
            fields["class names"] = plane.classes
            fields["class lookup"] = [channel for color in plane.colors for channel in color]
        fields |= carried(self._facts)
        fields |= {f"cuvisc {name}": value for name, value in plane.notes.items()}
        write_header(self._header, fields)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def carried(facts: CubeFacts) -> dict[str, object]:
    """The fields of the input's header that hold for any raster on its grid.

    Left out: the layout, what is said band by band, every list that is as long as there are bands, and what an earlier
    prediction said of itself.
    """
    if facts.kind != "envi":
        return {} if facts.georeference is None else placed(facts.georeference)
    return {
        name: value
        for name, value in facts.header.items()
        if name not in _LAYOUT | _OF_BANDS | {"description"}
        and not name.startswith("cuvisc ")
        and (name in _OF_PLACE or not isinstance(value, list) or len(value) != facts.bands)
    }


def placed(place: Georeference) -> dict[str, object]:
    """A georeference as ENVI says it; a sheared grid cannot be said and is left out."""
    fields: dict[str, object] = {}
    if place.map_info is not None:
        fields["map info"] = place.map_info.split(", ")
    elif place.transform is not None:
        info = _map_info(place)
        if info is not None:
            fields["map info"] = info
    if place.crs is not None and not place.crs.startswith("EPSG:"):
        fields["coordinate system string"] = place.crs
    return fields


def _map_info(place: Georeference) -> list[str] | None:
    assert place.transform is not None
    a, b, c, d, e, f = place.transform
    if b or d or a <= 0 or e >= 0:
        return None
    numbers = [f"{value:.15g}" for value in (1, 1, c, f, a, -e)]
    zone = _utm_zone(place.crs or "")
    return ["UTM", *numbers, *zone, "WGS-84", "units=Meters"] if zone else ["Arbitrary", *numbers]


def _utm_zone(crs: str) -> tuple[str, str] | None:
    """Zone and hemisphere of UTM on WGS 84, from the code or the name of a coordinate system."""
    if crs.startswith("EPSG:") and crs[5:].isdigit():
        code = int(crs[5:])
        if code // 100 in (326, 327) and 1 <= code % 100 <= 60:
            return str(code % 100), "North" if code // 100 == 326 else "South"
        return None
    name = crs.split('"')[1] if '"' in crs else ""
    if name.startswith("WGS 84 / UTM zone ") and name[-1] in "NS" and name[18:-1].isdigit():
        return name[18:-1], "North" if name[-1] == "N" else "South"
    return None

"""What a file says about the cube in it: one dataclass that every reader fills. NumPy only, never torch.

A fact that the file does not say is None; nothing is guessed. What a reader had to assume is in `warnings`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

Transform = tuple[float, float, float, float, float, float]
Floats = tuple[float, ...]


@dataclass(frozen=True)
class Georeference:
    """Where the pixels are.

    `crs` is WKT or `EPSG:<code>`; `transform` (a, b, c, d, e, f) takes the corner of a pixel to
    x = a column + b row + c, y = d column + e row + f; `map_info` is the text of an ENVI header, kept as it is.
    """

    crs: str | None = None
    transform: Transform | None = None
    map_info: str | None = None


@dataclass(frozen=True)
class CubeFacts:
    """The cube of a file: `shape` as stored in [H,W,C] order of axes, `dtype` in its native byte order.

    `wavelengths` and `fwhm` are in nanometres, `good_bands` is the file's own judgement, `nodata` is the number that
    means none, `scale` is what stored values have to be divided by, `default_bands` counts from 0, `dataset` is the
    array's name inside the file, `header` is what the file says besides.
    """

    kind: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    dataset: str | None = None
    wavelengths: Floats | None = None
    fwhm: Floats | None = None
    good_bands: tuple[bool, ...] | None = None
    band_names: tuple[str, ...] | None = None
    default_bands: tuple[int, ...] | None = None
    nodata: float | None = None
    scale: float | None = None
    georeference: Georeference | None = None
    description: str | None = None
    header: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    warnings: tuple[str, ...] = ()

    @property
    def in_words(self) -> str:
        """Format, shape and dtype, and the array's name where it has one."""
        where = f"`{self.dataset}`, " if self.dataset else ""
        return f"{self.kind}, {where}{' x '.join(map(str, self.shape))} {self.dtype.name}"

    @property
    def bands(self) -> int:
        """Length of the last axis."""
        return self.shape[-1]

    @property
    def nbytes(self) -> int:
        """Bytes of the values, uncompressed."""
        return math.prod(self.shape) * self.dtype.itemsize

    def to_json(self) -> dict[str, Any]:
        """The facts for `--json`; the header as texts."""
        place = self.georeference
        return {
            "kind": self.kind,
            "dataset": self.dataset,
            "shape": list(self.shape),
            "dtype": self.dtype.name,
            "wavelengths_nm": _listed(self.wavelengths),
            "fwhm_nm": _listed(self.fwhm),
            "good_bands": _listed(self.good_bands),
            "band_names": _listed(self.band_names),
            "default_bands": _listed(self.default_bands),
            "nodata": _finite_or_text(self.nodata),
            "scale": self.scale,
            "crs": place.crs if place else None,
            "transform": _listed(place.transform) if place else None,
            "map_info": place.map_info if place else None,
            "description": self.description,
            "header": {key: str(value) for key, value in self.header.items()},
            "warnings": list(self.warnings),
        }


def _listed(values: tuple[Any, ...] | None) -> list[Any] | None:
    return None if values is None else list(values)


def _finite_or_text(value: float | None) -> float | str | None:
    """JSON has no NaN and no infinity."""
    return value if value is None or math.isfinite(value) else str(value)

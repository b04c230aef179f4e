"""Planes to GeoTIFF through rasterio, with the input's georeference, class colours and names. Never torch."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.data.facts import CubeFacts
from cuvisc.runtime.data.packages import import_for
from cuvisc.runtime.data.raster_file import first_line, quiet_gdal
from cuvisc.runtime.data.source import Block
from cuvisc.runtime.data.writers.plane import Plane
from cuvisc.schema.errors import DataError

SUFFIXES = (".tif", ".tiff")
TAG = "CUVISC_"


class GeoTiffWriter:
    """One plane in one file, uncompressed, so that blocks may come in any order."""

    def __init__(
        self, paths: tuple[Path, ...], size: tuple[int, int], plane: Plane, facts: CubeFacts
    ) -> None:
        (self._path,) = paths
        self._plane, self._facts = plane, facts
        self._rasterio = import_for("writing a GeoTIFF", "rasterio")
        place = facts.georeference
        profile: dict[str, Any] = {
            "height": size[0],
            "width": size[1],
            "count": plane.bands,
            "dtype": plane.dtype.name,
            "nodata": plane.nodata,
            "BIGTIFF": "IF_SAFER",
        }
        if plane.bands > 1:
            profile["interleave"] = "pixel"
        if place is not None and place.transform is not None:
            profile["transform"] = self._rasterio.Affine(*place.transform)
        if place is not None and place.crs is not None:
            profile["crs"] = self._crs(place.crs)
        with self._environment(), warnings.catch_warnings():
            warnings.simplefilter("ignore", self._rasterio.errors.NotGeoreferencedWarning)
            self._dataset: Any = self._rasterio.open(self._path, "w", driver="GTiff", **profile)

    def put(self, block: Block, values: NDArray[Any]) -> None:
        """The values [rows,columns,bands] of a block."""
        window = ((block.top, block.bottom), (block.left, block.right))
        try:
            with self._environment():
                self._dataset.write(np.moveaxis(values, -1, 0), window=window)
        except self._rasterio.errors.RasterioError as error:
            raise DataError(f"cannot write `{self._plane.name}`: {first_line(error)}") from error

    def save(self) -> None:
        """Add what is known at the end, and finish the file."""
        plane = self._plane
        tags = {k: str(v) for k, v in self._facts.header.items()} if self._facts.kind == "geotiff" else {}
        tags = {k: v for k, v in tags.items() if not k.startswith(("TIFFTAG_", "STATISTICS_", TAG))}
        with self._environment():
            self._dataset.update_tags(**tags, **{_tag(k): v for k, v in plane.notes.items()})
            for band in range(1, plane.bands + 1):
                number = f" {band}" if plane.bands > 1 else ""
                self._dataset.set_band_description(band, f"{plane.name}{number}")
                if plane.unit:
                    self._dataset.update_tags(band, unit=plane.unit)
                if plane.classes is not None:
                    self._dataset.update_tags(band, class_names=", ".join(plane.classes))
            if plane.classes is not None and plane.bands == 1:
                self._dataset.write_colormap(1, {i: (*c, 255) for i, c in enumerate(plane.colors)})
            self._dataset.close()

    def close(self) -> None:
        """Let go of the file."""
        self._dataset.close()

    def _crs(self, text: str) -> Any:
        try:
            with self._environment():
                return self._rasterio.crs.CRS.from_user_input(text)
        except self._rasterio.errors.CRSError as error:
            raise DataError(f"GDAL does not know the coordinate system {text[:60]!r}") from error

    def _environment(self) -> AbstractContextManager[None]:
        return quiet_gdal(self._rasterio)


def _tag(name: str) -> str:
    return TAG + name.upper().replace(" ", "_")

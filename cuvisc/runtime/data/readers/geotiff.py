"""GeoTIFF through rasterio: windows, georeference, and wavelengths from the tags of bands. Never torch.

Wavelengths stand in band tags `wavelength` and `wavelength_units`, or in GDAL's IMAGERY domain as
`CENTRAL_WAVELENGTH_UM`, or in the ENVI domain of the file.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

from cuvisc.runtime.data.arrays import Opened
from cuvisc.runtime.data.band_axis import BandFacts
from cuvisc.runtime.data.facts import CubeFacts, Floats, Georeference
from cuvisc.runtime.data.raster_file import RasterFile

SUFFIXES = (".tif", ".tiff")
Tags = dict[str, str]


def open_cube(path: Path, key: str | None) -> Opened:
    """Open a GeoTIFF; a file of one array has no use for the key."""
    file = RasterFile(path, "GTiff")
    dataset, bands = file.dataset, file.shape[2]
    tags: Tags = dataset.tags()
    known = BandFacts(str(path), bands)
    centers, widths = _spectral_axis(dataset, known, bands)
    good = known.numbers(_each([_small(dataset.tags(band)) for band in dataset.indexes], "bbl"), "bbl")
    names = dataset.descriptions
    facts = CubeFacts(
        "geotiff",
        file.shape,
        file.dtype.newbyteorder("="),
        wavelengths=centers,
        fwhm=widths,
        good_bands=None if good is None else tuple(value == 1 for value in good),
        band_names=tuple(names) if all(names) else None,
        nodata=dataset.nodata,
        scale=1 / dataset.scales[0] if _share(dataset.scales) else None,
        georeference=_georeference(dataset),
        description=tags.get("TIFFTAG_IMAGEDESCRIPTION"),
        header=MappingProxyType(tags),
        warnings=tuple(known.warnings),
    )
    return Opened(facts, file)


def _spectral_axis(dataset: Any, known: BandFacts, bands: int) -> tuple[Floats | None, Floats | None]:
    """Centres and widths, from the first place that has them for every band."""
    tags = [_small(dataset.tags(band)) for band in dataset.indexes]
    found = _each(tags, "wavelength")
    if found is not None:
        units = tags[0].get("wavelength_units") or tags[0].get("wavelength_unit")
        centers = known.nanometres(found, units, "wavelengths")
        return centers, known.nanometres(_each(tags, "fwhm"), units, "fwhm") if units else None
    imagery = [_small(dataset.tags(band, ns="IMAGERY")) for band in dataset.indexes]
    found = _each(imagery, "central_wavelength_um")
    if found is not None:
        widths = known.nanometres(_each(imagery, "fwhm_um"), "um", "fwhm")
        return known.nanometres(found, "um", "wavelengths"), widths
    header = _small(dataset.tags(ns="ENVI"))
    if "wavelength" in header:
        units = header.get("wavelength_units")
        centers = known.nanometres(_listed(header["wavelength"]), units, "wavelengths")
        listed = _listed(header["fwhm"]) if "fwhm" in header and units else None
        return centers, known.nanometres(listed, units, "fwhm")
    return None, None


def _georeference(dataset: Any) -> Georeference | None:
    crs = dataset.crs.to_wkt() if dataset.crs else None
    transform = None if dataset.transform.is_identity else tuple(dataset.transform)[:6]
    return Georeference(crs, transform) if crs or transform else None


def _share(scales: tuple[float, ...]) -> bool:
    """Whether all bands have one scale, and it changes values."""
    return len(set(scales)) == 1 and scales[0] not in (0.0, 1.0)


def _small(tags: Tags) -> Tags:
    return {name.lower().replace(" ", "_"): value for name, value in tags.items()}


def _each(tags: list[Tags], name: str) -> list[str] | None:
    """The tag of every band, or None where one lacks it."""
    found = [tag[name] for tag in tags if name in tag]
    return found if len(found) == len(tags) else None


def _listed(text: str) -> list[str]:
    return [item.strip() for item in text.strip("{} \n").split(",") if item.strip()]

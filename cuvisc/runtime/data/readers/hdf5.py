"""HDF5: one dataset of a file, named as in `FILE.h5::/path`, or NEON's or PRISMA's, or the only cube. Never torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cuvisc.runtime.data.arrays import Opened, SlicedFile
from cuvisc.runtime.data.band_axis import BandFacts
from cuvisc.runtime.data.dataset_file import DatasetFile
from cuvisc.runtime.data.envi_header import georeference
from cuvisc.runtime.data.facts import CubeFacts, Georeference
from cuvisc.runtime.data.h5_file import H5File, one_number
from cuvisc.schema.errors import DataError

SUFFIXES = (".h5", ".hdf5", ".he5")
_NEON = ("Reflectance_Data", "Radiance_Data")
_PRISMA = {"VNIR_Cube": "Vnir", "SWIR_Cube": "Swir"}
_CENTERS = ("wavelengths", "wavelength", "Wavelength", "Wavelengths")
_UNITS = ("Units", "units", "unit", "Unit", "wavelength_units")
_NODATA = ("Data_Ignore_Value", "_FillValue", "data_ignore_value", "nodata")


def open_cube(path: Path, key: str | None) -> Opened:
    """Open a dataset; raises :class:`DataError` with the candidates where the file does not say which is the cube."""
    file = H5File(path)
    try:
        dataset = key or choose_dataset(file)
        metadata = f"{dataset.strip('/').rpartition('/')[0]}/Metadata"
        if file.member(f"{metadata}/Spectral_Data") is not None:
            return _neon(file, dataset, metadata)
        product = file.attributes(file.root)
        sensor = _PRISMA.get(dataset.rpartition("/")[2])
        if f"List_Cw_{sensor}" in product:
            return _prisma(file, dataset, product, f"{sensor}")
        return open_plain(file, dataset, "hdf5")
    except DataError:
        file.close()
        raise


def keys(path: Path) -> tuple[str, ...]:
    """Paths of the datasets of numbers."""
    file = H5File(path)
    try:
        return tuple(file.numeric())
    finally:
        file.close()


def choose_dataset(file: DatasetFile) -> str:
    """The only dataset of three axes; among several, that named `cube` or as NEON names it."""
    cubes = [name for name in file.numeric() if len(file.shape(name)) == 3]
    named = [name for name in cubes if name.rpartition("/")[2] in ("cube", *_NEON)]
    found = named if len(named) == 1 else cubes
    if len(found) == 1:
        return found[0]
    if not found:
        raise DataError(f"{file.name} holds no array of three axes")
    listed = ", ".join(f"`{name}`" for name in found[:12])
    raise DataError(
        f"{file.name} holds several cubes: {listed}; name one, as in {Path(file.name).name}::/{found[0]}"
    )


def _neon(file: H5File, dataset: str, metadata: str) -> Opened:
    """The layout of NEON's imaging spectrometer: lines, samples, bands, with the metadata beside."""
    array = file.array(dataset)
    known = BandFacts(file.name, array.shape[-1])
    spectral = f"{metadata}/Spectral_Data"
    centers = _centers(file, known, f"{spectral}/Wavelength", "wavelengths")
    widths = _centers(file, known, f"{spectral}/FWHM", "fwhm") if centers else None
    place = f"{metadata}/Coordinate_System"
    texts = {
        "map info": file.text(f"{place}/Map_Info"),
        "coordinate system string": file.text(f"{place}/Coordinate_System_String"),
        "epsg": file.text(f"{place}/EPSG Code"),
    }
    header = {name: value for name, value in texts.items() if value}
    return describe(file, array, "hdf5", dataset, known, centers, widths, _place(header), header)


def _prisma(file: H5File, dataset: str, product: dict[str, Any], sensor: str) -> Opened:
    """The layout of PRISMA's products: lines, bands, samples; a band without a centre holds nothing.

    Counts are scaled from 0-65535 to the product's range; the scale is known where that begins at 0.
    """
    array = file.array(dataset, (0, 2, 1)) if len(file.shape(dataset)) == 3 else file.array(dataset)
    known = BandFacts(file.name, array.shape[-1])
    centers = known.nanometres(product[f"List_Cw_{sensor}"], "nm", "wavelengths")
    widths = known.nanometres(product.get(f"List_Fwhm_{sensor}"), "nm", "fwhm") if centers else None
    opened = describe(file, array, "hdf5", dataset, known, centers, widths, None, {})
    low, high = (one_number(product.get(f"L2Scale{sensor}{end}")) for end in ("Min", "Max"))
    return Opened(
        replace(
            opened.facts,
            good_bands=tuple(center > 0 for center in centers) if centers else None,
            scale=65535 / high if low == 0 and high else None,
        ),
        opened.file,
    )


def _place(header: dict[str, str]) -> Georeference | None:
    fields: dict[str, str | list[str]] = dict(header)
    if "map info" in header:
        fields["map info"] = [item.strip() for item in header["map info"].split(",")]
    place = georeference(fields)
    code = header.get("epsg", "")
    if place is not None and place.crs is None and code.isdigit():
        return Georeference(f"EPSG:{code}", place.transform, place.map_info)
    return place


def open_plain(file: DatasetFile, dataset: str, kind: str) -> Opened:
    """Any other dataset: the axis as long as the wavelengths is that of the bands, else the last one."""
    array = file.array(dataset)
    group = dataset.strip("/").rpartition("/")[0]
    raw = file.attributes(file.member(dataset))
    values, units = _beside(file, group, raw)
    array = bands_last(file, dataset, array, values)
    known = BandFacts(file.name, array.shape[-1] if array.shape else 0)
    centers = known.nanometres(values, units, "wavelengths") if len(array.shape) > 2 else None
    return describe(file, array, kind, dataset, known, centers, None, None, {})


def bands_last(file: DatasetFile, dataset: str, array: SlicedFile, centers: list[float] | None) -> SlicedFile:
    """The array with the one axis first or second that is as long as the wavelengths moved to the end."""
    fitting = [axis for axis, length in enumerate(array.shape) if centers and length == len(centers)]
    if len(array.shape) != 3 or len(fitting) != 1 or fitting[0] == 2:
        return array
    rest = [axis for axis in range(3) if axis != fitting[0]]
    return file.array(dataset, (*rest, fitting[0]))


def _beside(file: DatasetFile, group: str, raw: dict[str, Any]) -> tuple[list[float] | None, str | None]:
    """Wavelengths in the dataset's attributes, or in a dataset of that name beside it or at the top."""
    for name in _CENTERS:
        if name in raw and getattr(raw[name], "ndim", 0) == 1:
            return [float(value) for value in raw[name]], _first(raw, _UNITS)
    for name in [f"{place}/{name}" for place in dict.fromkeys((group, "")) for name in _CENTERS]:
        values = file.vector(name)
        if values:
            return values, _first(file.attributes(file.member(name)), _UNITS)
    return None, None


def _centers(file: H5File, known: BandFacts, path: str, what: str) -> tuple[float, ...] | None:
    values = file.vector(path)
    if values is None:
        return None
    return known.nanometres(values, _first(file.attributes(file.member(path)), _UNITS), what)


def describe(
    file: DatasetFile,
    array: SlicedFile,
    kind: str,
    dataset: str,
    known: BandFacts,
    centers: tuple[float, ...] | None,
    widths: tuple[float, ...] | None,
    place: Georeference | None,
    header: dict[str, str],
) -> Opened:
    """The facts that the attributes of a dataset add."""
    raw = file.attributes(file.member(dataset))
    nodata = next((raw[name] for name in _NODATA if name in raw), None)
    scale = one_number(raw.get("Scale_Factor"))
    if scale is None and one_number(raw.get("scale_factor")):
        scale = 1 / (one_number(raw["scale_factor"]) or 1)
    facts = CubeFacts(
        kind,
        array.shape,
        array.dtype.newbyteorder("="),
        dataset,
        wavelengths=centers,
        fwhm=widths,
        nodata=one_number(nodata),
        scale=scale if scale not in (None, 0.0, 1.0) else None,
        georeference=place,
        description=_first(raw, ("Description", "description", "long_name")),
        header=MappingProxyType({**header, **raw}),
        warnings=tuple(known.warnings),
    )
    return Opened(facts, array)


def _first(raw: dict[str, Any], names: tuple[str, ...]) -> str | None:
    return next((raw[name] for name in names if isinstance(raw.get(name), str) and raw[name]), None)

"""NetCDF 4 as the HDF5 it is: one variable, or `reflectance`/`radiance` in the layout of EMIT. Never torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cuvisc.runtime.data.arrays import Opened
from cuvisc.runtime.data.band_axis import BandFacts
from cuvisc.runtime.data.h5_file import H5Array, H5File
from cuvisc.runtime.data.readers import hdf5
from cuvisc.schema.errors import DataError

SUFFIXES = (".nc", ".nc4")
_CLASSIC = b"CDF"
_EMIT = ("reflectance", "radiance")
_BANDS = "sensor_band_parameters"


def open_cube(path: Path, key: str | None) -> Opened:
    """Open a variable; raises :class:`DataError`."""
    with path.open("rb") as stream:
        if stream.read(3) == _CLASSIC:
            raise DataError(
                f"{path} is of the classic NetCDF format, which is not read; convert it to NetCDF 4"
            )
    file = H5File(path)
    try:
        if file.member(_BANDS) is None:
            return hdf5.open_plain(file, key or hdf5.choose_dataset(file), "netcdf")
        return _emit(file, key or next((name for name in _EMIT if file.member(name) is not None), None))
    except DataError:
        file.close()
        raise


def _emit(file: H5File, key: str | None) -> Opened:
    """EMIT level 1B and 2A: downtrack, crosstrack, bands in the sensor's own geometry.

    The file's `geotransform` belongs to the grid of its lookup table, not to these pixels: it stays in the header.
    """
    dataset = key or hdf5.choose_dataset(file)
    array = H5Array(file, dataset)
    known = BandFacts(file.name, array.shape[-1])
    centers = widths = None
    if len(array.shape) == 3:
        centers = known.nanometres(file.vector(f"{_BANDS}/wavelengths"), "nm", "wavelengths")
        widths = known.nanometres(file.vector(f"{_BANDS}/fwhm"), "nm", "fwhm")
    header = {name: str(value) for name, value in file.attributes(file.root).items()}
    facts, array_file = hdf5.describe(file, array, "netcdf", dataset, known, centers, widths, None, header)
    good = file.vector(f"{_BANDS}/good_wavelengths")
    if good is not None and len(good) == known.bands:
        facts = replace(facts, good_bands=tuple(value == 1 for value in good))
    return Opened(facts, array_file)

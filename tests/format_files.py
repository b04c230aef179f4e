"""Small cubes in every format, written by independent packages: Spectral Python, rasterio, h5py, SciPy."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import rasterio
import scipy.io
import spectral.io.envi
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import from_origin

Array = NDArray[Any]
TRANSFORM = from_origin(366015, 5807085, 30, 30)
CRS = "EPSG:32633"


def cube_of(shape: tuple[int, ...] = (7, 9, 5), dtype: str = "u2", seed: int = 0) -> Array:
    """Whole numbers below 120, where the scores of the small artifact are neither all high nor all low."""
    return np.random.default_rng(seed).integers(1, 120, shape).astype(dtype)


def centers_of(bands: int) -> list[float]:
    """Band centres in nanometres, 50 nm apart."""
    return [450.0 + 50 * band for band in range(bands)]


def write_envi(path: Path, cube: Array, interleave: str = "bsq", **fields: Any) -> Path:
    """A header (`path`) and its data, `.img`, by Spectral Python."""
    order = int(cube.dtype.byteorder == ">")
    options = {"dtype": cube.dtype.newbyteorder("="), "interleave": interleave, "byteorder": order}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "line buffering", RuntimeWarning)
        spectral.io.envi.save_image(str(path), cube, force=True, ext=".img", metadata=fields, **options)
    return path


def write_tiff(path: Path, cube: Array, tags: dict[str, list[Any]] | None = None, **profile: Any) -> Path:
    """A GeoTIFF by rasterio; `tags` are of the bands."""
    height, width, bands = cube.shape
    options = {"crs": CRS, "transform": TRANSFORM, "dtype": cube.dtype.newbyteorder("="), **profile}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", "GTiff", width=width, height=height, count=bands, **options) as file:
            file.write(np.moveaxis(cube, -1, 0))
            for name, values in (tags or {}).items():
                for band, value in enumerate(values, 1):
                    file.update_tags(band, **{name: value})
    return path


def write_h5(path: Path, arrays: dict[str, Array], **options: Any) -> Path:
    """Datasets by h5py; names may hold slashes."""
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, **(options if array.ndim > 2 else {}))
    return path


def write_mat(path: Path, arrays: dict[str, Array], compressed: bool = True) -> Path:
    """A MAT file of version 5 by SciPy."""
    scipy.io.savemat(path, arrays, do_compression=compressed)
    return path


def read_envi(header: str | Path) -> tuple[Array, dict[str, Any]]:
    """Values [H,W,C] and header of an ENVI pair with `.img` data, by Spectral Python."""
    image = spectral.io.envi.open(str(header), str(Path(header).with_suffix(".img")))
    return np.array(image.open_memmap()), image.metadata


def read_tiff(path: str | Path) -> Array:
    """Values [H,W,C] of a GeoTIFF by rasterio, also where it has no place."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as file:
            return np.moveaxis(file.read(), 0, -1)

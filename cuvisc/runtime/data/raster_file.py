"""A raster that GDAL reads, window by window, through rasterio. Never torch.

Only the named driver may open the file, whatever its content says it is: a VRT in disguise reads other files.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.data.arrays import WINDOW_BYTES
from cuvisc.runtime.data.packages import import_for
from cuvisc.schema.errors import DataError

CACHE_MEGABYTES = 64
_LARGEST_BLOCK = 2**30


class RasterFile:
    """A :class:`SlicedFile` [H,W,C] over a rasterio dataset, which is `dataset`."""

    def __init__(self, path: Path, driver: str) -> None:
        self._rasterio = import_for(path, "rasterio")
        self._name = str(path)
        with self._environment(), warnings.catch_warnings():
            warnings.simplefilter("ignore", self._rasterio.errors.NotGeoreferencedWarning)
            try:
                self.dataset: Any = self._rasterio.open(path, driver=driver)
            except self._rasterio.errors.RasterioError as error:
                raise DataError(f"{path} cannot be read as {driver}: {first_line(error)}") from error
        try:
            self._look(path)
        except DataError:
            self.close()
            raise

    def _look(self, path: Path) -> None:
        found = self.dataset
        if found.count == 0:
            raise DataError(f"{path} has no bands")
        if len(set(found.dtypes)) > 1:
            raise DataError(f"{path} has bands of different dtypes: {', '.join(sorted(set(found.dtypes)))}")
        self.shape: tuple[int, ...] = (found.height, found.width, found.count)
        try:
            self.dtype = np.dtype(found.dtypes[0])
        except TypeError:
            raise DataError(f"{path} holds {found.dtypes[0]}; a cube is of real numbers") from None
        rows, columns = found.block_shapes[0]
        if rows * columns * self.dtype.itemsize > _LARGEST_BLOCK:
            raise DataError(f"{path} is damaged: it declares blocks of {rows}x{columns} pixels")
        self.grain: tuple[int, ...] = (rows, columns, 1)
        self.window_bytes = WINDOW_BYTES

    def read(self, box: tuple[slice, ...]) -> NDArray[Any]:
        """The values of a box."""
        rows, columns, bands = (range(*part.indices(n)) for part, n in zip(box, self.shape, strict=True))
        window = ((rows.start, rows.stop), (columns.start, columns.stop))
        try:
            with self._environment():
                values: NDArray[Any] = self.dataset.read([band + 1 for band in bands], window=window)
        except self._rasterio.errors.RasterioError as error:
            raise DataError(f"{self._name} is damaged: {first_line(error.__cause__ or error)}") from error
        return np.moveaxis(values, 0, -1)

    def close(self) -> None:
        """Close the dataset."""
        self.dataset.close()

    def _environment(self) -> AbstractContextManager[None]:
        return quiet_gdal(self._rasterio)


@contextmanager
def quiet_gdal(rasterio: ModuleType) -> Iterator[None]:
    """GDAL with a small cache, its messages and rasterio's failures to decode them kept off the terminal."""
    logging.getLogger("rasterio").setLevel(logging.CRITICAL)
    before = sys.unraisablehook, sys.excepthook
    sys.unraisablehook = lambda event: None if "rasterio" in str(event.object) else before[0](event)
    sys.excepthook = lambda kind, *rest: None if kind is UnicodeDecodeError else before[1](kind, *rest)
    try:
        with rasterio.Env(GDAL_CACHEMAX=CACHE_MEGABYTES):
            yield
    finally:
        sys.unraisablehook, sys.excepthook = before


def first_line(error: BaseException) -> str:
    """The first line of an error of GDAL."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)

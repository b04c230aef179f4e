"""PNG pictures of masks and class ids, through rasterio. Never torch. Cubes are not kept in pictures."""

from __future__ import annotations

from pathlib import Path

from cuvisc.runtime.data.arrays import Opened
from cuvisc.runtime.data.facts import CubeFacts
from cuvisc.runtime.data.raster_file import RasterFile

SUFFIXES = (".png",)
LISTED = ()


def open_cube(path: Path, key: str | None) -> Opened:
    """Open a picture as [H,W,bands]; a file of one array has no use for the key."""
    file = RasterFile(path, "PNG")
    return Opened(CubeFacts("png", file.shape, file.dtype), file)

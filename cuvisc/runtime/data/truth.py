"""Ground truth of a cube: an array in its own file, or a file beside it. NumPy only, never torch.

For `scene.tif` a mask is `scene_mask.npy`, `.tif`, `.png`, `.hdr`, …, or `scene.png`; labels are `scene_labels.*` or
`scene_label.*`. Of arrays in the file, `mask` and `labels` are taken where the format holds several.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.data.nodata import stored_nodata, values_without_data
from cuvisc.runtime.data.opening import all_readers, array_names, open_cube, read_array
from cuvisc.schema.errors import DataError

_MOST_COLORS = 4
ENDINGS = {"mask": ("_mask",), "labels": ("_labels", "_label")}


class Truth(NamedTuple):
    """Where ground truth is: a file, the array in it where it is the cube's own, and its number for no data."""

    path: Path
    key: str | None
    nodata: float | None = None

    @classmethod
    def of(cls, path: Path, key: str | None = None) -> Truth:
        """Read the header of the file; raises :class:`DataError`.

        A number for no data that is 0 is none: masks made with geographic tools call everything without an object so.
        """
        opened = open_cube(path, key)
        opened.file.close()
        nodata = stored_nodata(opened.facts.nodata, opened.file.dtype)
        return cls(path, key, float(nodata) if nodata else None)


def is_truth(path: Path, stems: Collection[str]) -> bool:
    """Whether a file is named as the ground truth of a cube with one of these stems."""
    endings = [ending for kinds in ENDINGS.values() for ending in kinds]
    return any(path.stem.endswith(ending) and path.stem.removesuffix(ending) in stems for ending in endings)


def find_truth(cube: Path, kind: str, key: str) -> Truth | None:
    """The ground truth of a kind (`mask`, `labels`): the array `key` of the file, else a file beside it."""
    if key in array_names(cube):
        return Truth.of(cube, key)
    names = names_of_truth(cube, kind)
    found = [cube.with_name(name) for name in names if cube.with_name(name).is_file()]
    if len(found) > 1:
        raise DataError(
            f"{cube} has several files of {kind} beside it: {', '.join(path.name for path in found)}; keep one"
        )
    return Truth.of(found[0]) if found else None


def names_of_truth(cube: Path, kind: str) -> list[str]:
    """What a file of ground truth beside a cube may be called, each name once."""
    suffixes = sorted(
        {suffix for reader in all_readers() for suffix in getattr(reader, "LISTED", reader.SUFFIXES)}
    )
    names = [cube.stem + ending + suffix for ending in ENDINGS[kind] for suffix in (".png", *suffixes)]
    return list(dict.fromkeys(names + [f"{cube.stem}.png"] * (kind == "mask")))


def find_unjudged(values: NDArray[Any], nodata: float | None) -> NDArray[np.bool_]:
    """Where ground truth says nothing: values that are not a number, or that are the file's number for no data."""
    stored = stored_nodata(nodata, values.dtype)
    unknown = np.zeros(values.shape, np.bool_) if stored is None else values_without_data(values, stored)
    return unknown | np.isnan(values) if values.dtype.kind == "f" else unknown


def check_shape(truth: Truth, size: tuple[int, ...]) -> None:
    """Raise :class:`DataError` unless the file says that it holds a number, or a color, for each pixel of the size."""
    file = open_cube(truth.path, truth.key).file
    shape = file.shape
    file.close()
    if shape != size and (shape[:-1] != size or shape[-1] > _MOST_COLORS):
        what = f"{truth.path}: `{truth.key}`" if truth.key else str(truth.path)
        raise DataError(f"{what} has the shape {shape}; {size} goes with the cube")


def one_plane(values: NDArray[Any], pixel_axes: int, path: Path) -> NDArray[Any]:
    """One number a pixel, also of a grey picture saved in colors; raises :class:`DataError` for any other picture."""
    if values.ndim == pixel_axes:
        return values
    colors = values[..., : 3 if values.shape[-1] > 2 else 1]
    if colors.shape[-1] > 1 and not (colors == colors[..., :1]).all():
        raise DataError(f"{path} is a picture in colours; ground truth is one number a pixel")
    return np.ascontiguousarray(colors[..., 0])


def read_truth(truth: Truth, size: tuple[int, ...]) -> NDArray[Any]:
    """Values of the size [H,W] of the cube; raises :class:`DataError` for any other shape, before they are read."""
    check_shape(truth, size)
    return one_plane(read_array(truth.path, truth.key), len(size), truth.path)

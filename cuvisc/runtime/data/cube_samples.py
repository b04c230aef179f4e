"""Rectangles of cube files as samples that are read when they are asked for, and what is known of them without."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from cuvisc.runtime.data.annotations import read_truth_window
from cuvisc.runtime.data.classes import Classes
from cuvisc.runtime.data.cube_file import CubeFile
from cuvisc.runtime.data.datamodule import Sample
from cuvisc.runtime.data.nodata import find_missing
from cuvisc.runtime.data.tiles import Box
from cuvisc.runtime.data.truth import find_unjudged
from cuvisc.runtime.data.window import read_window
from cuvisc.schema.errors import DataError

_WAVELENGTHS = "wavelengths"
_WINDOW_VALUES = 2**22
IGNORED = int(np.iinfo(np.int32).min)
"""What :meth:`KnownRegions.truth` says of pixels that are left out."""


@dataclass(frozen=True)
class Region:
    """A rectangle of the image in a file, and what samples of it are called."""

    file: CubeFile
    box: Box
    name: str

    @classmethod
    def whole(cls, file: CubeFile) -> Region:
        """All of the image, called as the file is."""
        return cls(file, file.whole, file.path.stem)


@runtime_checkable
class KnownRegions(Protocol):
    """Samples that are rectangles of files: where from, their ground truth alone, and their pixels part by part."""

    regions: Sequence[Region]
    classes: Classes | None

    def truth(self, index: int) -> dict[str, NDArray[Any]]:
        """Ground truth of a sample without its cube, and `IGNORED` where pixels are left out."""

    def parts(self, index: int) -> Iterator[Sample]:
        """A sample as consecutive rows, a few at a time."""


class CubeSamples(Dataset[Sample]):
    """Regions of files as samples in the dtype that holds the values of all; pixels without data are NaN.

    Without `classes` ground truth is as it is stored; with them it is `mask` uint8 and `labels` int32, and ignored
    pixels are such without data.
    """

    def __init__(
        self,
        regions: Sequence[Region],
        dtype: np.dtype[Any],
        wavelengths: tuple[float, ...] | None,
        classes: Classes | None = None,
    ) -> None:
        self.regions, self._dtype = tuple(regions), dtype
        self._wavelengths, self.classes = wavelengths, classes

    def __len__(self) -> int:
        return len(self.regions)

    def __getitem__(self, index: int) -> Sample:
        region = self.regions[index]
        return self._sample(region, region.box)

    def truth(self, index: int) -> dict[str, NDArray[Any]]:
        """Ground truth of a sample without its cube, and `IGNORED` where pixels are left out."""
        region = self.regions[index]
        truth, ignored = self._truth(region.file, region.box)
        if ignored is not None:
            truth = {
                kind: np.where(ignored, IGNORED, values.astype(np.int32)) for kind, values in truth.items()
            }
        return truth

    def parts(self, index: int) -> Iterator[Sample]:
        """A sample as consecutive rows, a few at a time."""
        region = self.regions[index]
        box = region.box
        rows = max(1, _WINDOW_VALUES // (box.width * region.file.shape[2]))
        for top in range(box.top, box.bottom, rows):
            yield self._sample(region, Box(top, min(top + rows, box.bottom), box.left, box.right))

    def _sample(self, region: Region, box: Box) -> Sample:
        truth, ignored = self._truth(region.file, box)
        cube = self._read(region.file, box)
        if ignored is not None:
            cube[ignored] = np.nan
        sample: Sample = {"cube": torch.from_numpy(cube), "name": region.name}
        sample |= {kind: torch.from_numpy(values) for kind, values in truth.items()}
        if self._wavelengths is not None:
            sample[_WAVELENGTHS] = torch.tensor(self._wavelengths, dtype=torch.float64)
        return sample

    def _truth(self, file: CubeFile, box: Box) -> tuple[dict[str, NDArray[Any]], NDArray[np.bool_] | None]:
        stored, unknown = {}, np.zeros((box.height, box.width), np.bool_)
        for kind, truth in file.truth.items():
            values = read_truth_window(truth, file.size, box)
            unjudged = find_unjudged(values, truth.nodata)
            if unjudged.any() and truth.nodata is None:
                raise DataError(
                    f"{truth.path}: `{kind}` is not a number on {np.count_nonzero(unjudged)} pixels; write a number "
                    "where nothing is known, and say in the file that it stands for no data"
                )
            stored[kind] = np.where(unjudged, values.dtype.type(0), values) if unjudged.any() else values
            unknown |= unjudged
        try:
            made, ignored = (stored, None) if self.classes is None else self.classes.judged(stored)
        except DataError as error:
            raise DataError(f"{file.truth['labels'].path}: {error}") from error
        if unknown.any():
            ignored = unknown if ignored is None else ignored | unknown
        return made, ignored

    def _read(self, file: CubeFile, box: Box) -> NDArray[Any]:
        """A part of the cube, NaN where a pixel has no data in any band."""
        values = read_window(file.path, file.key, box)
        cube = values.astype(self._dtype, copy=False)
        missing = find_missing(values, file.nodata)
        if missing is not None:
            cube[missing.whole] = np.nan
        return cube


def common_dtype(files: Sequence[CubeFile], classes: Classes | None = None) -> np.dtype[Any]:
    """The dtype that holds the values of all files, and NaN where pixels may be ignored."""
    dtype = np.result_type(*(file.sample_dtype for file in files))
    return dtype if classes is None or classes.ignored is None else np.result_type(dtype, np.float32)

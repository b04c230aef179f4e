"""What cube files say about themselves without being read, found by patterns and checked against each other."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cuvisc.runtime.data.annotations import AnyTruth
from cuvisc.runtime.data.band_axis import deviating
from cuvisc.runtime.data.facts import Georeference
from cuvisc.runtime.data.header_bands import check_image
from cuvisc.runtime.data.nodata import stored_nodata
from cuvisc.runtime.data.opening import INSIDE, array_names, holds_cube
from cuvisc.runtime.data.source import CubeSource
from cuvisc.runtime.data.tiles import Box
from cuvisc.runtime.data.truth import find_truth, is_truth
from cuvisc.schema.diagnostics import did_you_mean
from cuvisc.schema.errors import DataError

_TRUTH_KEYS: Mapping[str, str] = {"mask": "mask", "labels": "labels"}


@dataclass(frozen=True)
class CubeFile:
    """One image [H,W,C] of a file, and where its ground truth is; `warnings` is what the reader had to assume."""

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    keys: tuple[str, ...]
    key: str | None = None
    wavelengths: tuple[float, ...] | None = None
    nodata: float | None = None
    truth: Mapping[str, AnyTruth] = field(default_factory=dict)
    georeference: Georeference | None = None
    warnings: tuple[str, ...] = ()
    good_bands: tuple[bool, ...] | None = None

    @classmethod
    def describe(cls, path: Path, key: str | None, truth_keys: Mapping[str, str] = _TRUTH_KEYS) -> CubeFile:
        """Read the header of a file; raises :class:`DataError`."""
        with CubeSource.open(path, key) as source:
            check_image(source.array_shape, path)
            found = {kind: find_truth(path, kind, name) for kind, name in truth_keys.items()}
            return cls(
                path,
                source.array_shape,
                source.dtype,
                array_names(path),
                key,
                source.facts.wavelengths,
                stored_nodata(source.facts.nodata, source.dtype),
                {kind: truth for kind, truth in found.items() if truth is not None},
                source.facts.georeference,
                source.facts.warnings,
                source.facts.good_bands,
            )

    @property
    def location(self) -> str:
        """The file, and the array in it where one is named: ``scene.h5::/path``."""
        return f"{self.path}{INSIDE}{self.key}" if self.key else str(self.path)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.shape[0], self.shape[1]

    @property
    def whole(self) -> Box:
        """All of the image."""
        return Box(0, self.shape[0], 0, self.shape[1])

    @property
    def sample_dtype(self) -> np.dtype[Any]:
        """The dtype of the cube in a sample: one with NaN where the file or its truth has a number for no data."""
        known = self.nodata is None and all(truth.nodata is None for truth in self.truth.values())
        return self.dtype if known else np.result_type(self.dtype, np.float32)


def find_files(folder: Path, pattern: str, owner: str) -> list[Path]:
    """The files that a pattern under a folder names, sorted; raises :class:`DataError` when there is none."""
    found = sorted(Path(name) for name in glob.glob(str(folder / pattern), recursive=True))
    cubes = [path for path in found if holds_cube(path)] or [path for path in found if path.is_file()]
    stems = {path.stem for path in cubes}
    cubes = [path for path in cubes if not is_truth(path, stems)] or cubes
    if cubes:
        return cubes
    if not folder.is_dir():
        raise DataError(
            f"{owner}: the folder {folder} does not exist (`data_dir` is relative to {Path.cwd()})"
        )
    hint = did_you_mean(pattern, sorted(path.name for path in folder.iterdir()))
    raise DataError(f"{owner}: no file matches {pattern} in {folder}{f'; {hint}' if hint else ''}")


def bands_good_in_all(files: Iterable[CubeFile]) -> tuple[bool, ...] | None:
    """Which bands no file calls bad; None where no file judges them."""
    judged = [file.good_bands for file in files if file.good_bands is not None]
    return tuple(all(band) for band in zip(*judged, strict=True)) if judged else None


def check_agreement(files: list[CubeFile], truth: Iterable[str]) -> None:
    """Raise :class:`DataError` unless all files have the same bands and the same kinds of ground truth."""
    kinds = tuple(truth)
    first = files[0]
    for file in files[1:]:
        if file.shape[2] != first.shape[2]:
            raise DataError(f"{file.path} has {file.shape[2]} bands, {first.path} has {first.shape[2]}")
        if file.wavelengths is not None and first.wavelengths is not None:
            off = deviating(file.wavelengths, first.wavelengths)
            if off:
                raise DataError(
                    f"{file.path} and {first.path} see other bands: band {off[0] + 1} is at "
                    f"{file.wavelengths[off[0]]:g} nm in one and at {first.wavelengths[off[0]]:g} nm in the other"
                )
        for kind in kinds:
            if (kind in file.truth) != (kind in first.truth):
                having, lacking = (file, first) if kind in file.truth else (first, file)
                raise DataError(
                    f"{having.path} has `{kind}`, {lacking.path} has none; all files or none need it"
                )


def check_sizes(files: list[CubeFile]) -> None:
    """Raise :class:`DataError` unless all images have the same rows and columns, as one batch needs."""
    first = files[0]
    for file in files[1:]:
        if file.shape != first.shape:
            raise DataError(
                f"{file.path} is {_size(file)} pixels, {first.path} {_size(first)}; "
                "images of different sizes need `batch_size: 1`"
            )


def _size(file: CubeFile) -> str:
    return f"{file.shape[0]}x{file.shape[1]}"

"""`CubeFiles`: cube files of any format that is read, as a data module; every file is one image."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from cuvisc.language.declare import Param
from cuvisc.runtime.data.band_axis import deviating
from cuvisc.runtime.data.datamodule import GraphDataModule, Sample, Stage
from cuvisc.runtime.data.nodata import find_missing, stored_nodata
from cuvisc.runtime.data.opening import array_names, holds_cube, split_location
from cuvisc.runtime.data.source import CubeSource, read_array
from cuvisc.runtime.data.truth import Truth, find_truth, is_truth, read_truth
from cuvisc.schema.diagnostics import did_you_mean
from cuvisc.schema.errors import DataError

_WAVELENGTHS = "wavelengths"


class CubeFiles(GraphDataModule):
    """Cubes from files, one image [H,W,C] a file: ENVI, GeoTIFF, HDF5, NetCDF 4, MAT, `.npy`, `.npz`.

    `FILE.h5::/path` names an array in a file. Ground truth [H,W] is an array `mask` or `labels` in the cube's file, or
    a file beside it: `scene_mask.png` (or `.npy`, `.tif`, `.hdr`, …), `scene_labels.tif`. Cubes keep their dtype,
    except that pixels which the file says have no data become NaN, which needs floating-point numbers. Patterns are
    relative to `data_dir`, and `data_dir` to the folder that the command is run in. Without `val` the training files
    are validated on, without `test` those of `val` are tested. Images of different sizes need `batch_size: 1`.
    """

    train: list[str] | str = Param(doc="file, glob pattern, or a list of them, to train on")
    val: list[str] | str | None = Param(None, "the same, to validate on; default: the training files")
    test: list[str] | str | None = Param(None, "the same, to test on; default: the validation files")
    data_dir: str = Param(".", "folder that the patterns are relative to")
    cube_key: str | None = Param(
        None,
        "array of a file that is the cube; default: `cube` in .npz, elsewhere the only one of three axes",
    )
    mask_key: str = Param("mask", "array that is > 0 on anomalies, where a file has it")
    labels_key: str = Param("labels", "array of class ids, where a file has it")

    @property
    def wavelengths(self) -> tuple[float, ...] | None:
        """Band centres in nanometres, where the first training file says them."""
        return self._describe("train")[0].wavelengths

    def samples(self, stage: Stage) -> Dataset[Sample] | None:
        """The files of a stage, checked against each other; raises :class:`DataError`."""
        if getattr(self, stage) is None:
            return None
        files = self._describe(stage)
        check_agreement(files, self._truth())
        if self.batch_size > 1:
            check_sizes(files)
        return CubeFileSamples(files, self.cube_key, self._truth(), self.wavelengths)

    def _truth(self) -> dict[str, str]:
        return {"mask": self.mask_key, "labels": self.labels_key}

    def _describe(self, stage: Stage) -> list[CubeFile]:
        given = getattr(self, stage)
        patterns = [given] if isinstance(given, str) else given
        if not patterns:
            raise DataError(f"CubeFiles: `{stage}` lists no file")
        found: dict[tuple[Path, str | None], None] = {}
        for text in patterns:
            pattern, key = split_location(text, self.cube_key)
            found |= dict.fromkeys((path, key) for path in find_files(Path(self.data_dir), str(pattern)))
        return [CubeFile.describe(path, key, self._truth()) for path, key in found]


_TRUTH_KEYS: Mapping[str, str] = {"mask": "mask", "labels": "labels"}


@dataclass(frozen=True)
class CubeFile:
    """What a file says about itself without being read, and where its ground truth is."""

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    keys: tuple[str, ...]
    key: str | None = None
    wavelengths: tuple[float, ...] | None = None
    nodata: float | None = None
    truth: Mapping[str, Truth] = field(default_factory=dict)

    @classmethod
    def describe(cls, path: Path, key: str | None, truth_keys: Mapping[str, str] = _TRUTH_KEYS) -> CubeFile:
        """Read the header of a file; raises :class:`DataError`."""
        with CubeSource.open(path, key) as source:
            if len(source.array_shape) != 3:
                raise DataError(
                    f"{path}: one image [H,W,C] a file is wanted, this one is {source.array_shape}"
                )
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
            )

    @property
    def sample_dtype(self) -> np.dtype[Any]:
        """The dtype of the cube in a sample: one with NaN where the file has a number for no data."""
        return self.dtype if self.nodata is None else np.result_type(self.dtype, np.float32)


class CubeFileSamples(Dataset[Sample]):
    """Files that are read when they are asked for, in the dtype that holds the values of all."""

    def __init__(
        self,
        files: list[CubeFile],
        cube_key: str | None,
        truth: Iterable[str],
        wavelengths: tuple[float, ...] | None,
    ) -> None:
        self._files, self._cube_key, self._truth = files, cube_key, tuple(truth)
        self._dtype = np.result_type(*(file.sample_dtype for file in files))
        self._wavelengths = wavelengths

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Sample:
        file = self._files[index]
        sample: Sample = {"cube": torch.from_numpy(self._read(file)), "name": file.path.stem}
        for kind in self._truth:
            if kind in file.truth:
                sample[kind] = torch.from_numpy(read_truth(file.truth[kind], file.shape[:2]))
        if self._wavelengths is not None:
            sample[_WAVELENGTHS] = torch.tensor(self._wavelengths, dtype=torch.float64)
        return sample

    def _read(self, file: CubeFile) -> NDArray[Any]:
        """The cube, NaN where a pixel has no data in any band."""
        values = read_array(file.path, file.key or self._cube_key)
        cube = values.astype(self._dtype, copy=False)
        missing = find_missing(values, file.nodata)
        if missing is not None:
            cube[missing.whole] = np.nan
        return cube


def find_files(folder: Path, pattern: str) -> list[Path]:
    """The files that a pattern under a folder names, sorted; raises :class:`DataError` when there is none."""
    found = sorted(Path(name) for name in glob.glob(str(folder / pattern), recursive=True))
    files = [path for path in found if path.is_file()]
    cubes = [path for path in files if holds_cube(path)] or files
    stems = {path.stem for path in cubes}
    cubes = [path for path in cubes if not is_truth(path, stems)] or cubes
    if cubes:
        return cubes
    if not folder.is_dir():
        raise DataError(
            f"CubeFiles: the folder {folder} does not exist (`data_dir` is relative to {Path.cwd()})"
        )
    hint = did_you_mean(pattern, sorted(path.name for path in folder.iterdir()))
    raise DataError(f"CubeFiles: no file matches {pattern} in {folder}{f'; {hint}' if hint else ''}")


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

"""`CubeFiles`: a folder of cube files as a data module; every file is one image."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from cuvisc.language.declare import Param
from cuvisc.runtime.data.datamodule import GraphDataModule, Sample, Stage
from cuvisc.runtime.data.readers import npz
from cuvisc.runtime.data.source import CubeSource, read_array
from cuvisc.schema.diagnostics import did_you_mean
from cuvisc.schema.errors import DataError

_WAVELENGTHS = "wavelengths"


class CubeFiles(GraphDataModule):
    """Cubes from `.npz` and `.npy` files, one image [H,W,C] a file, in their own dtype.

    A `.npz` file may also hold `mask`, `labels` [H,W] and `wavelengths` [C]. Patterns are relative to `data_dir`, and
    `data_dir` to the folder that the command is run in. Without `val` the training files are validated on, without
    `test` those of `val` are tested. Images of different sizes need `batch_size: 1`.
    """

    train: list[str] | str = Param(doc="file, glob pattern, or a list of them, to train on")
    val: list[str] | str | None = Param(None, "the same, to validate on; default: the training files")
    test: list[str] | str | None = Param(None, "the same, to test on; default: the validation files")
    data_dir: str = Param(".", "folder that the patterns are relative to")
    cube_key: str = Param("cube", "array of a .npz file that is the cube")
    mask_key: str = Param("mask", "array that is > 0 on anomalies, where a file has it")
    labels_key: str = Param("labels", "array of class ids, where a file has it")

    @property
    def wavelengths(self) -> tuple[float, ...] | None:
        """Band centres in nanometres, where the first training file has them."""
        first = self._describe("train")[0]
        if _WAVELENGTHS not in first.keys:
            return None
        centers = read_array(first.path, _WAVELENGTHS).reshape(-1)
        return tuple(float(center) for center in centers) if len(centers) == first.shape[2] else None

    def samples(self, stage: Stage) -> Dataset[Sample] | None:
        """The files of a stage, checked against each other; raises :class:`DataError`."""
        if getattr(self, stage) is None:
            return None
        files = self._describe(stage)
        check_agreement(files, self._truth().values())
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
        paths = [path for pattern in patterns for path in find_files(Path(self.data_dir), pattern)]
        return [CubeFile.describe(path, self.cube_key) for path in dict.fromkeys(paths)]


@dataclass(frozen=True)
class CubeFile:
    """What a file says about itself without being read."""

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    keys: tuple[str, ...]

    @classmethod
    def describe(cls, path: Path, key: str) -> CubeFile:
        """Read the header of a file; raises :class:`DataError`."""
        with CubeSource.open(path, key) as source:
            if len(source.array_shape) != 3:
                raise DataError(
                    f"{path}: one image [H,W,C] a file is wanted, this one is {source.array_shape}"
                )
            keys = npz.keys(path) if path.suffix.lower() in npz.SUFFIXES else ()
            return cls(path, source.array_shape, source.dtype, keys)


class CubeFileSamples(Dataset[Sample]):
    """Files that are read when they are asked for, in the dtype that holds the values of all."""

    def __init__(
        self,
        files: list[CubeFile],
        cube_key: str,
        truth: dict[str, str],
        wavelengths: tuple[float, ...] | None,
    ) -> None:
        self._files, self._cube_key, self._truth = files, cube_key, truth
        self._dtype = np.result_type(*(file.dtype for file in files))
        self._wavelengths = wavelengths

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Sample:
        file = self._files[index]
        cube = read_array(file.path, self._cube_key)
        sample: Sample = {
            "cube": torch.from_numpy(cube.astype(self._dtype, copy=False)),
            "name": file.path.stem,
        }
        for name, key in self._truth.items():
            if key in file.keys:
                sample[name] = torch.from_numpy(_read_truth(file, key))
        if self._wavelengths is not None:
            sample[_WAVELENGTHS] = torch.tensor(self._wavelengths, dtype=torch.float64)
        return sample


def find_files(folder: Path, pattern: str) -> list[Path]:
    """The files that a pattern under a folder names, sorted; raises :class:`DataError` when there is none."""
    found = sorted(Path(name) for name in glob.glob(str(folder / pattern), recursive=True))
    files = [path for path in found if path.is_file()]
    if files:
        return files
    if not folder.is_dir():
        raise DataError(
            f"CubeFiles: the folder {folder} does not exist (`data_dir` is relative to {Path.cwd()})"
        )
    hint = did_you_mean(pattern, sorted(path.name for path in folder.iterdir()))
    raise DataError(f"CubeFiles: no file matches {pattern} in {folder}{f'; {hint}' if hint else ''}")


def check_agreement(files: list[CubeFile], truth_keys: Iterable[str]) -> None:
    """Raise :class:`DataError` unless all files have the same bands and the same kinds of ground truth."""
    keys = tuple(truth_keys)
    first = files[0]
    for file in files[1:]:
        if file.shape[2] != first.shape[2]:
            raise DataError(f"{file.path} has {file.shape[2]} bands, {first.path} has {first.shape[2]}")
        for key in keys:
            if (key in file.keys) != (key in first.keys):
                having, lacking = (file, first) if key in file.keys else (first, file)
                raise DataError(
                    f"{having.path} has `{key}`, {lacking.path} has none; all files or none need it"
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


def _read_truth(file: CubeFile, key: str) -> NDArray[Any]:
    values = read_array(file.path, key)
    height, width = file.shape[:2]
    if values.shape not in ((height, width), (height, width, 1)):
        raise DataError(
            f"{file.path}: `{key}` has the shape {values.shape}; {(height, width)} goes with the cube"
        )
    return values.reshape(height, width)

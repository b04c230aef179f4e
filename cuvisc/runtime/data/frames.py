"""Annotated frames by id, kept in `.npz` files or in a session of the camera, as data sets of samples."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from cuvisc.runtime.data.coco import Coco
from cuvisc.runtime.data.cu3s import Session
from cuvisc.runtime.data.cube_file import CubeFile, check_agreement, check_sizes
from cuvisc.runtime.data.cube_samples import CubeSamples, Region, common_dtype
from cuvisc.runtime.data.datamodule import Sample
from cuvisc.runtime.data.source import read_array
from cuvisc.runtime.data.tiles import Box
from cuvisc.schema.diagnostics import did_you_mean
from cuvisc.schema.errors import DataError

_TRUTH = ("mask", "labels")
_NUMBER = re.compile(r"(\d+)$")


class Frames:
    """Frames by id, wherever they are kept."""

    ids: tuple[int, ...]

    def samples(self, ids: Sequence[int], batch_size: int) -> Dataset[Sample]:
        """The frames with these ids, in this order."""
        raise NotImplementedError

    def wavelengths(self) -> tuple[float, ...] | None:
        """Band centres of all frames."""
        raise NotImplementedError


class NpzFrames(Frames):
    """One frame a file; its id is the number that the name ends in, a file without one is no frame."""

    def __init__(self, files: Mapping[int, Path], bands: int, normal: Sequence[int]) -> None:
        self._files, self._bands, self._normal = files, bands, normal
        self.ids = tuple(sorted(files))

    @classmethod
    def find(cls, folder: Path, bands: int, normal: Sequence[int]) -> NpzFrames | None:
        """The frames of a folder, if it has any; raises :class:`DataError` where two have one id."""
        files: dict[int, Path] = {}
        for path in sorted(folder.glob("*.npz")):
            if number := _NUMBER.search(path.stem):
                other = files.setdefault(int(number[1]), path)
                if other != path:
                    raise DataError(
                        f"{other.name} and {path.name} in {folder} are both frame {int(number[1])}"
                    )
        return cls(files, bands, normal) if files else None

    def samples(self, ids: Sequence[int], batch_size: int) -> Dataset[Sample]:
        files = [self._describe(self._files[i]) for i in ids]
        check_agreement(files, _TRUTH)
        if batch_size > 1:
            check_sizes(files)
        return LabelledFiles(files, self.wavelengths(), self._normal)

    def wavelengths(self) -> tuple[float, ...] | None:
        first = CubeFile.describe(self._files[self.ids[0]], "cube")
        if "wavelengths" not in first.keys:
            return None
        centers = read_array(first.path, "wavelengths").reshape(-1)
        if len(centers) != self._bands:
            raise DataError(f"{first.path} has {len(centers)} wavelengths; its cube has {self._bands} bands")
        return tuple(float(center) for center in centers)

    def _describe(self, path: Path) -> CubeFile:
        file = CubeFile.describe(path, "cube")
        _check_bands(file.shape, self._bands, str(path))
        for key in set(file.keys).difference(_TRUTH):
            if not set(_TRUTH).intersection(file.keys) and (hint := did_you_mean(key, _TRUTH)):
                raise DataError(f"{path} has neither `mask` nor `labels`, but `{key}`; {hint}")
        return file


class LabelledFiles(CubeSamples):
    """Cube files whose mask, where they have none, is made from their labels."""

    def __init__(
        self, files: list[CubeFile], wavelengths: tuple[float, ...] | None, normal: Sequence[int]
    ) -> None:
        super().__init__([Region.whole(file) for file in files], common_dtype(files), wavelengths)
        self._normal = normal

    def _truth(self, file: CubeFile, box: Box) -> tuple[dict[str, NDArray[Any]], NDArray[np.bool_] | None]:
        truth, ignored = super()._truth(file, box)
        if "mask" not in truth and "labels" in truth:
            truth["mask"] = _mask(truth["labels"], self._normal)
        return truth, ignored


class SessionFrames(Frames):
    """The frames of a session and their annotations; the image ids of the annotations are the frames' indices."""

    def __init__(self, session: Session, coco: Coco, bands: int, normal: Sequence[int]) -> None:
        self._session, self._coco, self._bands, self._normal = session, coco, bands, normal
        self._centers: tuple[float, ...] | None = None
        self.ids = tuple(range(len(session)))
        if not self.ids:
            raise DataError(f"{session.path} holds no frame")
        beyond = [i for i in coco.annotated if i not in self.ids]
        if beyond:
            raise DataError(
                f"{coco.path} annotates image {beyond[0]}; the frames of {session.path} are 0 to {self.ids[-1]}"
            )

    def samples(self, ids: Sequence[int], batch_size: int) -> Dataset[Sample]:
        return FramesOf(self.read, ids)

    def wavelengths(self) -> tuple[float, ...] | None:
        if self._centers is None:
            self._centers = self._session.read(0).wavelengths
        return self._centers

    def read(self, index: int) -> Sample:
        """One frame as a sample."""
        cube, wavelengths = self._session.read(index)
        _check_bands(cube.shape, self._bands, f"{self._session.path}: frame {index}")
        labels = self._coco.labels(index, *cube.shape[:2])
        sample: Sample = {
            "cube": torch.from_numpy(cube),
            "labels": torch.from_numpy(labels),
            "mask": torch.from_numpy(_mask(labels, self._normal)),
            "name": f"{self._session.path.stem}-{index}",
        }
        if wavelengths is not None:
            sample["wavelengths"] = torch.tensor(wavelengths, dtype=torch.float64)
        return sample


class FramesOf(Dataset[Sample]):
    """Some frames, read when they are asked for."""

    def __init__(self, read: Callable[[int], Sample], ids: Sequence[int]) -> None:
        self._read, self._ids = read, tuple(ids)

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> Sample:
        return self._read(self._ids[index])


def _mask(labels: NDArray[Any], normal: Sequence[int]) -> NDArray[np.uint8]:
    return np.isin(labels, list(normal), invert=True).astype(np.uint8)


def _check_bands(shape: Sequence[int], bands: int, name: str) -> None:
    if shape[2] != bands:
        raise DataError(f"{name} has {shape[2]} bands; the frames of this data set have {bands}")

"""`CubeFiles`: listed cube files of any format that is read, as a data module; every file is one image."""

from __future__ import annotations

from pathlib import Path

from torch.utils.data import Dataset

from cuvisc.language.bands import FirstFile
from cuvisc.language.declare import Param
from cuvisc.runtime.data.cube_file import (
    CubeFile,
    bands_good_in_all,
    check_agreement,
    check_sizes,
    find_files,
)
from cuvisc.runtime.data.cube_samples import CubeSamples, Region, common_dtype
from cuvisc.runtime.data.datamodule import GraphDataModule, Sample, Stage
from cuvisc.runtime.data.opening import split_location
from cuvisc.schema.errors import DataError


class CubeFiles(GraphDataModule):
    """Cubes from listed files, one image [H,W,C] a file: ENVI, GeoTIFF, HDF5, NetCDF 4, Zarr, MAT, `.cu3s`, NumPy.

    `FILE.h5::/path` names an array in a file. Ground truth [H,W] is an array `mask` or `labels` in the cube's file, or
    a file beside it: `scene_mask.png` (or `.npy`, `.tif`, `.hdr`, …), `scene_labels.tif`. Cubes keep their dtype,
    except that pixels which the file says have no data become NaN, which needs floating-point numbers. Patterns are
    relative to `data_dir`, and `data_dir` to the folder that the command is run in. Without `val` the training files
    are validated on, without `test` those of `val` are tested. Images of different sizes need `batch_size: 1`.
    `CubeFolder` splits a folder by itself, cuts tiles and says which classes are anomalies.
    """

    channels = FirstFile("train", folder="data_dir", array="cube_key", lists=("val", "test"))
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

    @property
    def good_bands(self) -> tuple[bool, ...] | None:
        """The bands that no training file calls bad, where one says so."""
        files = self._describe("train")
        check_agreement(files, ())
        return bands_good_in_all(files)

    def samples(self, stage: Stage) -> Dataset[Sample] | None:
        """The files of a stage, checked against each other; raises :class:`DataError`."""
        if getattr(self, stage) is None:
            return None
        files = self._describe(stage)
        check_agreement(files, self._truth())
        if self.batch_size > 1:
            check_sizes(files)
        return CubeSamples([Region.whole(file) for file in files], common_dtype(files), self.wavelengths)

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
            paths = find_files(Path(self.data_dir), str(pattern), type(self).__name__)
            found |= dict.fromkeys((path, key) for path in paths)
        return [CubeFile.describe(path, key, self._truth()) for path, key in found]

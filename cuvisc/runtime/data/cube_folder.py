"""`CubeFolder`: a folder of cubes as a data module that splits it, cuts tiles and says which classes are anomalies."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from torch.utils.data import Dataset

from cuvisc.language.bands import FirstFile
from cuvisc.language.declare import Param
from cuvisc.language.forms import Condition, Form, Given
from cuvisc.runtime.data.annotations import Finder
from cuvisc.runtime.data.classes import Classes, ids_of
from cuvisc.runtime.data.cube_file import bands_good_in_all
from cuvisc.runtime.data.cube_samples import CubeSamples, Region, common_dtype
from cuvisc.runtime.data.datamodule import GraphDataModule, Sample, Stage
from cuvisc.runtime.data.folder import Folder, Patterns, Place, describe_folder, find_places
from cuvisc.runtime.data.regions import (
    STAGES,
    Shares,
    cut_regions,
    listed_files,
    sizes_of,
    split_blocks,
    split_files,
)
from cuvisc.schema.errors import DataError

_PATTERN = Form(r"(?:[^{}]|\{stem\})*", "a pattern whose only field is {stem}")


class CubeFolder(GraphDataModule):
    """A folder of cubes of any format, split by file or by spatial block, whole or in tiles.

    Ground truth is named by patterns: `mask: "{stem}_mask.png"` (> 0 on anomalies), `labels: "{stem}_classes.tif"` or
    `labels: annotations.json` (COCO polygons and run lengths, images matched by `file_name`). Patterns are looked for
    in the cube's folder, then in `data_dir`; without any, ground truth is what `CubeFiles` finds. With
    `anomaly_classes` the mask is made from the labels. Pixels of `ignore_label` take no part in statistics, losses and
    metrics: their spectra become NaN, which needs floating-point cubes.

    Files or blocks are dealt to training, validation and test by `split_seed` and their names, or listed as `train`,
    `val` and `test`: files that no list names are trained on. Blocks of different stages never overlap, and `buffer`
    pixels between them belong to none. Training tiles are of one size and may overlap; those of validation and test
    cover every pixel once, and come one at a time where their sizes differ.

    Everything that headers say is checked before the first pixel is read: that no file lacks its ground truth, that
    bands agree, and that no stage is empty.
    """

    channels = FirstFile(
        "files",
        folder="data_dir",
        array="cube_key",
        besides=("mask", "labels"),
        lists=STAGES,
        apart=True,
        instead="train",
    )
    conditions = (
        Condition("tile", None, "overlap", (0,), "`overlap` is of tiles; give `tile` as well"),
        Condition(
            "mask",
            Given(),
            "anomaly_classes",
            (None,),
            "`anomaly_classes` are of class ids; name that file as `labels`, not as `mask`",
        ),
        *(
            Condition(
                "split", "block", stage, (None,), f"`{stage}` lists whole files; leave it or `split` out"
            )
            for stage in STAGES
        ),
        Condition("split", "file", "block", (None,), "`block` needs `split: block`"),
    )
    constraints = (
        ("overlap", "<", "tile"),
        ("val_fraction + test_fraction", "<", 1),
        ("block", ">=", "tile + 2*buffer"),
        ("block", ">", "2*buffer", "tile", None),
    )
    data_dir: str = Param(".", "folder of the cubes; all patterns are relative to it")
    files: list[str] | str = Param("*", "cubes: file, glob pattern (`**/*` looks into subfolders), or a list")
    cube_key: str | None = Param(
        None,
        "array of a file that is the cube; default: `cube` in .npz, elsewhere the only one of three axes",
    )
    mask: str | None = Param(
        None,
        "mask of a cube, > 0 on anomalies: a pattern with `{stem}`, the cube's name without suffix",
        form=_PATTERN,
    )
    labels: str | None = Param(
        None,
        "class ids of a cube: a pattern with `{stem}`; .json is COCO, of one cube or of all",
        form=_PATTERN,
    )
    anomaly_classes: list[int | str] | None = Param(
        None, "classes of the labels that are anomalies: ids, or names that COCO gives them"
    )
    ignore_label: int | None = Param(None, "value of labels or mask on pixels that are left out")
    tile: int | None = Param(None, "rows and columns of a tile; null: whole images or blocks", ge=1)
    overlap: int = Param(0, "pixels that a training tile has in common with the next", ge=0)
    split: str = Param(
        "file", "what is dealt to the stages: whole files, or blocks of all images", choices=("file", "block")
    )
    val_fraction: float = Param(0.15, "share to validate on; 0: the training data", ge=0, lt=1)
    test_fraction: float = Param(0.15, "share to test on; 0: the validation data", ge=0, lt=1)
    split_seed: int = Param(0, "another seed deals otherwise", ge=0)
    block: int | None = Param(
        None,
        "rows and columns of a block; null: two tiles, or a quarter of the shorter side, with room for the buffer",
        ge=1,
    )
    buffer: int = Param(2, "pixels between blocks of different stages that belong to none", ge=0)
    train: list[str] | str | None = Param(None, "files to train on; null beside other lists: the rest")
    val: list[str] | str | None = Param(None, "files to validate on, in place of a share")
    test: list[str] | str | None = Param(None, "files to test on, in place of a share")

    @property
    def wavelengths(self) -> tuple[float, ...] | None:
        """Band centres in nanometres, where the first file says them."""
        return self._folder.first.wavelengths

    @property
    def good_bands(self) -> tuple[bool, ...] | None:
        """The bands that no file calls bad, where one says so."""
        return bands_good_in_all(self._folder.files.values())

    def samples(self, stage: Stage) -> Dataset[Sample] | None:
        """The regions of a stage; raises :class:`DataError` for whatever is wrong in any stage."""
        regions = self._regions[stage]
        if not regions:
            return None
        dtype = common_dtype(list(self._folder.files.values()), self._classes)
        return CubeSamples(regions, dtype, self.wavelengths, self._classes)

    def images_per_batch(self, samples: Dataset[Sample]) -> int:
        """One at a time where the images of a stage differ in size."""
        assert isinstance(samples, CubeSamples)
        return self.batch_size if len(sizes_of(samples.regions)) == 1 else 1

    @cached_property
    def _folder(self) -> Folder:
        root = Path(self.data_dir)
        named = [place for stage in STAGES for place in self._listed(stage) or ()]
        rest = [] if self.train is not None else self._places(self.files)
        places = list(dict.fromkeys(sorted([*rest, *named], key=lambda place: (place[0], place[1] or ""))))
        return describe_folder(root, places, self._finders, by_convention=not self._finders)

    @cached_property
    def _classes(self) -> Classes:
        anomalies = None
        if self.anomaly_classes is not None:
            if "labels" not in self._folder.first.truth:
                raise DataError(
                    f"CubeFolder: {self._folder.first.path} has no labels that `anomaly_classes` are of"
                )
            anomalies = ids_of(self.anomaly_classes, self._folder.class_names, "CubeFolder")
        return Classes(anomalies, self.ignore_label)

    @cached_property
    def _finders(self) -> list[Finder]:
        patterns = {"mask": self.mask, "labels": self.labels}
        return [
            Finder(kind, text, Path(self.data_dir)) for kind, text in patterns.items() if text is not None
        ]

    @cached_property
    def _regions(self) -> Mapping[Stage, list[Region]]:
        folder, shares = self._folder, Shares(self.val_fraction, self.test_fraction, self.split_seed)
        if any(getattr(self, stage) is not None for stage in STAGES):
            parts = listed_files(folder.files, {stage: self._names(stage) for stage in STAGES})
        elif self.split == "file":
            parts = split_files(folder.files, shares)
        else:
            parts = split_blocks(folder.files, shares, self.block, self.tile, self.buffer)
        regions = cut_regions(parts, self.tile, self.overlap)
        self._refuse_sizes(regions["train"])
        return regions

    def _names(self, stage: Stage) -> list[str] | None:
        places = self._listed(stage)
        names = {(file.path, file.key): name for name, file in self._folder.files.items()}
        return None if places is None else [names[place] for place in places]

    def _listed(self, stage: Stage) -> list[Place] | None:
        given = getattr(self, stage)
        if given is not None and not given:
            raise DataError(f"CubeFolder: `{stage}` lists no file")
        return None if given is None else self._places(given)

    def _places(self, patterns: Patterns) -> list[Place]:
        return find_places(Path(self.data_dir), patterns, self.cube_key, self._finders, "CubeFolder")

    def _refuse_sizes(self, regions: list[Region]) -> None:
        """Raise :class:`DataError` where training images of different sizes should make one batch."""
        sizes = sizes_of(regions)
        if self.batch_size == 1 or len(sizes) == 1:
            return
        (one, first), (other, second) = list(sizes.items())[:2]
        smallest = min(side for size in sizes for side in size)
        raise DataError(
            f"CubeFolder: {second.name} is {other[0]}x{other[1]} pixels, {first.name} {one[0]}x{one[1]}; "
            f"give a `tile` of at most {smallest}, or `batch_size: 1`"
        )

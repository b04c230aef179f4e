"""`LentilsAnomaly`: numbered frames of a lentil conveyor, 61 bands, as a data module."""

from __future__ import annotations

import re
from pathlib import Path

from torch.utils.data import Dataset

from cuvisc.language.declare import Param
from cuvisc.runtime.data.cube_files import CubeFile, CubeFileSamples, check_agreement, check_sizes
from cuvisc.runtime.data.datamodule import GraphDataModule, Sample, Stage
from cuvisc.schema.errors import DataError

_NUMBER = re.compile(r"(\d+)$")
_TRUTH = {"mask": "mask", "labels": "labels"}


class LentilsAnomaly(GraphDataModule):
    """Frames of lentils with foreign bodies, one `.npz` a frame: `cube` [H,W,61] and, where annotated, `mask` [H,W].

    A frame's id is the number that its file name ends in, as in `Lentils_000.npz`. Without `train_ids` every frame that
    neither `val_ids` nor `test_ids` name is trained on; without `val_ids` the training frames are validated on, without
    `test_ids` those of `val_ids` are tested. Frames in the camera's `.cu3s` format have to be converted first, with
    the vendor's software.
    """

    data_dir: str = Param("./data/Lentils", "folder of the frames, relative to where the command is run")
    train_ids: list[int] | None = Param(None, "frames to train on; default: those not named elsewhere")
    val_ids: list[int] | None = Param(None, "frames to validate on; default: the training frames")
    test_ids: list[int] | None = Param(None, "frames to test on; default: the validation frames")

    def samples(self, stage: Stage) -> Dataset[Sample] | None:
        """The frames of a stage; raises :class:`DataError`."""
        wanted = {"train": self.train_ids, "val": self.val_ids, "test": self.test_ids}[stage]
        if wanted is None and stage != "train":
            return None
        frames = find_frames(Path(self.data_dir))
        if wanted is None:
            wanted = sorted(set(frames) - {*(self.val_ids or ()), *(self.test_ids or ())})
        missing = [str(number) for number in wanted if number not in frames]
        if missing or not wanted:
            fact = f"no frame {', '.join(missing)}" if missing else f"no frame to {stage} on"
            raise DataError(f"LentilsAnomaly: {self.data_dir} has {fact}; it has {_ranges(sorted(frames))}")
        files = [CubeFile.describe(frames[number], "cube") for number in wanted]
        check_agreement(files, _TRUTH.values())
        if self.batch_size > 1:
            check_sizes(files)
        return CubeFileSamples(files, "cube", _TRUTH, None)


def find_frames(folder: Path) -> dict[int, Path]:
    """The frames of a folder by id; raises :class:`DataError` where there is none or two have one id."""
    if not folder.is_dir():
        raise DataError(f"LentilsAnomaly: the folder {folder} does not exist (relative to {Path.cwd()})")
    frames: dict[int, Path] = {}
    for path in sorted(folder.glob("*.npz")):
        number = _NUMBER.search(path.stem)
        if number is not None:
            other = frames.setdefault(int(number[1]), path)
            if other != path:
                raise DataError(f"LentilsAnomaly: {other.name} and {path.name} in {folder} have the same id")
    if not frames:
        session = next(folder.glob("*.cu3s"), None)
        hint = (
            f"; {session.name} is in the camera's format: write its frames as .npz with the vendor's `cuvis` package"
            if session
            else ""
        )
        raise DataError(f"LentilsAnomaly: {folder} holds no frame such as Lentils_000.npz{hint}")
    return frames


def _ranges(numbers: list[int]) -> str:
    """Numbers as people write them: 0-3, 7."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)

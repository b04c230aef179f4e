"""`LentilsAnomaly`: the vendor's frames of lentils with foreign bodies, from `.npz` files or a session file."""

from __future__ import annotations

from pathlib import Path

from torch.utils.data import Dataset

from cuvisc.language.declare import Param
from cuvisc.runtime.data.coco import Coco
from cuvisc.runtime.data.cu3s import MODES, SUFFIX, Session
from cuvisc.runtime.data.datamodule import GraphDataModule, Sample, Stage
from cuvisc.runtime.data.frames import Frames, NpzFrames, SessionFrames
from cuvisc.runtime.data.ranges import ranges
from cuvisc.runtime.data.splits import split
from cuvisc.schema.errors import DataError

BANDS = 61


class LentilsAnomaly(GraphDataModule):
    """Frames of 61 bands with lentils and foreign bodies, each annotated per pixel.

    A folder with `.npz` files holds one frame a file: `cube` [H,W,61], `mask` or `labels` [H,W], and perhaps
    `wavelengths` [61]; a frame's id is the number that its file's name ends in, as in `Lentils_000.npz`. Otherwise the
    folder holds a session file of the camera (`.cu3s`, read by the vendor's Cuvis SDK) and its annotations (`.json`,
    COCO); ids count from 0.

    Batches hold `cube`, `labels` (category of every pixel: 0 unlabelled, 1 black lentils, 2 brown lentils, 3 stone,
    4 background) and `mask`, which is 1 on every category but `normal_ids`. Without ids the frames are split into 70 %,
    15 % and 15 % in the order they were taken, four that show one arrangement kept together.
    """

    aliases = ("cuvis_ai.data.lentils_anomaly.LentilsAnomaly",)
    gives = ("mask", "labels")
    channels = BANDS
    data_dir: str = Param("./data/Lentils", "folder with the frames")
    train_ids: list[int] | None = Param(None, "frames to train on; null: those that no other list names")
    val_ids: list[int] | None = Param(
        None, "frames to validate on; null beside other ids: the training frames"
    )
    test_ids: list[int] | None = Param(
        None, "frames to test on; null beside other ids: the validation frames"
    )
    session: str = Param("Lentils", "session file and annotations without suffix, or how their name begins")
    processing_mode: str = Param("Reflectance", "what the SDK makes of a session's frames", choices=MODES)
    normal_ids: list[int] = Param([0, 1], "categories that are no anomaly")

    _found: Frames | None = None

    @property
    def wavelengths(self) -> tuple[float, ...] | None:
        """Band centres in nanometres, where the data says them."""
        return self._frames().wavelengths()

    def samples(self, stage: Stage) -> Dataset[Sample] | None:
        """The frames of a stage; raises :class:`DataError`."""
        frames = self._frames()
        ids = split(frames.ids, self.train_ids, self.val_ids, self.test_ids)[stage]
        missing = [str(number) for number in ids if number not in frames.ids]
        if missing or (stage == "train" and not ids):
            fact = f"no frame {', '.join(missing)}" if missing else "no frame to train on"
            raise DataError(f"LentilsAnomaly: {self.data_dir} has {fact}; it has {ranges(frames.ids)}")
        return frames.samples(ids, self.batch_size) if ids else None

    def _frames(self) -> Frames:
        if self._found is None:
            self._found = self._find_frames(Path(self.data_dir))
        return self._found

    def _find_frames(self, folder: Path) -> Frames:
        if not folder.is_dir():
            raise DataError(f"LentilsAnomaly: the folder {folder} does not exist (relative to {Path.cwd()})")
        frames = NpzFrames.find(folder, BANDS, self.normal_ids)
        if frames is not None:
            return frames
        path = _find(folder, self.session, SUFFIX)
        beside = path.with_suffix(".json")
        coco = Coco.read(beside if beside.is_file() else _find(folder, self.session, ".json"))
        return SessionFrames(Session(path, self.processing_mode), coco, BANDS, self.normal_ids)


def _find(folder: Path, name: str, suffix: str) -> Path:
    """The file of that name, else the one whose name begins so."""
    exact = folder / f"{name}{suffix}"
    if exact.is_file():
        return exact
    found = sorted(path for path in folder.glob(f"*{suffix}") if path.name.startswith(name))
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(path.stem for path in found[:8])
        raise DataError(f"LentilsAnomaly: {folder} holds several: {names}; name one as `session`")
    if suffix == SUFFIX:
        raise DataError(
            f"LentilsAnomaly: {folder} holds neither frames such as {name}_000.npz nor a session {name}*{SUFFIX}"
        )
    raise DataError(
        f"LentilsAnomaly: {folder} holds a session, but no annotations {name}*{suffix} (COCO) for it"
    )

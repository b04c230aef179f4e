"""`IndianPines`: one public AVIRIS scene as a data module, to start with and to test on."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.utils.data import Dataset

from cuvisc.language.choose import Choose
from cuvisc.language.declare import Param
from cuvisc.runtime.data.datamodule import GraphDataModule, Sample, Stage
from cuvisc.runtime.data.scenes import Scene, indian_pines


class IndianPines(GraphDataModule):
    """The AVIRIS Indian Pines scene: one image of 145x145 pixels and 200 bands, with one class as the anomaly.

    Batches hold `cube` uint16, `mask` (1 on the anomaly class), `labels` (class ids, 0 is unlabelled) and
    `wavelengths` in nanometres. There is one image, so training, validation and test all see it: the numbers describe
    this scene, they say nothing about others. Baumgardner, Biehl & Landgrebe 2015, doi:10.4231/R7RX991C, CC BY 3.0.
    """

    gives = ("mask", "labels")
    channels = Choose("data_dir", {None: 200}, otherwise=None)
    data_dir: str | None = Param(
        None,
        "folder with Indian_pines_corrected.npy and Indian_pines_gt.npy; null: the tensorly package's copy",
    )
    anomaly_class: int = Param(16, "class id that is the anomaly; 16 is stone-steel towers", ge=1, le=16)

    @property
    def wavelengths(self) -> tuple[float, ...] | None:
        """Band centres in nanometres; none with files from `data_dir`, which do not say them."""
        centers = self.scene.wavelengths
        return None if centers is None else tuple(centers.tolist())

    @property
    def scene(self) -> Scene:
        """The scene, loaded on first use."""
        if self._scene is None:
            self._scene = indian_pines(None if self.data_dir is None else Path(self.data_dir))
        return self._scene

    def samples(self, stage: Stage) -> Dataset[Sample]:
        """The one image, for every stage."""
        return OneScene(self.scene, self.anomaly_class)

    _scene: Scene | None = None


class OneScene(Dataset[Sample]):
    """A data set of one scene."""

    def __init__(self, scene: Scene, anomaly_class: int) -> None:
        self._sample: Sample = {
            "cube": torch.from_numpy(scene.cube),
            "mask": torch.from_numpy(scene.mask(anomaly_class)),
            "labels": torch.from_numpy(scene.labels),
        }
        if scene.wavelengths is not None:
            self._sample["wavelengths"] = torch.from_numpy(scene.wavelengths)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Sample:
        if index != 0:
            raise IndexError(index)
        return self._sample

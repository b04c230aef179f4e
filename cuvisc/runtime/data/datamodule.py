"""`GraphDataModule`: a Lightning data module whose batches keep the contract that graphs are trained on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler, Sampler

from cuvisc.language.bands import FirstFile
from cuvisc.language.choose import Choose
from cuvisc.language.declare import Declared, Param, ParameterError
from cuvisc.language.relations import broken
from cuvisc.runtime.data.contract import check_batch

Stage = Literal["train", "val", "test"]
Sample = dict[str, Any]


class GraphDataModule(Declared, LightningDataModule):
    """Base of every data module.

    Batches are dicts with `cube` (or `x`) [B,H,W,C] and optional `mask`, `labels` [B,H,W]. A subclass defines
    `samples(stage)`, or the loaders themselves as in Lightning. Samples keep the dtype of the data: statistics are
    collected from it, and the graph casts. Where nothing is defined for `val`, the training samples are validated on,
    and where nothing is for `test`, those of `val` are tested. Every batch is checked; :class:`DataError` says what is
    wrong with it.
    """

    kind: ClassVar[str] = ""
    gives: ClassVar[tuple[str, ...] | None] = None
    """What every batch holds besides the cube, such as `mask` or `labels`; None where that depends on the data."""
    channels: ClassVar[int | FirstFile | Choose[int | FirstFile | None] | None] = None
    """How many bands every cube has, as far as that can be told without reading one."""
    constraints: ClassVar[tuple[tuple[Any, ...], ...]] = ()
    """Relations such as ``("overlap", "<", "tile")``; two more items are a parameter and the value that it is for."""
    batch_size: int = Param(1, "images in a batch", ge=1)
    num_workers: int = Param(0, "processes that load data; 0 loads in this one", ge=0)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        fact = broken(self.constraints, self.params())
        if fact is not None:
            raise ParameterError(f"{type(self).__name__}: {fact}")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.kind = "datamodule"

    @property
    def wavelengths(self) -> tuple[float, ...] | None:
        """Band centres in nanometres, where the data says them."""
        return None

    @property
    def good_bands(self) -> tuple[bool, ...] | None:
        """Which bands are good by the data's own judgement, where it has one."""
        return None

    def samples(self, stage: Stage) -> Dataset[Sample] | None:
        """The samples of a stage, each a dict with `cube` [H,W,C]; None where there are none."""
        return None

    def images_per_batch(self, samples: Dataset[Sample]) -> int:
        """How many of these samples make a batch."""
        return self.batch_size

    def check_batch(self, batch: Any) -> Tensor:
        """The cube of a batch; raises :class:`DataError` when the batch breaks the contract."""
        return check_batch(batch, type(self).__name__)

    def train_dataloader(self) -> Any:
        """Batches of the training samples, in a new order every epoch."""
        found = self.samples("train")
        if found is None:
            raise TypeError(f"{type(self).__name__} defines neither samples(stage) nor train_dataloader()")
        return self._load(found, EpochOrder(found))

    def val_dataloader(self) -> Any:
        """Batches of the validation samples, in order."""
        if type(self).samples is GraphDataModule.samples:
            return self.train_dataloader()
        return self._load(self._first("val", "train"))

    def test_dataloader(self) -> Any:
        """Batches of the test samples, in order."""
        if type(self).samples is GraphDataModule.samples:
            return self.val_dataloader()
        return self._load(self._first("test", "val", "train"))

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Check the batch before it leaves for the device."""
        self.check_batch(batch)
        return batch

    def _first(self, *stages: Stage) -> Dataset[Sample]:
        for stage in stages:
            found = self.samples(stage)
            if found is not None:
                return found
        raise TypeError(f"{type(self).__name__}.samples gives no samples for {' or '.join(stages)}")

    def _load(self, samples: Dataset[Sample], sampler: Sampler[int] | None = None) -> DataLoader[Sample]:
        return DataLoader(
            samples,
            batch_size=self.images_per_batch(samples),
            sampler=sampler,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
        )


def validates_on_training(datamodule: GraphDataModule) -> bool:
    """Whether the base class hands out training samples for want of others."""
    own = type(datamodule)
    if own.val_dataloader is not GraphDataModule.val_dataloader:
        return False
    if own.samples is GraphDataModule.samples:
        return True
    return datamodule.samples("val") is None


class EpochOrder(RandomSampler):
    """A random order that depends on the run's seed and the epoch alone, so that a resumed run repeats it."""

    def __init__(self, samples: Dataset[Sample]) -> None:
        super().__init__(samples)  # type: ignore[arg-type]
        self._seed = torch.initial_seed()
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning when an epoch starts."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed((self._seed + self._epoch) % 2**63)
        yield from torch.randperm(self.num_samples, generator=generator).tolist()

"""The samples of a validation or a test to the share of one process: each of them is measured once.

Lightning's own share repeats samples until all shares are even, which biases every mean and every metric.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.trainer.connectors.data_connector import _DataConnector
from lightning.pytorch.trainer.states import RunningStage
from torch.utils.data import DataLoader, Sampler

from cuvisc.runtime.batches import draws_each_once
from cuvisc.runtime.ranks import shared

_MEASURING = (RunningStage.VALIDATING, RunningStage.SANITY_CHECKING, RunningStage.TESTING)


class EachOnce(Sampler[Any]):
    """Every `world`-th of what a sampler draws, from the one numbered `rank` on; none is drawn twice.

    Processes take part in a validation together or not at all. One whose share makes no batch of `least` samples
    reads the first ones once more and `stands_in`: what it reads is not to be counted.
    """

    def __init__(self, drawn: Any, rank: int, world: int, least: int = 1) -> None:
        own, self._total = len(range(rank, len(drawn), world)), len(drawn)
        self.stands_in = own < least <= self._total
        self._drawn, self._rank, self._world = drawn, rank, world
        self._length = least if self.stands_in else own

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Any]:
        if self.stands_in:
            return islice(cycle(self._indices()), self._length)
        return islice(self._indices(), self._rank, self._total, self._world)

    def _indices(self) -> Iterator[Any]:
        if isinstance(self._drawn, range):
            return iter(self._drawn)
        # A sampler may draw at random, and each process would draw something else.
        return iter(shared(lambda: list(self._drawn)))

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning when an epoch starts."""
        tell = getattr(self._drawn, "set_epoch", None)
        if callable(tell):
            tell(epoch)


class MeasuredOnce(_DataConnector):
    """Lightning's connector of data, with shares of its own making where Lightning would measure samples twice."""

    @classmethod
    def install(cls, trainer: Trainer) -> None:
        """Take the place of the trainer's connector."""
        connector = cls(trainer)
        vars(connector).update(vars(trainer._data_connector))
        trainer._data_connector = connector

    def _resolve_sampler(self, dataloader: Any, shuffle: bool, mode: RunningStage | None = None) -> Any:
        if mode not in _MEASURING or not self._requires_distributed_sampler(dataloader):
            return super()._resolve_sampler(dataloader, shuffle, mode)
        sampler = dataloader.sampler
        least = (dataloader.batch_size or 1) if getattr(dataloader, "drop_last", False) else 1
        drawn = range(len(dataloader.dataset)) if draws_each_once(sampler) else sampler
        return EachOnce(drawn, self.trainer.global_rank, self.trainer.world_size, least)


def stands_in(loaders: Any) -> bool:
    """Whether what this process reads of a loader, or a list of one, is another one's share, not to be counted."""
    samplers = [_sampler(loader) for loader in (loaders if isinstance(loaders, (list, tuple)) else [loaders])]
    return any(isinstance(sampler, EachOnce) and sampler.stands_in for sampler in samplers)


def _sampler(loader: Any) -> Any:
    if not isinstance(loader, DataLoader):
        return None
    return getattr(loader.batch_sampler, "sampler", loader.sampler)

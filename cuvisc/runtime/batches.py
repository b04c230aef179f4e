"""A training loader to what phase 1 reads: every sample once, in order, as pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler, Subset

from cuvisc.language.collated import collated_centers
from cuvisc.runtime.data.datamodule import EpochOrder


def pixels_of(cube: Tensor) -> NDArray[Any]:
    """Spectra [N,C] as NumPy, in the cube's own dtype, half precision as float32; no copy where memory allows."""
    flat = cube.detach().reshape(-1, cube.shape[-1]).cpu()
    return np.asarray((flat.float() if flat.dtype in (torch.bfloat16, torch.float16) else flat).numpy())


def phase_one_batches(
    loader: Any,
    rank: int = 0,
    world: int = 1,
    limit: int | None = None,
    takes: Callable[[int], bool] = lambda index: True,
) -> Iterable[Any]:
    """The batches phase 1 reads on one rank: all samples once, in order, none repeated to make shares even.

    `takes` says of the number of a sample, or of a batch where samples cannot be chosen, whether it is one of them.

    A plain DataLoader that shuffles or drops the last batch is read in order and to its end instead, so that
    statistics depend on neither. A loader with a sampler of its own is read as it is, batches dealt out to the ranks.
    """
    ordered = _in_order(loader, rank, world, takes)
    if ordered is not None:
        return ordered if limit is None else _Limited(ordered, limit)
    return _Dealt(loader, rank, world, limit, takes)


def _in_order(loader: Any, rank: int, world: int, takes: Callable[[int], bool]) -> DataLoader[Any] | None:
    if type(loader) is not DataLoader or type(loader.batch_sampler) is not BatchSampler:
        return None
    sampler = loader.sampler
    if not draws_each_once(sampler) or not hasattr(loader.dataset, "__len__"):
        return None
    dataset = loader.dataset
    taken = [index for index in range(len(dataset)) if takes(index)][rank::world]
    share = dataset if len(taken) == len(dataset) else Subset(dataset, taken)
    return DataLoader(
        share,
        batch_size=loader.batch_size,
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
    )


def draws_each_once(sampler: Any) -> bool:
    """Whether a sampler is known to draw every sample of its data once, in some order."""
    return type(sampler) in (SequentialSampler, EpochOrder) or (
        type(sampler) is RandomSampler and not sampler.replacement and sampler._num_samples is None
    )


class _Limited:
    """The first batches of a loader, every time it is read."""

    def __init__(self, loader: Iterable[Any], limit: int) -> None:
        self._loader, self._limit = loader, limit

    def __iter__(self) -> Iterator[Any]:
        return islice(iter(self._loader), self._limit)


class _Dealt:
    """Every `world`-th of the batches taken of a loader, every time it is read."""

    def __init__(
        self,
        loader: Iterable[Any],
        rank: int,
        world: int,
        limit: int | None,
        takes: Callable[[int], bool],
    ) -> None:
        self._loader, self._rank, self._world, self._limit = loader, rank, world, limit
        self._takes = takes

    def __iter__(self) -> Iterator[Any]:
        taken = (batch for index, batch in enumerate(self._loader) if self._takes(index))
        return islice(taken, self._rank, self._limit, self._world)


def wavelengths_in(datamodule: Any, batches: Iterable[Any], bands: int) -> tuple[float, ...] | None:
    """Band centres in nanometres, as the data module says them, else as the first batch does."""
    found = getattr(datamodule, "wavelengths", None)
    if found is None:
        first: Any = next(iter(batches), {})
        found = first.get("wavelengths")
    centers = collated_centers(found, bands)
    return None if centers is None else tuple(map(float, centers))

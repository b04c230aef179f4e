"""How much memory training takes for its data, and how large the data is; an estimate from shapes alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cuvisc.runtime.data_check.survey import Survey

_FLOAT32 = 4
_PREFETCHED = 2
_LOADED = 1


@dataclass(frozen=True)
class Needs:
    """Bytes: a training batch as read and as float32, batches that loaders hold at a time, all data unpacked."""

    batch_size: int
    largest: tuple[int, int, int]
    batch_bytes: int
    float32_bytes: int
    held_bytes: int
    data_bytes: int

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def estimate(survey: Survey, datamodule: Any) -> Needs | None:
    """What training needs, None without a training sample."""
    samples = survey.of("train")
    if not samples:
        return None
    batch, workers = (
        int(getattr(datamodule, name, least)) for name, least in (("batch_size", 1), ("num_workers", 0))
    )
    largest = max(samples, key=lambda sample: sample.box.pixels)
    tally = survey.images[largest.image].tally
    values = largest.box.pixels * tally.bands
    one = min(batch, len(samples)) * values * (tally.dtype or np.dtype("f4")).itemsize
    data = sum(
        image.tally.pixels * image.tally.bands * (image.tally.dtype or np.dtype("f4")).itemsize
        for image in survey.images.values()
    )
    return Needs(
        batch,
        (largest.box.height, largest.box.width, tally.bands),
        one,
        min(batch, len(samples)) * values * _FLOAT32,
        one * (_LOADED + _PREFETCHED * workers),
        data,
    )


def words(needs: Mapping[str, Any] | Needs) -> str:
    """One line for people."""
    found = needs.to_json() if isinstance(needs, Needs) else needs
    height, width, bands = found["largest"]
    return (
        f"a batch of {found['batch_size']} x {height}x{width}x{bands} is {in_bytes(found['batch_bytes'])} "
        f"({in_bytes(found['float32_bytes'])} as float32), loaders hold {in_bytes(found['held_bytes'])}; "
        f"all data is {in_bytes(found['data_bytes'])} unpacked"
    )


def in_bytes(count: float) -> str:
    """Bytes as people write them."""
    return next(
        f"{count / size:.3g} {name}"
        for name, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("bytes", 1))
        if count >= size or size == 1
    )

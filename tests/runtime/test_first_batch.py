"""What leaves read is looked for in the first batch of phase 1, before a second one is read."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from pathlib import Path
from typing import Any

import pytest
from fitted_graphs import typed
from memory_data import ANOMALY, MemoryScene

from cuvisc import TrainerConfig, TrainingConfig
from cuvisc.runtime.first_batch import looked_at
from cuvisc.runtime.training import train
from cuvisc.schema.errors import DataError

MISSING = (
    "reads `mask` (or `labels`) of the batch, which holds cube; a mask is a file beside every cube, such as "
    "scene_mask.png, an array `mask` in it, or what `mask` of a CubeFolder names; a data module of one's own puts it "
    "into its batches"
)


class NoMask(MemoryScene):
    def samples(self, stage: Any) -> Any:
        return [{"cube": sample["cube"]} for sample in super().samples(stage)]


def test_a_loss_without_its_mask_ends_the_run_at_the_first_batch(tmp_path: Path) -> None:
    read = 0

    class Counted(NoMask):
        def samples(self, stage: Any) -> Any:
            nonlocal read
            samples = super().samples(stage)

            class Watched(list[Any]):
                def __getitem__(self, index: Any) -> Any:
                    nonlocal read
                    read += 1
                    return super().__getitem__(index)

            return Watched(samples)

    given = TrainingConfig(trainer=TrainerConfig(max_epochs=1, accelerator="cpu"))
    with pytest.raises(DataError) as caught:
        train(typed(ANOMALY), Counted(), given, run_dir=tmp_path)
    assert str(caught.value) == f"`bce`: AnomalyBCEWithLogits {MISSING}"
    assert read == Counted().batch_size


def test_the_number_of_batches_stays_known_where_it_was() -> None:
    batches = [{"cube": 1}, {"cube": 2}]
    known = looked_at(batches, [])
    assert isinstance(known, Sized)
    assert len(known) == 2
    assert list(known) == list(known) == batches

    class Stream:
        def __iter__(self) -> Iterator[Any]:
            return iter(batches)

    unknown = looked_at(Stream(), [])
    assert not isinstance(unknown, Sized)
    assert list(unknown) == batches

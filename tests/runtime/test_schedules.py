"""Learning rates over a whole training, by formulas: whatever ends it, accumulates, or validates now and then."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fitted_graphs import typed
from memory_data import ANOMALY, MemoryScene
from torch.utils.data import IterableDataset

from cuvisc import TrainingConfig
from cuvisc.runtime.optimizers import Length, planned_length
from cuvisc.runtime.training import train
from cuvisc.schema.errors import SpecError

RATE = 1e-3


def lines(folder: Path, scheduler: Any, data: Any = None, **trainer: Any) -> list[dict[str, Any]]:
    """What a run logs; an epoch has 3 batches, and so 3 steps."""
    config = TrainingConfig(
        trainer={"accelerator": "cpu", "log_every_n_steps": 3, **trainer},
        optimizer={"lr": RATE, "scheduler": scheduler},
    )
    train(typed(ANOMALY), data or MemoryScene(), config, run_dir=folder)
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def rates(*args: Any, **trainer: Any) -> list[float]:
    return [line["value"] / RATE for line in lines(*args, **trainer) if line["name"] == "lr"]


@pytest.mark.parametrize(
    "limits",
    [{"max_epochs": 4}, {"max_epochs": -1, "max_steps": 12}, {"max_epochs": 9, "max_steps": 12}],
    ids=str,
)
def test_cosine_ends_where_the_training_ends(tmp_path: Path, limits: dict[str, int]) -> None:
    expected = [(1 + math.cos(math.pi * epoch / 4)) / 2 for epoch in range(4)]
    np.testing.assert_allclose(rates(tmp_path, "cosine", **limits), expected, rtol=1e-5)


@pytest.mark.parametrize("limits", [{"max_epochs": 2}, {"max_epochs": -1, "max_steps": 6}], ids=str)
def test_one_cycle_ends_where_the_training_ends(tmp_path: Path, limits: dict[str, int]) -> None:
    found = rates(tmp_path, {"name": "one_cycle", "pct_start": 0.5}, log_every_n_steps=1, **limits)
    assert len(found) == 6
    # torch: from a 25th of the largest rate up to it, and down to a 10 000th of the first.
    assert found[0] == pytest.approx(10 / 25)
    assert max(found) == pytest.approx(10)
    assert found[-1] == pytest.approx(10 / 25 / 10_000, abs=1e-6)


@pytest.mark.parametrize(
    ("limits", "length"),
    [
        ((5, -1, 4), Length(5, 20)),
        ((5, 6, 4), Length(2, 6)),
        ((-1, 6, 4), Length(2, 6)),
        ((-1, -1, 4), Length(None, None)),
        ((5, -1, math.inf), Length(5, None)),
        ((5, 7, math.inf), Length(5, 7)),
        ((-1, 7, math.inf), Length(None, 7)),
        ((3, -1, 0), Length(3, 1)),
    ],
)
def test_the_length_of_a_training(limits: tuple[int, int, float], length: Length) -> None:
    assert planned_length(*limits) == length


def test_a_stream_of_unknown_length_needs_a_number_of_steps(tmp_path: Path) -> None:
    class Stream(IterableDataset):  # type: ignore[type-arg]
        def __iter__(self) -> Any:
            return iter(MemoryScene().samples("train"))

    class Streamed(MemoryScene):
        def train_dataloader(self) -> Any:
            from torch.utils.data import DataLoader

            return DataLoader(Stream(), batch_size=2)

    assert (
        len(rates(tmp_path / "one", "one_cycle", Streamed(), max_epochs=2, max_steps=6, log_every_n_steps=1))
        == 6
    )
    with pytest.raises(SpecError) as caught:
        rates(tmp_path / "other", "one_cycle", Streamed(), max_epochs=2)
    assert str(caught.value) == (
        "training.optimizer.scheduler: nothing says how many steps `one_cycle` has; set training.trainer.max_steps"
    )


@pytest.mark.parametrize(
    ("validations", "expected"),
    [
        ({}, [1, 1, 0.1, 0.01, 0.001, 0.0001]),
        ({"check_val_every_n_epoch": 2}, [1, 1, 1, 1, 0.1, 0.1]),
        # After batches 4, 8, 12 and 16: in epochs 2, 3, 4 and 6.
        ({"check_val_every_n_epoch": None, "val_check_interval": 4}, [1, 1, 1, 0.1, 0.01, 0.01]),
    ],
    ids=str,
)
def test_a_plateau_is_looked_for_after_validations_only(
    tmp_path: Path, validations: dict[str, Any], expected: list[float]
) -> None:
    # The loss falls, so that a plateau of what should rise begins at once.
    plateau = {"name": "reduce_on_plateau", "patience": 0, "mode": "max"}
    np.testing.assert_allclose(rates(tmp_path, plateau, max_epochs=6, **validations), expected, rtol=1e-5)


@pytest.mark.parametrize(("accumulated", "steps"), [(1, 3), (2, 2), (3, 1), (8, 1)])
def test_every_epoch_logs_a_training_loss_however_many_batches_a_step_takes(
    tmp_path: Path, accumulated: int, steps: int
) -> None:
    given = {"max_epochs": 3, "accumulate_grad_batches": accumulated, "log_every_n_steps": 50}
    found = [line for line in lines(tmp_path, "none", **given) if line["name"] == "train/loss/total"]
    assert [(line["epoch"], line["step"]) for line in found] == [(n, (n + 1) * steps - 1) for n in range(3)]

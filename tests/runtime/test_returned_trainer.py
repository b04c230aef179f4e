"""The trainer that a run returns measures the graph as it is, and leaves it so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from fitted_graphs import typed
from lightning.pytorch.callbacks import Callback
from memory_data import ANOMALY, MemoryScene, scene

from cuvisc import TrainingConfig
from cuvisc.runtime.training import Run, train


class Spoil(Callback):
    """Moves what is trained far away in the last of three epochs."""

    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        if trainer.current_epoch == 2:
            with torch.no_grad():
                for parameter in module.parameters():
                    parameter.add_(1.0)


def spoiled_run(folder: Path) -> Run:
    """A run whose last weights are worse than its best."""
    trainer = {"max_epochs": 3, "accelerator": "cpu", "callbacks": [Spoil()]}
    run = train(typed(ANOMALY), MemoryScene(), TrainingConfig(trainer=trainer), run_dir=folder)
    assert run.facts["best"]["epoch"] == 2
    return run


def state(run: Run) -> dict[str, Any]:
    return {name: value.clone() for name, value in run.module.nodes.state_dict().items()}


def assert_unchanged(run: Run, before: dict[str, Any]) -> None:
    after = run.module.nodes.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_validating_again_finds_the_same_numbers_and_changes_nothing(tmp_path: Path) -> None:
    run = spoiled_run(tmp_path)
    before = state(run)
    (found,) = run.trainer.validate(datamodule=MemoryScene(), verbose=False)
    assert_unchanged(run, before)
    assert set(found) == {name for name in run.facts["metrics"] if name.startswith("val/")}
    assert all(value == pytest.approx(run.facts["metrics"][name], rel=1e-5) for name, value in found.items())


def test_a_test_logs_under_names_of_its_own(tmp_path: Path) -> None:
    class Halves(MemoryScene):
        def samples(self, stage: Any) -> Any:
            found = super().samples(stage)
            return found[:2] if stage == "test" else found

    run = spoiled_run(tmp_path)
    before = state(run)
    (found,) = run.trainer.test(datamodule=Halves(), verbose=False)
    assert_unchanged(run, before)
    assert set(found) == {
        name.replace("val/", "test/") for name in run.facts["metrics"] if name.startswith("val/")
    }
    cubes, mask = scene()
    with torch.no_grad():
        decided = run.module(torch.from_numpy(cubes[:2]))["head.logits"].numpy()[..., 0] >= 0
    truth = mask[:2] > 0
    assert found["test/metric/anomaly_recall"] == pytest.approx((decided & truth).sum() / truth.sum())


def test_the_best_weights_are_loaded_where_they_are_asked_for(tmp_path: Path) -> None:
    run = spoiled_run(tmp_path)
    (found,) = run.trainer.validate(datamodule=MemoryScene(), verbose=False, ckpt_path="best")
    assert found["val/loss/total"] == pytest.approx(run.facts["best"]["val/loss/total"], rel=1e-5)

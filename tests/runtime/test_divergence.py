"""A training that diverges in its last step is as little a model as one that diverges before."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from fitted_graphs import typed
from memory_data import ANOMALY, MemoryScene

from cuvisc import TrainingConfig
from cuvisc.runtime.training import train
from cuvisc.schema.errors import SpecError

HELP = "lower training.optimizer.lr, or set training.trainer.gradient_clip_val to 1.0"


def config(rate: float, **trainer: object) -> TrainingConfig:
    return TrainingConfig(
        trainer={"max_epochs": 1, "accelerator": "cpu", **trainer},
        optimizer={"name": "sgd", "lr": rate, "scheduler": "none"},
    )


@pytest.mark.parametrize("validated", [None, 0], ids=["validated", "not validated"])
def test_weights_that_are_not_finite_are_no_model(tmp_path: Path, validated: int | None) -> None:
    given = config(1e38, limit_train_batches=1, limit_val_batches=validated)
    steep = ANOMALY.replace("pos_weight: 5", "pos_weight: 5, weight: 1.0e+9")
    with pytest.raises(SpecError) as caught:
        train(typed(steep), MemoryScene(), given, run_dir=tmp_path)
    text, _, number = str(caught.value).partition(" is ")
    assert text in ("`pca.components`", "`head.scale`", "`head.bias`")
    assert number in [f"{value} (after epoch 1): training has diverged; {HELP}" for value in ("inf", "nan")]
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "failed"
    assert not (tmp_path / "weights.safetensors").exists()


def test_a_validation_that_is_not_finite_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Also where EarlyStopping, which looks for such values, has ended the training because of it."""
    given = config(1e25, limit_train_batches=1, callbacks=[{"type": "EarlyStopping"}])
    given.trainer.max_epochs = 5
    with caplog.at_level(logging.WARNING, "cuvisc"):
        done = train(typed(ANOMALY), MemoryScene(), given, run_dir=tmp_path)
    assert (done.facts["status"], done.facts["epochs"]) == ("finished", 1)
    number = done.facts["metrics"]["val/loss/bce"]
    assert number != number or number == float("inf")
    assert [text for text in caplog.messages if "diverged" in text] == [
        f"val/loss/bce is {number} (after epoch 1): training has diverged, or this data has no such loss; {HELP}"
    ]

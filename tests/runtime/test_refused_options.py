"""What Lightning would refuse in the middle of a run is an error of the user's, before phase 1 wherever it is known."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fitted_graphs import typed
from lightning.pytorch import LightningDataModule
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from memory_data import ANOMALY, FROZEN, MemoryScene, scene

from cuvisc import TrainingConfig
from cuvisc.language.declare import Param
from cuvisc.language.leaf import LossNode
from cuvisc.runtime.faults import option_fault
from cuvisc.runtime.training import Run, train
from cuvisc.schema.errors import SpecError

LOGGED = (
    "`train/loss/bce`, `train/loss/orthogonality`, `train/loss/total`, `val/loss/bce`, `val/loss/orthogonality`, "
    "`val/loss/total`, `val/metric/anomaly_precision`, `val/metric/anomaly_recall` and 4 more"
)


class TrainOnly(LightningDataModule):
    def train_dataloader(self) -> Any:
        return MemoryScene().train_dataloader()


def run(folder: Path, data: Any = None, text: str = ANOMALY, scheduler: Any = "none", **trainer: Any) -> Run:
    config = TrainingConfig(
        trainer={"max_epochs": 2, "accelerator": "cpu", **trainer}, optimizer={"scheduler": scheduler}
    )
    return train(typed(text), data or MemoryScene(), config, run_dir=folder)


def refusal(folder: Path, *args: Any, **given: Any) -> str:
    with pytest.raises(SpecError) as caught:
        run(folder, *args, **given)
    return str(caught.value)


def began(folder: Path) -> bool:
    """Whether phase 1 was made."""
    return "phase1" in json.loads((folder / "run.json").read_text())


@pytest.mark.parametrize(
    "waiting",
    [
        {"callbacks": [EarlyStopping("mine")]},
        {"callbacks": [{"type": "EarlyStopping", "monitor": "mine"}]},
        {"callbacks": [ModelCheckpoint(monitor="mine")]},
        {"scheduler": {"monitor": "mine"}},
    ],
    ids=["object", "mapping", "checkpoint", "scheduler"],
)
def test_a_value_that_is_never_logged_is_refused_before_phase_1(tmp_path: Path, waiting: Any) -> None:
    by = "training.optimizer.scheduler" if "scheduler" in waiting else type(waiting["callbacks"][0]).__name__
    by = "EarlyStopping" if by == "dict" else by
    assert (
        refusal(tmp_path, **waiting) == f"{by} waits for `mine`, which is never logged; logged are {LOGGED}"
    )
    assert not began(tmp_path)


def test_without_validation_data_nothing_of_validations_is_logged(tmp_path: Path) -> None:
    assert refusal(tmp_path, TrainOnly(), callbacks=[EarlyStopping("val/loss/total")]) == (
        "EarlyStopping waits for `val/loss/total`, which is never logged; logged are `train/loss/bce`, "
        "`train/loss/orthogonality` and `train/loss/total`"
    )
    assert not began(tmp_path)


def test_a_callback_of_the_users_may_log_what_another_waits_for(tmp_path: Path) -> None:
    class Logs(Callback):
        def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
            module.log("mine", 1.0)

    assert run(tmp_path, callbacks=[Logs(), EarlyStopping("mine", patience=5)]).facts["epochs"] == 2


@pytest.mark.parametrize(
    ("waiting", "by"),
    [
        ({"callbacks": [{"type": "EarlyStopping", "monitor": "val/metric/anomaly_auroc"}]}, "EarlyStopping"),
        (
            {"callbacks": [{"type": "ModelCheckpoint", "monitor": "val/metric/anomaly_auroc"}]},
            "ModelCheckpoint",
        ),
        ({"scheduler": {"monitor": "val/metric/anomaly_auroc"}}, "training.optimizer.scheduler"),
    ],
    ids=["stopping", "checkpoint", "scheduler"],
)
def test_a_value_that_the_data_does_not_define(tmp_path: Path, waiting: Any, by: str) -> None:
    cubes, masks = scene()
    empty = MemoryScene(cubes, np.zeros_like(masks))
    found = refusal(tmp_path, empty, **waiting)
    assert found.startswith(
        f"{by} waits for `val/metric/anomaly_auroc`, which the validation of epoch 1 left out: what its data does not "
        "define is not logged, such as an AUROC where every mask is empty; logged were `val/loss/bce`, "
    )


def test_a_callback_that_can_do_without_goes_on(tmp_path: Path) -> None:
    stop = EarlyStopping("val/metric/mine", strict=False)
    assert run(tmp_path, callbacks=[stop]).facts["epochs"] == 2


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (
            {"val_check_interval": 9},
            (
                "val_check_interval is 9, and an epoch has 3 batches: set `check_val_every_n_epoch: null` to count "
                "batches from epoch to epoch"
            ),
        ),
        (
            {"limit_train_batches": 2, "val_check_interval": 3},
            (
                "val_check_interval is 3, and an epoch has 2 batches: set `check_val_every_n_epoch: null` to count "
                "batches from epoch to epoch"
            ),
        ),
        (
            {"limit_train_batches": 0.1},
            "limit_train_batches is 0.1, which is less than one of the 3 training batches; the least is 0.3334",
        ),
        (
            {"overfit_batches": 0.01},
            "overfit_batches is 0.01, which is less than one of the 3 training batches; the least is 0.3334",
        ),
    ],
    ids=str,
)
def test_limits_that_the_data_cannot_keep(tmp_path: Path, limits: Any, message: str) -> None:
    assert refusal(tmp_path / "refused", **limits) == f"training.trainer.{message}"
    assert not began(tmp_path / "refused")


@pytest.mark.parametrize(
    "limits",
    [
        {"val_check_interval": 3},
        {"val_check_interval": 9, "limit_val_batches": 0},
        {"val_check_interval": 9, "check_val_every_n_epoch": None},
        {"limit_train_batches": 0.3334},
        {"overfit_batches": 0.3334},
        {"limit_train_batches": 0.01, "fast_dev_run": True},
    ],
    ids=str,
)
def test_limits_that_the_data_can_keep(tmp_path: Path, limits: Any) -> None:
    assert run(tmp_path, **limits).facts["status"] == "finished"


def test_what_lightning_refuses_later_is_quoted_in_a_line(tmp_path: Path) -> None:
    assert refusal(tmp_path, limit_val_batches=0.01) == (
        "training.trainer: Lightning refuses its options or callbacks: You requested to check 0.01 of the "
        "`val_dataloader` but 0.01 * 3 < 1. Please increase the `limit_val_batches` argument. Try at least "
        "`limit_val_batches=0.3333333333333333`"
    )
    facts = json.loads((tmp_path / "run.json").read_text())
    assert (facts["status"], facts["error"]["type"]) == ("failed", "SpecError")


@pytest.mark.skipif(find_spec("deepspeed") is not None, reason="needs a machine without deepspeed")
def test_a_package_that_is_not_installed(tmp_path: Path) -> None:
    assert refusal(tmp_path, strategy="deepspeed").startswith(
        "training.trainer: Lightning refuses these options: To use the `DeepSpeedStrategy`, you must have DeepSpeed "
    )


class Root(LossNode):
    """A loss whose gradient is not a number, though it is one."""

    scale: float = Param(1.0, "of the loss", gt=0)

    def compute_loss(self, parent_output: Any, batch: dict[str, Any]) -> Any:
        return (parent_output * 0).sum().sqrt() * self.scale


def test_the_operation_that_made_a_gradient_nan_is_named(tmp_path: Path) -> None:
    config = TrainingConfig(trainer={"max_epochs": 1, "accelerator": "cpu", "detect_anomaly": True})
    with pytest.raises(SpecError) as caught, pytest.warns(UserWarning, match="Error detected"):
        train(typed(ANOMALY), MemoryScene(), config, run_dir=tmp_path, leaves={"bce": Root()})
    assert str(caught.value) == (
        "training.trainer.detect_anomaly: MulBackward0 made a gradient NaN: training has diverged; lower "
        "training.optimizer.lr, or set training.trainer.gradient_clip_val to 1.0"
    )


def test_two_of_the_same_callback_are_refused(tmp_path: Path) -> None:
    found = refusal(tmp_path, callbacks=[EarlyStopping("train/loss/bce"), EarlyStopping("train/loss/bce")])
    assert found.startswith(
        "training.trainer: Lightning refuses these options: Found more than one stateful callback"
    )
    assert not began(tmp_path)


def test_a_checkpoint_callback_does_no_harm_where_nothing_is_trained(tmp_path: Path) -> None:
    done = run(tmp_path, text=FROZEN, max_epochs=0, callbacks=[{"type": "ModelCheckpoint"}])
    assert done.facts["status"] == "finished"


def test_an_error_that_is_not_lightnings_stays_what_it_is(tmp_path: Path) -> None:
    class Broken(Callback):
        def on_train_start(self, *_: Any) -> None:
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine") as caught:
        run(tmp_path, callbacks=[Broken()])
    assert option_fault(caught.value) is None

"""Both phases in one run: what is logged, what moves, what stays, and what repeats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fitted_graphs import typed
from lightning.pytorch import LightningDataModule
from lightning.pytorch.callbacks import Callback
from memory_data import ANOMALY, FROZEN, MemoryScene, scene
from torch.utils.data import DataLoader

from cuvisc import TrainerConfig, TrainingConfig
from cuvisc.compiler.gradients import trained_nodes
from cuvisc.compiler.graph import TypedGraph
from cuvisc.compiler.module import build_module
from cuvisc.compiler.plan import plan_statistics
from cuvisc.language.declare import Param
from cuvisc.language.leaf import LossNode, MetricNode
from cuvisc.runtime.epochs import epochs_of
from cuvisc.runtime.gradients import Evaluation, prepare
from cuvisc.runtime.statistics import fit_statistics
from cuvisc.runtime.training import Run, train
from cuvisc.schema.errors import DeviceError, SpecError

LOSSES = ("bce", "orthogonality", "total")
METRICS = (
    "anomaly_auroc",
    "anomaly_average_precision",
    "anomaly_f1",
    "anomaly_iou",
    "anomaly_precision",
    "anomaly_recall",
)


def config(epochs: int | None = 2, lr: float = 0.003, **given: Any) -> TrainingConfig:
    trainer = {"max_epochs": epochs, "accelerator": "cpu", **given.pop("trainer", {})}
    return TrainingConfig(trainer=trainer, optimizer={"lr": lr, **given.pop("optimizer", {})}, **given)


def run(folder: Path, text: str = ANOMALY, given: TrainingConfig | None = None, **instances: Any) -> Run:
    return train(typed(text), MemoryScene(), given or config(), run_dir=folder, **instances)


def logged(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def values(folder: Path, name: str) -> list[float]:
    return [line["value"] for line in logged(folder) if line["name"] == name]


def test_exactly_the_promised_names_are_logged(tmp_path: Path) -> None:
    run(tmp_path)
    assert {line["name"] for line in logged(tmp_path)} == {
        *(f"train/loss/{name}" for name in LOSSES),
        *(f"val/loss/{name}" for name in LOSSES),
        *(f"val/metric/{name}" for name in METRICS),
        "lr",
    }
    assert {(line["stage"], line["name"].split("/")[0]) for line in logged(tmp_path)} == {
        ("train", "train"),
        ("train", "lr"),
        ("val", "val"),
    }


def test_the_total_is_the_sum_of_the_losses_and_falls(tmp_path: Path) -> None:
    run(tmp_path, given=config(15))
    parts = zip(*(values(tmp_path, f"val/loss/{name}") for name in LOSSES), strict=True)
    assert all(total == pytest.approx(bce + held) for bce, held, total in parts)
    totals = values(tmp_path, "val/loss/total")
    assert len(totals) == 15
    assert totals[-1] < 0.7 * totals[0]


def test_training_losses_are_means_over_the_images_of_the_epoch(tmp_path: Path) -> None:
    # A rate too small to move anything, and batches of 2, 2 and 1 images.
    done = run(tmp_path, given=config(2, lr=1e-12))
    cubes, mask = scene()
    with torch.no_grad():
        logits = done.module(torch.from_numpy(cubes))["head.logits"].double().numpy().reshape(mask.shape)
    losses = np.logaddexp(0, -logits) * 5 * (mask > 0) + np.logaddexp(0, logits) * (mask == 0)
    found = [line for line in logged(tmp_path) if line["name"] == "train/loss/bce"]
    assert [line["step"] for line in found] == [2, 5]
    np.testing.assert_allclose([line["value"] for line in found], losses.mean(), rtol=1e-4)


def test_metrics_are_of_the_epoch_and_not_means_over_batches(tmp_path: Path) -> None:
    done = run(tmp_path, given=config(1))
    cubes, mask = scene()
    with torch.no_grad():
        logits = done.module(torch.from_numpy(cubes))["head.logits"].numpy().reshape(mask.shape)
    decided, truth = logits >= 0, mask > 0
    hits = (decided & truth).sum()
    assert done.facts["metrics"]["val/metric/anomaly_precision"] == pytest.approx(hits / decided.sum())
    assert done.facts["metrics"]["val/metric/anomaly_recall"] == pytest.approx(hits / truth.sum())


def test_a_run_with_the_same_seed_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    one, other = run(tmp_path / "one"), run(tmp_path / "other")
    assert (one.folder / "weights.safetensors").read_bytes() == (
        other.folder / "weights.safetensors"
    ).read_bytes()
    drop_time = [{k: v for k, v in line.items() if k != "time"} for line in logged(one.folder)]
    assert drop_time == [{k: v for k, v in line.items() if k != "time"} for line in logged(other.folder)]


def test_frozen_statistics_stay_as_phase_1_fitted_them(tmp_path: Path) -> None:
    graph = typed(ANOMALY)
    fitted = build_module(graph)
    loader = MemoryScene().val_dataloader()
    fit_statistics(fitted, plan_statistics(graph), lambda: loader)
    trained = run(tmp_path, given=config(4)).module
    for name, value in fitted.nodes.state_dict().items():
        moved = name in ("pca.components", "head.scale", "head.bias")
        assert torch.equal(value.float(), trained.nodes.state_dict()[name].float()) is not moved, name


def test_gradients_reach_what_is_trained_and_nothing_else() -> None:
    graph = typed(ANOMALY)
    module = build_module(graph)
    loader = MemoryScene().val_dataloader()
    fit_statistics(module, plan_statistics(graph), lambda: loader)
    trained = [node.id for node in trained_nodes(graph)]
    parameters = prepare(module, trained)
    assert {name for name, p in module.nodes.named_parameters() if p.requires_grad} == {
        "pca.components",
        "head.scale",
        "head.bias",
    }
    assert len(parameters) == 3
    cube = next(iter(loader))["cube"]
    found = Evaluation(module, trained)(cube, {leaf.parent for leaf in graph.leaves})
    needs = {str(ref): value.requires_grad for ref, value in found.items()}
    assert needs == {
        "input.cube": False,
        "normalizer.normalized": False,
        "pca.scores": True,
        "rx.scores": True,
        "head.logits": True,
    }


def test_zero_epochs_fit_and_validate_once(tmp_path: Path) -> None:
    done = run(tmp_path, FROZEN, config(0))
    assert done.facts["epochs"] == 0
    assert done.facts["trained"] == []
    assert len(values(tmp_path, "val/metric/score_mean")) == 1
    assert not (tmp_path / "checkpoints").exists()


def test_zero_epochs_without_validation_data_fit_only(tmp_path: Path) -> None:
    class TrainOnly(LightningDataModule):
        def setup(self, stage: str) -> None:
            assert stage == "fit"
            self.cubes = [{"cube": torch.from_numpy(cube)} for cube in scene()[0]]

        def train_dataloader(self) -> Any:
            return DataLoader(self.cubes, batch_size=2)

    done = train(typed(FROZEN), TrainOnly(), config(0), run_dir=tmp_path)
    assert done.facts["status"] == "finished"
    assert done.facts["metrics"] == {}
    assert done.module.fitted


def test_without_validation_data_the_plateau_is_that_of_the_training_loss(tmp_path: Path) -> None:
    class TrainOnly(LightningDataModule):
        def train_dataloader(self) -> Any:
            return MemoryScene().train_dataloader()

    done = train(typed(ANOMALY), TrainOnly(), config(2), run_dir=tmp_path)
    assert set(done.facts["metrics"]) == {*(f"train/loss/{name}" for name in LOSSES), "lr"}
    assert done.facts["best"] is None
    assert {file.name for file in (tmp_path / "checkpoints").iterdir()} == {"last.ckpt", "resume.safetensors"}


@pytest.mark.parametrize("precision", ["32", "bf16-mixed"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_every_optimizer_trains(tmp_path: Path, optimizer: str, precision: str) -> None:
    given = config(2, optimizer={"name": optimizer}, trainer={"precision": precision})
    assert run(tmp_path, given=given).facts["steps"] == 6


@pytest.mark.parametrize(
    ("scheduler", "rates"),
    [
        ("none", [1, 1, 1, 1]),
        ({"name": "step", "step_size": 2}, [1, 1, 0.1, 0.1]),
        ({"name": "exponential", "gamma": 0.5}, [1, 0.5, 0.25, 0.125]),
        ("cosine", [1, 0.853553, 0.5, 0.146447]),
        ({"name": "reduce_on_plateau", "patience": 0, "mode": "max"}, [1, 1, 0.1, 0.01]),
    ],
)
def test_schedulers_set_the_rate_of_every_epoch(tmp_path: Path, scheduler: Any, rates: list[float]) -> None:
    given = config(4, lr=1e-3, optimizer={"scheduler": scheduler}, trainer={"log_every_n_steps": 3})
    run(tmp_path, given=given)
    np.testing.assert_allclose(values(tmp_path, "lr"), np.array(rates) * 1e-3, rtol=1e-5)


def test_one_cycle_runs_over_the_whole_training(tmp_path: Path) -> None:
    given = config(4, lr=1e-3, optimizer={"scheduler": "one_cycle"}, trainer={"log_every_n_steps": 1})
    run(tmp_path, given=given)
    rates = values(tmp_path, "lr")
    assert len(rates) == 12
    assert max(rates) == pytest.approx(1e-2, rel=0.2)
    assert rates[-1] < rates[0] < max(rates)


def test_callbacks_and_limits_are_lightnings(tmp_path: Path) -> None:
    class Count(Callback):
        epochs = 0

        def on_train_epoch_end(self, *_: Any) -> None:
            Count.epochs += 1

    stop = {"type": "EarlyStopping", "monitor": "val/loss/total", "mode": "max", "patience": 1}
    done = run(tmp_path, given=config(20, trainer={"callbacks": [Count(), stop], "limit_train_batches": 1}))
    assert Count.epochs == done.facts["epochs"] < 20
    assert done.facts["steps"] == Count.epochs


def test_best_weights_are_kept_when_asked_for(tmp_path: Path) -> None:
    wild = {"optimizer": {"name": "sgd", "scheduler": "none"}, "lr": 0.2}
    last, best = (
        run(tmp_path / "last", given=config(6, **wild)),
        run(tmp_path / "best", given=config(6, keep="best", **wild)),
    )
    totals = values(tmp_path / "last", "val/loss/total")
    assert (
        last.facts["best"]
        == best.facts["best"]
        == {
            "epoch": int(np.argmin(totals)) + 1,
            "val/loss/total": pytest.approx(min(totals)),
        }
    )
    assert last.facts["metrics"]["val/loss/total"] == pytest.approx(totals[-1])
    assert best.facts["metrics"]["val/loss/total"] == pytest.approx(min(totals))
    cubes, mask = scene()
    with torch.no_grad():
        logits = best.module(torch.from_numpy(cubes))["head.logits"][..., 0]
    loss = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, torch.from_numpy(mask).float(), pos_weight=torch.tensor(5.0)
    )
    bce = values(tmp_path / "best", "val/loss/bce")[int(np.argmin(totals))]
    assert float(loss) == pytest.approx(bce, rel=1e-3)


def test_a_trial_run_is_marked_as_one(tmp_path: Path) -> None:
    done = run(tmp_path, given=config(5, trainer={"fast_dev_run": True}))
    assert (done.facts["trial"], done.facts["steps"]) == (True, 1)
    assert done.facts["input"]["pixels"] == 2 * 12 * 12


class MeanScore(MetricNode):
    """Mean of the parent's output."""

    shift: float = Param(0.0, "added to it")

    def compute_metric(self, parent_output: Any, batch: dict[str, Any]) -> dict[str, float]:
        return {"mean": float(parent_output.mean()) + self.shift}


class Inverse(LossNode):
    """A loss that is not finite."""

    def compute_loss(self, parent_output: Any, batch: dict[str, Any]) -> Any:
        return (parent_output * 0).sum() + torch.tensor(float("nan"))


TWO_METRICS = FROZEN.replace(
    "scores: {type: ScoreStatisticsMetric, parent: rx}",
    "first: {type: ScoreStatisticsMetric, parent: rx}\n  second: {type: ScoreStatisticsMetric, parent: rx}",
)


def test_a_metric_name_of_two_leaves_says_which_leaf(tmp_path: Path) -> None:
    leaves = {"first": MeanScore(), "second": MeanScore(shift=1.0)}
    found = run(tmp_path, TWO_METRICS, config(0), leaves=leaves).facts["metrics"]
    assert set(found) == {"val/metric/first/mean", "val/metric/second/mean"}
    assert found["val/metric/second/mean"] == pytest.approx(found["val/metric/first/mean"] + 1, rel=1e-5)


def test_a_loss_that_is_not_finite_stops_the_run_and_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        run(tmp_path, leaves={"bce": Inverse()})
    message = (
        "train/loss/bce is nan (epoch 0, step 0): training has diverged; lower training.optimizer.lr, "
        "or set training.trainer.gradient_clip_val to 1.0"
    )
    assert str(caught.value) == message
    facts = json.loads((tmp_path / "run.json").read_text())
    assert facts["status"] == "failed"
    assert facts["error"] == {"type": "SpecError", "message": message}


def test_an_interrupt_leaves_a_folder_that_says_so(tmp_path: Path) -> None:
    class Interrupt(Callback):
        def on_train_epoch_end(self, trainer: Any, *_: Any) -> None:
            if trainer.current_epoch == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, given=config(5, trainer={"callbacks": [Interrupt()]}))
    facts = json.loads((tmp_path / "run.json").read_text())
    assert facts["status"] == "interrupted"
    assert (tmp_path / "checkpoints" / "last.ckpt").is_file()
    assert not (tmp_path / "weights.safetensors").exists()


def plain(text: str, **trainer: Any) -> tuple[TypedGraph, TrainingConfig]:
    return typed(text), TrainingConfig(trainer=trainer)


def test_epochs_that_nobody_asked_for_depend_on_what_can_be_trained() -> None:
    assert epochs_of(*plain(ANOMALY)) == 10
    assert epochs_of(*plain(FROZEN)) == 0


END = "or set `max_epochs: 0` to fit statistics only"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FROZEN, f"there is no loss: add one under `loss_leaves`, {END}"),
        (
            ANOMALY.replace(", trainable: true", "").replace("RXLogitHead", "RXLogitHead, trainable: false"),
            f"no node is trainable: set `trainable: true` on a node that a loss depends on, {END}",
        ),
        (
            ANOMALY.replace(", trainable: true", "").replace(
                "  bce: {type: AnomalyBCEWithLogits, parent: head, pos_weight: 5}\n", ""
            ),
            f"no loss depends on what is trainable (`head`): attach a loss to it or behind it, {END}",
        ),
    ],
    ids=["no loss", "nothing trainable", "not connected"],
)
def test_epochs_that_would_train_nothing_are_refused(text: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        epochs_of(*plain(text, max_epochs=3))
    assert str(caught.value) == f"training.trainer.max_epochs is 3, but {message}"


@pytest.mark.parametrize("option", ["limit_train_batches", "max_steps"])
def test_training_without_a_step_is_refused(option: str) -> None:
    with pytest.raises(SpecError) as caught:
        epochs_of(*plain(ANOMALY, **{option: 0}))
    assert str(caught.value) == (
        f"training.trainer.{option} is 0, so that phase 2 takes no step: leave it out, {END}"
    )
    assert epochs_of(*plain(FROZEN, **{option: 0})) == 0


def test_training_without_an_end_is_refused() -> None:
    with pytest.raises(SpecError) as caught:
        epochs_of(*plain(ANOMALY, max_epochs=-1))
    assert str(caught.value) == (
        "training.trainer.max_epochs: -1 never ends: add an EarlyStopping callback, max_steps or max_time"
    )
    assert epochs_of(*plain(ANOMALY, max_epochs=-1, max_steps=5)) == -1
    with pytest.raises(SpecError, match="never ends"):
        epochs_of(*plain(ANOMALY, max_epochs=-1, callbacks=[{"type": "LearningRateMonitor"}]))
    for ending in ({"type": "EarlyStopping"}, Callback()):
        assert epochs_of(*plain(ANOMALY, max_epochs=-1, callbacks=[ending])) == -1


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_device_that_is_not_there_is_a_device_error(tmp_path: Path) -> None:
    given = TrainingConfig(trainer=TrainerConfig(max_epochs=1, accelerator="gpu"))
    with pytest.raises(DeviceError) as caught:
        train(typed(ANOMALY), MemoryScene(), given, run_dir=tmp_path)
    assert str(caught.value) == ("training.trainer.accelerator is gpu: No supported gpu backend found!")


def test_lightning_keeps_quiet(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(tmp_path)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")

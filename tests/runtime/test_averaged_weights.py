"""A run that averages its weights ends with their mean over epochs, and all that it reports is of that mean."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fitted_graphs import typed
from lightning.pytorch import callbacks as lightning_callbacks
from lightning.pytorch.callbacks import Callback
from memory_data import ANOMALY, MemoryScene, scene
from safetensors.torch import load_file

from cuvisc import TrainingConfig
from cuvisc.language.declare import Param
from cuvisc.language.leaf import LossNode
from cuvisc.runtime.components import make_config
from cuvisc.runtime.run_folder import load_source
from cuvisc.runtime.training import Run, train
from cuvisc.schema.errors import SpecError

AVERAGE = {"type": "StochasticWeightAveraging", "swa_lrs": 0.05, "swa_epoch_start": 3, "annealing_epochs": 2}


class Weights(Callback):
    """The trained weights after every epoch, in float64."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
        named = module.compiled.nodes.named_parameters()
        self.seen.append({name: p.detach().double().numpy().copy() for name, p in named if p.requires_grad})

    def mean(self, first: int) -> dict[str, Any]:
        return {name: np.mean([seen[name] for seen in self.seen[first - 1 :]], 0) for name in self.seen[0]}


def config(
    epochs: int = 5, average: Any = AVERAGE, scheduler: Any = "none", more: Any = (), **trainer: Any
) -> Any:
    return TrainingConfig(
        trainer={"max_epochs": epochs, "accelerator": "cpu", "callbacks": [average, *more], **trainer},
        optimizer={"lr": 0.01, "scheduler": scheduler},
    )


def run(folder: Path, given: TrainingConfig) -> Run:
    return train(typed(ANOMALY), MemoryScene(), given, run_dir=folder)


def assert_weights(run: Run, expected: dict[str, Any]) -> None:
    kept, live = load_file(run.folder / "weights.safetensors"), run.module.nodes.state_dict()
    for name, value in expected.items():
        np.testing.assert_allclose(live[name].numpy(), value, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(kept[name].numpy(), value, rtol=1e-6, atol=1e-9)


def test_the_run_ends_with_the_mean_and_measures_it(tmp_path: Path) -> None:
    weights = Weights()
    done = run(tmp_path, config(more=[weights]))
    assert_weights(done, weights.mean(3))
    assert (done.facts["kept"], done.facts["averaged"]) == ("mean", {"first": 3, "epochs": 3})
    cubes, mask = scene()
    with torch.no_grad():
        values = done.module(torch.from_numpy(cubes))
    bce = torch.nn.functional.binary_cross_entropy_with_logits(
        values["head.logits"][..., 0], torch.from_numpy(mask).float(), pos_weight=torch.tensor(5.0)
    )
    assert done.facts["metrics"]["val/loss/bce"] == pytest.approx(float(bce), rel=1e-3)
    assert "train/loss/bce" in done.facts["metrics"]
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines if line["name"] == "val/loss/total"] == [0, 1, 2, 3, 4]
    assert (tmp_path / "report.html").is_file()
    assert load_source(tmp_path) is not None


@pytest.mark.parametrize("strategy", ["cos", "linear"])
def test_the_rate_goes_from_what_it_was_to_the_given_one(tmp_path: Path, strategy: str) -> None:
    given = {**AVERAGE, "annealing_strategy": strategy}
    run(tmp_path, config(6, given, {"name": "exponential", "gamma": 0.5}, log_every_n_steps=3))
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    # Half way of two epochs both strategies are half way.
    assert math.cos(math.pi / 2) == pytest.approx(0)
    expected = [0.01, 0.005, 0.0025, (0.0025 + 0.05) / 2, 0.05, 0.05]
    assert [line["value"] for line in lines if line["name"] == "lr"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("limits", "first"),
    [
        ({"max_epochs": 5}, 4),
        ({"max_epochs": -1, "max_steps": 15}, 4),
        ({"max_epochs": 9, "max_steps": 7}, 2),
    ],
    ids=str,
)
def test_a_share_is_of_the_epochs_that_will_be_taken(tmp_path: Path, limits: Any, first: int) -> None:
    weights = Weights()
    done = run(tmp_path, config(average={**AVERAGE, "swa_epoch_start": 0.8}, more=[weights], **limits))
    assert done.facts["averaged"]["first"] == first
    assert_weights(done, weights.mean(first))


def graph(epochs: int) -> Any:
    average = "{type: StochasticWeightAveraging, swa_lrs: 0.05, swa_epoch_start: 3, annealing_epochs: 2}"
    trainer = f"{{max_epochs: {epochs}, accelerator: cpu, callbacks: [{average}]}}"
    return typed(f"{ANOMALY}\ntraining: {{trainer: {trainer}, optimizer: {{lr: 0.01}}}}\n")


@pytest.mark.parametrize("epoch", [1, 2, 4])
def test_interrupted_and_resumed_is_uninterrupted(tmp_path: Path, epoch: int) -> None:
    class Interrupt(Callback):
        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            if trainer.current_epoch == epoch:
                raise KeyboardInterrupt

    whole = train(graph(6), MemoryScene(), run_dir=tmp_path / "whole")
    interrupted = make_config(graph(6).spec)
    interrupted.trainer.callbacks.append(Interrupt())
    with pytest.raises(KeyboardInterrupt):
        train(graph(6), MemoryScene(), interrupted, run_dir=tmp_path / "cut")
    resumed = train(graph(6), MemoryScene(), resume=tmp_path / "cut")
    assert (whole.folder / "weights.safetensors").read_bytes() == (
        resumed.folder / "weights.safetensors"
    ).read_bytes()
    assert {**whole.facts["metrics"]} == {**resumed.facts["metrics"]}


def test_more_epochs_go_on_from_the_weights_and_not_from_their_mean(tmp_path: Path) -> None:
    whole = train(graph(6), MemoryScene(), run_dir=tmp_path / "whole")
    train(graph(4), MemoryScene(), run_dir=tmp_path / "longer")
    longer = train(graph(6), MemoryScene(), resume=tmp_path / "longer")
    assert longer.facts["averaged"] == {"first": 3, "epochs": 4}
    assert (whole.folder / "weights.safetensors").read_bytes() == (
        longer.folder / "weights.safetensors"
    ).read_bytes()


def test_a_training_that_ends_before_averaging_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    weights = Weights()
    with caplog.at_level(logging.WARNING, "cuvisc"):
        done = run(tmp_path, config(5, {**AVERAGE, "swa_epoch_start": 9}, more=[weights]))
    assert [record.getMessage() for record in caplog.records] == [
        (
            "StochasticWeightAveraging: the training ended before epoch 9, where averaging begins; the weights are "
            "those of the last epoch"
        )
    ]
    assert done.facts["kept"] == "last"
    assert_weights(done, weights.seen[-1])


class Normed(LossNode):
    """A loss with a batch norm inside."""

    scale: float = Param(1.0, "of the loss", gt=0)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self.norm = torch.nn.BatchNorm2d(1)

    def compute_loss(self, parent_output: Any, batch: dict[str, Any]) -> Any:
        return self.norm(parent_output.movedim(-1, 1)).mean() * self.scale


def test_a_batch_norm_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        train(typed(ANOMALY), MemoryScene(), config(), run_dir=tmp_path, leaves={"bce": Normed()})
    assert str(caught.value) == (
        "StochasticWeightAveraging: the mean of weights does not fit the running statistics of a batch norm, which a "
        "node of this graph has; leave one of the two out"
    )


@pytest.mark.parametrize(
    "own",
    [lightning_callbacks.StochasticWeightAveraging(0.1), lightning_callbacks.EMAWeightAveraging()],
    ids=lambda own: type(own).__name__,
)
def test_lightnings_own_averaging_is_refused(tmp_path: Path, own: Any) -> None:
    with pytest.raises(SpecError) as caught:
        run(tmp_path, config(average=own))
    assert str(caught.value) == (
        f"TrainerConfig: `callbacks`: Lightning's {type(own).__name__} copies the module before phase 1 has made its "
        "parameters; use {'type': 'StochasticWeightAveraging', 'swa_lrs': …}"
    )

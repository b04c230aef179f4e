"""The training section means the same in Python and in YAML, and refuses what it does not know."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from lightning.pytorch import callbacks as lightning_callbacks
from lightning.pytorch.strategies import StrategyRegistry

from cuvisc import OptimizerConfig, TrainerConfig, TrainingConfig
from cuvisc.language.declare import ParameterError
from cuvisc.runtime.callbacks.averaging import AveragedWeights
from cuvisc.runtime.callbacks.named import NAMED, make_callbacks
from cuvisc.runtime.components import make_config
from cuvisc.runtime.config import STRATEGIES, SchedulerConfig, training_schema
from cuvisc.schema.catalogue import Catalogue, load
from cuvisc.schema.errors import SpecError
from cuvisc.schema.front_end import load_text
from cuvisc.schema.render import render_text


def test_defaults_are_those_of_the_tutorial() -> None:
    config = TrainingConfig()
    assert (config.seed, config.keep) == (42, "last")
    assert (config.trainer.accelerator, config.trainer.devices, config.trainer.precision) == ("auto", 1, "32")
    assert config.trainer.num_sanity_val_steps == 0
    optimizer = config.optimizer
    assert (optimizer.name, optimizer.lr, optimizer.weight_decay, optimizer.betas) == (
        "adam",
        0.001,
        0.0,
        (0.9, 0.999),
    )
    scheduler = optimizer.scheduler
    assert (scheduler.name, scheduler.factor, scheduler.patience) == ("reduce_on_plateau", 0.1, 10)
    assert scheduler.monitor == "val/loss/total"


def test_sections_may_be_objects_or_mappings() -> None:
    written = TrainingConfig(trainer={"max_epochs": 3}, optimizer={"name": "sgd", "scheduler": "cosine"})
    built = TrainingConfig(
        trainer=TrainerConfig(max_epochs=3),
        optimizer=OptimizerConfig(name="sgd", scheduler=SchedulerConfig(name="cosine")),
    )
    assert written == built
    assert written.changes() == {
        "trainer": {"max_epochs": 3},
        "optimizer": {"name": "sgd", "scheduler": {"name": "cosine"}},
    }
    assert TrainingConfig(**written.changes()) == written


def test_two_configurations_do_not_share_their_lists() -> None:
    one, other = TrainingConfig(), TrainingConfig()
    one.trainer.callbacks.append("x")
    one.monitor_plugins.append("y")
    assert other.trainer.callbacks == []
    assert other.monitor_plugins == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: OptimizerConfig(name="adamm"),
            "OptimizerConfig: `name` is one of adam, adamw, sgd, got 'adamm'",
        ),
        (lambda: OptimizerConfig(lr=0), "OptimizerConfig: `lr` must be > 0, got 0"),
        (
            lambda: OptimizerConfig(betas=(0.9, 1)),
            "OptimizerConfig: `betas` are two numbers in [0, 1), got [0.9, 1.0]",
        ),
        (
            lambda: SchedulerConfig(name="cosine", patience=3),
            "SchedulerConfig: `cosine` does not read `patience`; it has: t_max, min_lr",
        ),
        (
            lambda: SchedulerConfig(name="none", gamma=0.5),
            "SchedulerConfig: `none` does not read `gamma`; it has no parameters",
        ),
        (
            lambda: TrainerConfig(precision="64"),
            "TrainerConfig: `precision` is one of 32, 16-mixed, bf16-mixed, got '64'",
        ),
        (
            lambda: TrainerConfig(precision="16-mixed", accelerator="cpu"),
            (
                "TrainerConfig: `precision` cannot be 16-mixed where `accelerator` is cpu: 16-mixed needs a GPU: "
                "gradients in float16 must be scaled, which is done on GPUs only"
            ),
        ),
        (
            lambda: TrainerConfig(deterministic="maybe"),
            "TrainerConfig: `deterministic` wants true or false or one of warn, got 'maybe'",
        ),
        (
            lambda: TrainerConfig(max_time="1h"),
            "TrainerConfig: `max_time` wants a time as DD:HH:MM:SS, such as 00:01:30:00, got '1h'",
        ),
        (
            lambda: TrainerConfig(limit_train_batches=1.5),
            "TrainerConfig: `limit_train_batches` wants a whole number, or a share of at most 1, got 1.5",
        ),
        (
            lambda: NAMED["ModelCheckpoint"](monitor=None, save_top_k=3),
            (
                "ModelCheckpoint: `save_top_k` cannot be 3 where `monitor` is null: without a `monitor` there are no "
                "best ones to keep"
            ),
        ),
        (
            lambda: NAMED["ModelCheckpoint"](every_n_epochs=2, every_n_train_steps=5),
            (
                "ModelCheckpoint: `every_n_train_steps` cannot be 5 where `every_n_epochs` is at least 1: checkpoints "
                "are written by epochs or by steps, not by both"
            ),
        ),
        (
            lambda: TrainingConfig(keep="first"),
            "TrainingConfig: `keep` is one of last, best, got 'first'",
        ),
        (lambda: TrainingConfig(trainer=3), "TrainerConfig is made of a mapping, got 3"),
        (
            lambda: make_callbacks([{"type": "EarlyStoping"}], Path()),
            (
                "TrainerConfig: a callback's `type` is one of DeviceStatsMonitor, EarlyStopping, "
                "LearningRateMonitor, ModelCheckpoint, StochasticWeightAveraging, Timer, got 'EarlyStoping'"
            ),
        ),
    ],
)
def test_what_is_not_known_is_refused_with_what_is(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        make()
    assert str(caught.value) == message


def test_precision_may_be_written_as_a_number() -> None:
    assert TrainerConfig(precision=32).precision == "32"


@pytest.mark.parametrize("name", sorted(NAMED))
def test_every_named_callback_but_one_is_lightnings_and_takes_its_parameters(
    name: str, tmp_path: Path
) -> None:
    required = {"StochasticWeightAveraging": {"swa_lrs": 0.1}, "Timer": {"duration": "00:00:01:00"}}
    (made,) = make_callbacks([{"type": name, **required.get(name, {})}], tmp_path)
    own = AveragedWeights if name == "StochasticWeightAveraging" else getattr(lightning_callbacks, name)
    assert type(made) is own


def test_callbacks_may_be_objects_and_may_be_disabled(tmp_path: Path) -> None:
    own = lightning_callbacks.EarlyStopping(monitor="val/loss/total")
    assert make_callbacks(
        [own, {"type": "Timer", "duration": "00:00:01:00", "enabled": False}], tmp_path
    ) == [own]


def test_checkpoints_go_into_the_run(tmp_path: Path) -> None:
    (made,) = make_callbacks([{"type": "ModelCheckpoint"}], tmp_path)
    assert made.dirpath == str(tmp_path)


def test_the_schema_accepts_what_the_configuration_accepts() -> None:
    schema = {**training_schema(), "$defs": {f"callback.{name}": {"type": "object"} for name in NAMED}}
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    validator.validate(
        {"seed": 1, "trainer": {"max_epochs": 0, "precision": 32, "callbacks": [{"type": "Timer"}]}}
    )
    validator.validate({"optimizer": {"betas": [0.9, 0.99], "scheduler": "none"}})
    for wrong in (
        {"sed": 1},
        {"trainer": {"max_epoch": 1}},
        {"optimizer": {"scheduler": "cosin"}},
        {"seed": -1},
    ):
        assert not validator.is_valid(wrong)


def test_a_refusal_of_the_spec_points_at_its_place() -> None:
    """Should the front end ever let pass what the classes refuse."""
    schema: Any = copy.deepcopy(load().schema)
    del schema["properties"]["training"]["properties"]["trainer"]["allOf"]
    text = "nodes: {rx: {type: RXGlobal}}\ntraining:\n  trainer: {accelerator: cpu, precision: 16-mixed}\n"
    spec, _ = load_text(text, "a.yaml", catalogue=Catalogue(schema), environment={})
    assert spec is not None
    with pytest.raises(SpecError) as caught:
        make_config(spec)
    assert caught.value.diagnostics is not None
    assert render_text(caught.value.diagnostics) == (
        "a.yaml:3:42: error[E104]: TrainerConfig: `precision` cannot be 16-mixed where `accelerator` is cpu: "
        "16-mixed needs a GPU: gradients in float16 must be scaled, which is done on GPUs only\n"
        "    3 |   trainer: {accelerator: cpu, precision: 16-mixed}\n"
        "      |                                          ^^^^^^^^\n"
        "1 error"
    )


def test_the_strategies_are_lightnings_own_but_those_that_copy_the_process_or_need_a_tpu() -> None:
    words = ("spawn", "fork", "notebook", "xla", "tpu")
    own = {
        name for name in StrategyRegistry.available_strategies() if not any(word in name for word in words)
    }
    assert set(STRATEGIES) == {"auto", *own}


def test_the_configuration_is_there_without_torch() -> None:
    code = "import cuvisc.runtime.config, sys; print(sorted({'torch', 'lightning'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

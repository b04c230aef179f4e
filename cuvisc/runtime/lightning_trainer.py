"""A training configuration to Lightning's Trainer and callbacks; and Lightning kept quiet where cuvisc speaks."""

from __future__ import annotations

import logging
import math
import os
import signal
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, ProgressBar, RichProgressBar
from lightning.pytorch.trainer.states import TrainerFn

from cuvisc.language.declare import ParameterError
from cuvisc.runtime.callbacks.named import make_callbacks
from cuvisc.runtime.config import MONITORED, TrainerConfig, TrainingConfig, refuse_half_on_cpu
from cuvisc.runtime.epoch_state import RunCheckpoints
from cuvisc.runtime.launching import refuse_forks
from cuvisc.runtime.main_metrics import main_first
from cuvisc.runtime.pace import Pace
from cuvisc.runtime.progress import bars_wanted, log
from cuvisc.runtime.shares import MeasuredOnce
from cuvisc.schema.errors import DeviceError, SpecError

_LISTED, _GLANCED = 8, 3
_DEVICE_WORDS = ("backend", "accelerator", "Accelerator", "device", "GPU", "gpu")


class KeepBest(Callback):
    """Remembers the epoch with the smallest val/loss/total, its metrics, and its weights where they are to be kept."""

    def __init__(self, with_weights: bool) -> None:
        self.value, self.epoch = math.inf, -1
        self.metrics: dict[str, float] = {}
        self.weights: dict[str, torch.Tensor] | None = None
        self._with_weights = with_weights

    def state_dict(self) -> dict[str, Any]:
        return {"value": self.value, "epoch": self.epoch, "metrics": self.metrics, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.value, self.epoch = state_dict["value"], state_dict["epoch"]
        self.metrics, self.weights = state_dict["metrics"], state_dict["weights"]

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        found = trainer.callback_metrics.get(MONITORED)
        after = trainer.state.fn != TrainerFn.FITTING and trainer.current_epoch > 0
        if trainer.sanity_checking or after or found is None or not float(found) < self.value:
            return
        self.value, self.epoch = float(found), trainer.current_epoch
        self.metrics = metrics_of(trainer)
        if self._with_weights:
            state = pl_module.compiled.nodes.state_dict()  # type: ignore[union-attr] # its graph
            self.weights = {name: value.detach().cpu().clone() for name, value in state.items()}


class RunTrainer(Trainer):
    """Validates and tests the graph as it is; Lightning's own would load the best checkpoint into it first.

    `trainer.test(datamodule=data)` measures the weights that the run ended with, `ckpt_path="best"` the others. Several
    processes measure every sample once.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._when_told_to_end = signal.getsignal(signal.SIGTERM) or signal.SIG_DFL
        MeasuredOnce.install(self)

    def validate(self, model: LightningModule | None = None, *args: Any, **kwargs: Any) -> Any:
        """Lightning's `validate`, of the weights that are there unless `ckpt_path` says otherwise."""
        with quiet_lightning():
            return super().validate(model or self.lightning_module, *args, **kwargs)

    def test(self, model: LightningModule | None = None, *args: Any, **kwargs: Any) -> Any:
        """Lightning's `test`, of the weights that are there unless `ckpt_path` says otherwise."""
        with quiet_lightning():
            return super().test(model or self.lightning_module, *args, **kwargs)

    def _run_stage(self) -> Any:
        # Told to end, Lightning has the processes meet within the signal, where they may be meeting already: they
        # would wait for ever. What was there before ends this process, and the others notice.
        if self.world_size > 1 and "SLURM_NTASKS" not in os.environ and current_thread() is main_thread():
            signal.signal(signal.SIGTERM, self._when_told_to_end)
        return super()._run_stage()


class EpochLines(Callback):
    """A line of losses and metrics now and then: some ten in a whole training, one a minute where epochs are slow."""

    def __init__(self) -> None:
        self._pace = Pace(None)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epochs = trainer.max_epochs or -1
        self._pace = Pace(epochs if epochs > 0 else None)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._tell(trainer, logging.INFO if self._pace.due(trainer.current_epoch + 1) else logging.DEBUG)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Training may end before its last epoch; Lightning has counted the epoch by now.
        if trainer.current_epoch > self._pace.told:
            self._tell(trainer, logging.INFO, trainer.current_epoch)

    def _tell(self, trainer: Trainer, level: int, epoch: int | None = None) -> None:
        of = f"/{trainer.max_epochs}" if (trainer.max_epochs or -1) > 0 else ""
        number = trainer.current_epoch + 1 if epoch is None else epoch
        log.log(level, "Epoch %d%s: %s", number, of, glance(metrics_of(trainer)))


def metrics_of(trainer: Trainer) -> dict[str, float]:
    """The values logged last, under cuvisc's names."""
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def summary(metrics: dict[str, float]) -> str:
    """Totals and metrics on one line."""
    chosen = [name for name in metrics if name.endswith("loss/total") or "/metric/" in name]
    return _listed(metrics, chosen[:_LISTED], len(chosen) > _LISTED)


def glance(metrics: dict[str, float]) -> str:
    """Totals and the main metrics on a short line."""
    totals = [name for name in metrics if name.endswith("loss/total")]
    measured = main_first(name for name in metrics if "/metric/" in name)
    return _listed(metrics, [*totals, *measured[:_GLANCED]], len(measured) > _GLANCED)


def _listed(metrics: dict[str, float], names: list[str], more: bool) -> str:
    shown = [f"{name.removeprefix('val/metric/')} {metrics[name]:.4g}" for name in names]
    return ", ".join([*shown, *["…"] * more]) or "nothing logged"


def make_trainer(
    config: TrainingConfig,
    epochs: int,
    folder: Path,
    validates: bool,
    logger: Any,
    own: list[Callback],
    environment: Mapping[str, str] | None = None,
) -> Trainer:
    """The Trainer; raises :class:`SpecError` or :class:`DeviceError` for options that Lightning refuses.

    No checkpoint holds a value of `environment`.
    """
    options = config.trainer.to_dict()
    listed = options.pop("callbacks")
    try:
        _refuse_half_without_gpu(config.trainer)
        callbacks = [*own, *make_callbacks(listed, folder)]
    except ParameterError as error:
        raise SpecError(str(error)) from error
    options["max_epochs"] = epochs
    if options["limit_val_batches"] is None and not validates:
        options["limit_val_batches"] = 0
    if any(isinstance(callback, ProgressBar) for callback in callbacks):
        options["enable_progress_bar"] = True
    elif options["enable_progress_bar"] is None:
        options["enable_progress_bar"] = bars_wanted()
    if options["enable_progress_bar"] and not any(isinstance(c, ProgressBar) for c in callbacks):
        callbacks.append(RichProgressBar(leave=False, console_kwargs={"stderr": True}))
    trains = epochs != 0 and config.trainer.enable_checkpointing
    named = any(isinstance(callback, ModelCheckpoint) for callback in callbacks)
    options["enable_checkpointing"] = trains or (named and config.trainer.enable_checkpointing)
    if trains and not named:
        callbacks.append(_checkpoints(folder, validates))
    try:
        trainer = RunTrainer(
            **options,
            callbacks=callbacks,
            logger=logger,
            plugins=[RunCheckpoints(environment or {})] if trains else None,
            default_root_dir=str(folder.parent),
            enable_autolog_hparams=False,
        )
    except (MisconfigurationException, ValueError, TypeError, RuntimeError, ImportError) as error:
        accelerator = config.trainer.accelerator
        of_device = isinstance(error, ImportError) or any(word in str(error) for word in _DEVICE_WORDS)
        if accelerator not in ("auto", "cpu") and of_device:
            raise DeviceError(f"training.trainer.accelerator is {accelerator}: {error}") from error
        raise SpecError(f"training.trainer: Lightning refuses these options: {error}") from error
    refuse_forks(trainer)
    return trainer


def _checkpoints(folder: Path, validates: bool) -> ModelCheckpoint:
    """`last.ckpt`, and `best.ckpt` where there is a validation loss."""
    return ModelCheckpoint(
        dirpath=folder,
        filename="best" if validates else "last",
        monitor=MONITORED if validates else None,
        save_last=validates,
        enable_version_counter=False,
    )


def _refuse_half_without_gpu(config: TrainerConfig) -> None:
    if (
        config.accelerator == "auto"
        and not torch.cuda.is_available()
        and not torch.backends.mps.is_available()
    ):
        refuse_half_on_cpu(config.precision)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Lightning without its banners, tips and hints about workers; its errors come through."""
    talkers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "lightning")]
    before = [talker.level for talker in talkers]
    for talker in talkers:
        talker.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            yield
    finally:
        for talker, level in zip(talkers, before, strict=True):
            talker.setLevel(level)

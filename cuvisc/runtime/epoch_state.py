"""The state of a training run between two epochs: written to one file, read back, and put in place of a fresh start.

`checkpoints/resume.safetensors` is written whole before every epoch and after the last one: weights, optimizer,
scheduler, callbacks, random generators and what was logged last. It holds tensors and plain values; reading it executes
nothing.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch import Callback, LightningModule, Trainer

from cuvisc.runtime.atomic import write_bytes
from cuvisc.runtime.environment import conceal, reveal
from cuvisc.runtime.plain_state import DamagedError, NotPlainError, pack, unpack
from cuvisc.runtime.progress import log
from cuvisc.runtime.random_state import random_state, set_random_state
from cuvisc.runtime.ranks import gather, rank_and_world
from cuvisc.schema.errors import DataError

STATE = "resume.safetensors"
OWN = "cuvisc"
# What is under names of the graph, and never texts of the user.
_NUMBERS = (OWN, "state_dict", "optimizer_states", "lr_schedulers", "loops")
FORMAT = 1
_KINDS = {
    "run": str,
    "epochs": int,
    "max_epochs": int,
    "channels": int,
    "seconds": float,
    "random": list,
    "logged": dict,
}


def read_state(path: Path, run: str) -> dict[str, Any] | None:
    """The state that this run has written, None before it has; raises :class:`DataError` for anything else."""
    try:
        state = unpack(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, DamagedError) as error:
        fact = error.strerror if isinstance(error, OSError) else "it is damaged"
        raise DataError(f"{path} cannot be read: {fact}") from error
    own = state.get(OWN) if isinstance(state, dict) else None
    if not isinstance(own, dict) or not all(isinstance(own.get(name), kind) for name, kind in _KINDS.items()):
        raise DataError(f"{path} cannot be read: it is damaged")
    if own.get("format") != FORMAT:
        raise DataError(f"{path} was not written by this version of cuvisc")
    if own["run"] != run:
        raise DataError(f"{path} was written by another run; a run resumes from its own checkpoint only")
    return {**state}


class RunCheckpoints(TorchCheckpointIO):
    """How Lightning writes checkpoints: whole or not at all; the state between epochs as plain values and tensors.

    Texts in them hold `${oc.env:NAME}` in place of what `environment` says.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__()
        self._environment = environment
        self._refused = False

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        place, checkpoint = Path(path), self._each_text(checkpoint, conceal)
        if place.name == STATE:
            try:
                write_bytes(place, pack(checkpoint))
            except NotPlainError as error:
                if not self._refused:
                    log.warning("%s is not written, so this run cannot be resumed: %s", place.name, error)
                self._refused = True
            return
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_bytes(place, buffer.getvalue())

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        if Path(path).name == STATE:
            return self._each_text(dict(unpack(Path(path).read_bytes())), reveal)
        return super().load_checkpoint(path, map_location, weights_only)

    def _each_text(
        self, checkpoint: dict[str, Any], change: Callable[[str, Mapping[str, str]], str]
    ) -> dict[str, Any]:
        """A checkpoint whose texts, such as folders of callbacks, hold or lose what is from the environment."""
        if not self._environment:
            return checkpoint

        def changed(value: Any) -> Any:
            if isinstance(value, str):
                return change(value, self._environment)
            if type(value) is dict:
                return {changed(key): changed(item) for key, item in value.items()}
            if type(value) in (list, tuple):
                return type(value)(changed(item) for item in value)
            return value

        return {key: value if key in _NUMBERS else changed(value) for key, value in checkpoint.items()}


class EpochState(Callback):
    """Writes the state between epochs, and continues from one that was `resumed`. Comes before all other callbacks.

    Lightning restores modules, optimizers, callbacks and counters by itself; what it leaves out is done here: random
    generators, logged values, and an epoch that begins as if the one before had just ended.
    """

    def __init__(
        self, path: Path, facts: Callable[[], dict[str, Any]], resumed: Mapping[str, Any] | None
    ) -> None:
        self._path = path
        self._facts = facts
        self._resumed = resumed
        self._replayed: list[int] = []
        self._saving = False

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Leave schedules out that were planned for another number of epochs; they are planned anew."""
        saved = checkpoint["lr_schedulers"]
        planned = all("T_max" in schedule or "total_steps" in schedule for schedule in saved)
        if planned and checkpoint[OWN]["max_epochs"] != trainer.max_epochs:
            self._replayed = [schedule["last_epoch"] for schedule in saved]
            checkpoint["lr_schedulers"] = []

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._resumed is not None:
            logged = self._resumed[OWN]["logged"]
            trainer.callback_metrics.update({name: torch.tensor(value) for name, value in logged.items()})

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._resumed is None:
            return
        # Lightning would take up the loops in the middle; they stand between two epochs.
        epochs = trainer.fit_loop
        epochs.restarting = False
        for loop in (epochs, epochs.epoch_loop, epochs.epoch_loop.val_loop):
            loop.on_iteration_done()
        for config, steps in zip(trainer.lr_scheduler_configs, self._replayed, strict=False):
            _replay(config.scheduler, steps)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._resumed is None:
            self._save(trainer)
            return
        states = self._resumed[OWN]["random"]
        rank, world = rank_and_world()
        if len(states) == world:
            set_random_state(states[rank])
        self._resumed = None

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._save(trainer)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if not self._saving:
            return
        progress = checkpoint["loops"]["fit_loop"]["epoch_progress"]
        for counts in (progress["total"], progress["current"]):
            # The next epoch is announced already, but nothing of it has happened.
            counts["ready"] = counts["started"] = counts["completed"]
        checkpoint[OWN] = {
            "format": FORMAT,
            "epochs": trainer.current_epoch,
            "max_epochs": trainer.max_epochs,
            "random": gather(random_state()),
            "logged": {name: float(value) for name, value in trainer.callback_metrics.items()},
            **self._facts(),
        }

    def _save(self, trainer: Trainer) -> None:
        self._saving = True
        try:
            trainer.save_checkpoint(self._path)
        finally:
            self._saving = False


def _replay(scheduler: Any, steps: int) -> None:
    """Bring a fresh schedule to where it would stand after some steps."""
    for group, rate in zip(scheduler.optimizer.param_groups, scheduler.base_lrs, strict=True):
        group["lr"] = rate
    with warnings.catch_warnings():
        # torch misses the steps of the optimizer, which were made before the state was saved.
        warnings.simplefilter("ignore")
        for _ in range(steps):
            scheduler.step()

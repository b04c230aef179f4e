"""The `training` section to what in it cannot be had together: what Lightning refuses, or would drop in silence.

Each rule reads the section as it is written and yields places, facts and remedies. Pure Python: never torch or numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cuvisc.compiler.gradients import nothing_trains
from cuvisc.compiler.graph import TypedGraph
from cuvisc.schema.diagnostics import Diagnostics
from cuvisc.schema.document import Path
from cuvisc.schema.places import CALLBACKS
from cuvisc.schema.wording import dotted

_TRAINER: Path = ("training", "trainer")
_SCHEDULER: Path = ("training", "optimizer", "scheduler")
_AVERAGING = "StochasticWeightAveraging"
_TOLD_APART_BY: Mapping[str, tuple[str, ...]] = {
    "EarlyStopping": ("monitor", "mode"),
    "ModelCheckpoint": ("monitor", "mode", "every_n_epochs", "every_n_train_steps"),
    "Timer": (),
    _AVERAGING: (),
}


ENDING = ("EarlyStopping", "Timer")
"""Callbacks that may end a training."""

NO_STEPS = "leave it out, or set `max_epochs: 0` to fit statistics only"
"""What to do about an option that allows no step."""


@dataclass(frozen=True)
class _Finding:
    path: Path
    fact: str
    remedy: str


class _Training:
    """What the rules ask of the section."""

    def __init__(self, section: Mapping[str, object]) -> None:
        self.section = section
        self.trainer = _mapping(section.get("trainer"))
        optimizer = _mapping(section.get("optimizer"))
        written = optimizer.get("scheduler")
        self.scheduler = {"name": written} if isinstance(written, str) else _mapping(written)
        self.scheduler_path = _SCHEDULER if isinstance(written, str) else (*_SCHEDULER, "name")
        listed = self.trainer.get("callbacks")
        self.callbacks = [
            (index, _type(entry), entry)
            for index, entry in enumerate(listed if isinstance(listed, (list, tuple)) else ())
            if isinstance(entry, Mapping) and entry.get("enabled", True)
        ]
        self.endless = self.trainer.get("max_epochs") == -1 and self.trainer.get("max_steps", -1) == -1

    def of_type(self, name: str) -> Iterator[tuple[Path, Mapping[str, object]]]:
        """Callbacks of a type, with their places."""
        return (((*CALLBACKS, index), entry) for index, kind, entry in self.callbacks if kind == name)


def check_contradictions(graph: TypedGraph, diagnostics: Diagnostics) -> None:
    """Report every pair of training options that exclude each other, and those that no training can have."""
    training = _Training(graph.spec.training)
    rules = [_devices, _validations, _schedules, _callbacks, _averaging]
    if graph.spec.document.sources:
        # A training that is written in Python may end by an object that no spec can name.
        rules.append(_ending)
    if nothing_trains(graph) is None:
        rules.append(_standstill)
    for rule in rules:
        for found in rule(training):
            diagnostics.error(
                "E314", found.fact, graph.spec.document.value_span(found.path), help=found.remedy
            )


def standstill(trainer: Mapping[str, object]) -> str | None:
    """The option of the trainer that lets phase 2 begin and take no step; None where there is none."""
    if trainer.get("max_epochs") == 0 or trainer.get("fast_dev_run"):
        return None
    none = [name for name in ("limit_train_batches", "max_steps") if trainer.get(name) == 0]
    if trainer.get("overfit_batches") and "limit_train_batches" in none:
        none.remove("limit_train_batches")
    return none[0] if none else None


def _standstill(training: _Training) -> Iterator[_Finding]:
    option = standstill(training.trainer)
    if option is not None:
        yield _Finding(
            (*_TRAINER, option),
            f"`training.trainer.{option}: 0` leaves phase 2 nothing to train on",
            NO_STEPS,
        )


def _devices(training: _Training) -> Iterator[_Finding]:
    asked = training.trainer.get("devices", 1)
    number = int(asked) if isinstance(asked, str) and asked.strip().isdigit() else asked
    none = isinstance(number, int) and (number == 0 or number < -1)
    if none or (isinstance(asked, (list, tuple)) and not asked):
        yield _Finding(
            (*_TRAINER, "devices"),
            f"`training.trainer.devices` is {list(asked) if isinstance(asked, tuple) else asked}: there is nothing to "
            "train on",
            "a number from 1, indices such as [0, 1], -1 for all there are, or auto",
        )


def _validations(training: _Training) -> Iterator[_Finding]:
    every = training.trainer.get("check_val_every_n_epoch", 1)
    if every is None and type(training.trainer.get("val_check_interval")) is not int:
        yield _Finding(
            (*_TRAINER, "check_val_every_n_epoch"),
            "`training.trainer.check_val_every_n_epoch: null` validates by batches alone, and nothing says by how many",
            "set `val_check_interval` to a whole number of batches",
        )


def _ending(training: _Training) -> Iterator[_Finding]:
    ending = any(kind in ENDING for _, kind, _ in training.callbacks)
    if training.endless and training.trainer.get("max_time") is None and not ending:
        yield _Finding(
            (*_TRAINER, "max_epochs"),
            "`training.trainer.max_epochs: -1` never ends",
            "add an EarlyStopping callback, max_steps or max_time",
        )


def _schedules(training: _Training) -> Iterator[_Finding]:
    name = training.scheduler.get("name")
    if not training.endless:
        return
    if name == "cosine" and training.scheduler.get("t_max") is None:
        yield _Finding(
            training.scheduler_path,
            "`cosine` falls until the last epoch, and `training.trainer.max_epochs: -1` has none",
            "say `t_max` in epochs, or set `max_steps`",
        )
    if name == "one_cycle":
        yield _Finding(
            training.scheduler_path,
            "`one_cycle` is planned to the last step, and `training.trainer.max_epochs: -1` has none",
            "set `max_epochs` or `max_steps`",
        )


def _callbacks(training: _Training) -> Iterator[_Finding]:
    if training.trainer.get("enable_checkpointing") is False:
        for path, _ in training.of_type("ModelCheckpoint"):
            yield _Finding(
                path,
                f"`{dotted(path)}` is a ModelCheckpoint, and `training.trainer.enable_checkpointing` is false",
                "leave one of the two out",
            )
    if training.trainer.get("max_time") is not None:
        for path, _ in training.of_type("Timer"):
            yield _Finding(
                path,
                f"`{dotted(path)}` is a Timer, and `training.trainer.max_time` is another",
                "leave one of the two out",
            )
    seen: dict[tuple[object, ...], Path] = {}
    for index, kind, entry in training.callbacks:
        if kind not in _TOLD_APART_BY:
            continue
        path = (*CALLBACKS, index)
        key = (kind, *(entry.get(name) for name in _TOLD_APART_BY[kind]))
        if key in seen:
            apart = " or ".join(f"`{name}`" for name in _TOLD_APART_BY[kind])
            yield _Finding(
                path,
                f"`{dotted(path)}` and `{dotted(seen[key])}` are the same {kind}",
                f"leave one out, or let them differ in {apart}" if apart else "leave one of the two out",
            )
        seen.setdefault(key, path)


def _averaging(training: _Training) -> Iterator[_Finding]:
    for path, entry in training.of_type(_AVERAGING):
        said = f"`{dotted(path)}`"
        if training.section.get("keep") == "best":
            yield _Finding(
                ("training", "keep"),
                f"`training.keep: best` keeps the weights of one epoch, {said} the mean of several",
                "leave one of the two out",
            )
        if training.scheduler.get("name") == "one_cycle":
            yield _Finding(
                training.scheduler_path,
                f"`one_cycle` and {said} both set the learning rate of the last epochs",
                "take another scheduler",
            )
        if training.endless and not isinstance(entry.get("swa_epoch_start"), int):
            yield _Finding(
                path,
                f"{said} begins at a share of all epochs, and `training.trainer.max_epochs: -1` has no last one",
                "give `swa_epoch_start` as the number of an epoch",
            )
        strategy = str(training.trainer.get("strategy", ""))
        if strategy.startswith(("fsdp", "deepspeed")):
            yield _Finding(
                (*_TRAINER, "strategy"),
                f"`training.trainer.strategy: {strategy}` divides the weights among processes, where {said} cannot "
                "average them",
                "take ddp",
            )


def _type(entry: Mapping[str, object]) -> str:
    return str(entry.get("type") or entry.get("_target_") or "").rpartition(".")[2]


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}

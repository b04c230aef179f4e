"""A graph and what its training says of epochs to the number that phase 2 takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cuvisc.compiler.contradictions import ENDING, NO_STEPS, standstill
from cuvisc.compiler.gradients import nothing_trains
from cuvisc.compiler.graph import TypedGraph
from cuvisc.language.declare import Declared
from cuvisc.runtime.config import DEFAULT_EPOCHS, TrainerConfig, TrainingConfig
from cuvisc.schema.errors import SpecError


def epochs_of(graph: TypedGraph, config: TrainingConfig) -> int:
    """The epochs of phase 2; raises :class:`SpecError` when some are asked for and there is nothing to train."""
    reason = nothing_trains(graph)
    asked = config.trainer.max_epochs
    option = standstill(vars(config.trainer)) if reason is None else None
    if option is not None:
        raise SpecError(f"training.trainer.{option} is 0, so that phase 2 takes no step: {NO_STEPS}")
    if asked is None:
        return DEFAULT_EPOCHS if reason is None else 0
    if asked == 0 or reason is None:
        if asked == -1 and not _ends(config.trainer):
            raise SpecError(
                "training.trainer.max_epochs: -1 never ends: add an EarlyStopping callback, max_steps or max_time"
            )
        return asked
    fact, remedy = reason
    raise SpecError(
        f"training.trainer.max_epochs is {asked}, but {fact}: {remedy}, or set `max_epochs: 0` to fit statistics only"
    )


def _ends(trainer: TrainerConfig) -> bool:
    """Whether something but the number of epochs may end a training; a callback of the user's may."""
    if trainer.max_steps != -1 or trainer.max_time is not None:
        return True
    return any(_type(entry) in (*ENDING, "") for entry in trainer.callbacks)


def _type(callback: Any) -> str:
    """The type of a callback that is named, "" for an object."""
    if isinstance(callback, Mapping):
        return str(callback.get("type") or callback.get("_target_")).rpartition(".")[2]
    return type(callback).__name__ if isinstance(callback, Declared) else ""

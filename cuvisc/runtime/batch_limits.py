"""Limits in batches, compared with how many batches an epoch has; Lightning does so after phase 1 only."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from cuvisc.runtime.config import TrainerConfig
from cuvisc.schema.errors import SpecError


def refuse_limits(trainer: TrainerConfig, loader: Any, world: int, validates: bool) -> None:
    """Raise :class:`SpecError` for limits that the training data, shared by `world` processes, cannot keep.

    A loader that does not say how long it is, is not judged.
    """
    if trainer.fast_dev_run:
        return
    try:
        batches = math.ceil(len(loader) / world)
    except (TypeError, NotImplementedError):
        return
    for refusal in (*_shares(trainer, batches), *(_validations(trainer, batches) if validates else ())):
        raise SpecError(f"training.trainer.{refusal}")


def _shares(trainer: TrainerConfig, batches: int) -> Iterator[str]:
    for name in ("overfit_batches", "limit_train_batches"):
        share = getattr(trainer, name)
        if isinstance(share, float) and 0 < share * batches < 1:
            yield (
                f"{name} is {share:g}, which is less than one of the {batches} training batches; the least is "
                f"{math.ceil(1e4 / batches) / 1e4:g}"
            )


def _validations(trainer: TrainerConfig, batches: int) -> Iterator[str]:
    asked, limit = trainer.val_check_interval, trainer.overfit_batches or trainer.limit_train_batches
    if limit is not None:
        batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
    if type(asked) is int and 0 < batches < asked and trainer.check_val_every_n_epoch is not None:
        yield (
            f"val_check_interval is {asked}, and an epoch has {batches} batches: set `check_val_every_n_epoch: null` "
            "to count batches from epoch to epoch"
        )

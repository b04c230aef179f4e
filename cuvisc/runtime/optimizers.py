"""Optimizer and scheduler configurations to torch's objects, in the form Lightning wants them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim import lr_scheduler as schedulers

from cuvisc.runtime.config import OptimizerConfig
from cuvisc.schema.errors import SpecError


def make_optimizer(
    config: OptimizerConfig, parameters: Sequence[nn.Parameter], fusible: bool = True
) -> Optimizer:
    """The optimizer of phase 2; on CUDA one kernel makes the whole step, where that is `fusible`."""
    fused = True if fusible and parameters and all(p.is_cuda for p in parameters) else None
    if config.name == "sgd":
        return SGD(
            parameters, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay, fused=fused
        )
    kind = AdamW if config.name == "adamw" else Adam
    return kind(parameters, lr=config.lr, betas=config.betas, weight_decay=config.weight_decay, fused=fused)


@dataclass(frozen=True)
class Length:
    """How long phase 2 will last: epochs and optimizer steps, None where nothing says so."""

    epochs: int | None
    steps: int | None


def planned_length(max_epochs: int, max_steps: int, steps_an_epoch: float) -> Length:
    """The length that two limits set, each -1 where there is none; an epoch may have infinitely many steps."""
    by_epochs = max_epochs * steps_an_epoch if max_epochs >= 0 else math.inf
    by_steps = max_steps if max_steps >= 0 else math.inf
    steps = min(by_epochs, by_steps)
    epochs = max_epochs if max_epochs >= 0 else math.inf
    if math.isfinite(steps) and 0 < steps_an_epoch < math.inf:
        epochs = min(epochs, math.ceil(steps / steps_an_epoch))
    return Length(
        max(int(epochs), 1) if math.isfinite(epochs) else None,
        max(int(steps), 1) if math.isfinite(steps) else None,
    )


def is_of_validation(name: str) -> bool:
    """Whether a logged value is there only once a validation has been made."""
    return name.startswith("val/")


def make_scheduler(
    config: OptimizerConfig,
    optimizer: Optimizer,
    *,
    length: Callable[[], Length],
    monitor: str | None,
) -> dict[str, Any] | None:
    """Lightning's description of the scheduler, None for `none`; `monitor` is what a plateau is looked for in.

    Raises :class:`SpecError` for a scheduler that is planned to the end of a training of unknown length.
    """
    scheduler = config.scheduler
    match scheduler.name:
        case "reduce_on_plateau":
            plateau = schedulers.ReduceLROnPlateau(
                optimizer,
                mode=scheduler.mode,  # type: ignore[arg-type] # the choices are min and max
                factor=scheduler.factor,
                patience=scheduler.patience,
                min_lr=scheduler.min_lr,
            )
            return {
                "scheduler": plateau,
                "interval": "epoch",
                "monitor": monitor,
                "strict": monitor is None or not is_of_validation(monitor),
            }
        case "cosine":
            epochs = scheduler.t_max or length().epochs
            if epochs is None:
                raise SpecError(
                    "training.optimizer.scheduler: nothing says how many epochs `cosine` has until the smallest rate; "
                    "say so as its `t_max`"
                )
            made: Any = schedulers.CosineAnnealingLR(optimizer, epochs, scheduler.min_lr)
        case "step":
            made = schedulers.StepLR(optimizer, scheduler.step_size, scheduler.gamma)
        case "exponential":
            made = schedulers.ExponentialLR(optimizer, scheduler.gamma)
        case "one_cycle":
            top = scheduler.max_lr or 10 * config.lr
            steps = length().steps
            if steps is None:
                raise SpecError(
                    "training.optimizer.scheduler: nothing says how many steps `one_cycle` has; set "
                    "training.trainer.max_steps"
                )
            made = schedulers.OneCycleLR(optimizer, top, total_steps=steps, pct_start=scheduler.pct_start)
            return {"scheduler": made, "interval": "step"}
        case _:
            return None
    return {"scheduler": made, "interval": "epoch"}

"""Optimizer and scheduler configurations to torch's objects, in the form Lightning wants them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim import lr_scheduler as schedulers

from cuvisc.runtime.config import OptimizerConfig


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


def make_scheduler(
    config: OptimizerConfig,
    optimizer: Optimizer,
    *,
    epochs: int,
    steps: int,
    monitor: str,
    validations_every: int,
) -> dict[str, Any] | None:
    """Lightning's description of the scheduler, None for `none`; `monitor` is what a plateau is looked for in."""
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
                "frequency": validations_every,
            }
        case "cosine":
            made: Any = schedulers.CosineAnnealingLR(
                optimizer, scheduler.t_max or max(epochs, 1), scheduler.min_lr
            )
        case "step":
            made = schedulers.StepLR(optimizer, scheduler.step_size, scheduler.gamma)
        case "exponential":
            made = schedulers.ExponentialLR(optimizer, scheduler.gamma)
        case "one_cycle":
            top = scheduler.max_lr or 10 * config.lr
            made = schedulers.OneCycleLR(
                optimizer, top, total_steps=max(steps, 1), pct_start=scheduler.pct_start
            )
            return {"scheduler": made, "interval": "step"}
        case _:
            return None
    return {"scheduler": made, "interval": "epoch"}

"""The trained weights of several epochs to their mean, at a learning rate of their own; what such a run ends with.

Lightning's own copies the module before phase 1 has made any parameters, and does not say when it never began.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from cuvisc.runtime.lightning_trainer import metrics_of
from cuvisc.runtime.progress import log
from cuvisc.schema.errors import SpecError


class AveragedWeights(Callback):
    """Mean of the trained weights as they are after each epoch from `first` on, numbered from 1.

    mean_n = mean_(n-1) + (w_n - mean_(n-1)) / n, in float64                          Izmailov et al. 2018
    In the averaged epoch e = 0, 1, … the rate is r + (r_0 - r) a(e / annealing_epochs), r_0 the rate before, with
    a(t) = (1 + cos(pi t)) / 2, or 1 - t where it is linear, and 0 from t = 1 on.

    `first` may be a share of all epochs. While it trains, validations and checkpoints are of the weights themselves.
    """

    def __init__(self, rate: float, first: float, annealing_epochs: int, annealing_strategy: str) -> None:
        self.count = 0
        self.first = 1
        self._mean: dict[str, Tensor] = {}
        self._rate, self._annealing, self._strategy = rate, annealing_epochs, annealing_strategy
        self._rate_before: float | None = None
        self._asked = first

    def state_dict(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "first": self.first,
            "rate_before": self._rate_before,
            "mean": dict(self._mean),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.count, self.first = state_dict["count"], state_dict["first"]
        self._rate_before, self._mean = state_dict["rate_before"], dict(state_dict["mean"])

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if any(isinstance(module, _BatchNorm) for module in pl_module.modules()):
            raise SpecError(
                "StochasticWeightAveraging: the mean of weights does not fit the running statistics of a batch norm, "
                "which a node of this graph has; leave one of the two out"
            )
        first = self._first_epoch(pl_module)
        if first != self.first:
            # A run that is resumed for more epochs begins to average later.
            self.count, self.first, self._rate_before, self._mean = 0, first, None, {}

    def _first_epoch(self, pl_module: Any) -> int:
        if isinstance(self._asked, int):
            return max(self._asked, 1)
        epochs = pl_module.length().epochs
        if epochs is None:
            raise SpecError(
                "StochasticWeightAveraging: nothing says how many epochs there are to take a share of; give "
                "`swa_epoch_start` as the number of an epoch"
            )
        return max(int(self._asked * epochs), 1)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        averaged = trainer.current_epoch + 1 - self.first
        if averaged < 0:
            return
        groups = trainer.optimizers[0].param_groups
        if self._rate_before is None:
            self._rate_before = float(groups[0]["lr"])
        share = min(averaged / self._annealing, 1.0) if self._annealing else 1.0
        left = 1 - share if self._strategy == "linear" else (1 + math.cos(math.pi * share)) / 2
        for group in groups:
            group["lr"] = self._rate + (self._rate_before - self._rate) * left

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch + 1 < self.first:
            return
        self.count += 1
        for name, parameter in _trained(pl_module):
            weights = parameter.detach().cpu().double()
            mean = self._mean.get(name, torch.zeros_like(weights))
            self._mean[name] = mean + (weights - mean) / self.count

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not self.count:
            log.warning(
                "StochasticWeightAveraging: the training ended before epoch %d, where averaging begins; the weights "
                "are those of the last epoch",
                self.first,
            )
            return
        with torch.no_grad():
            for name, parameter in _trained(pl_module):
                parameter.copy_(self._mean[name])

    def measure(
        self, trainer: Trainer, module: LightningModule, data: LightningDataModule | None
    ) -> dict[str, float]:
        """What a validation of the mean finds; nothing where there is no data for one."""
        log.info("The weights are the mean of %d epochs, from epoch %d on", self.count, self.first)
        if data is None:
            return {}
        # It belongs to no epoch, under which a monitor would show it.
        trainer.loggers = []
        trainer.validate(module, datamodule=data, verbose=False)
        return metrics_of(trainer)

    @property
    def facts(self) -> dict[str, Any]:
        """What run.json says of the weights."""
        return {"kept": "mean", "averaged": {"first": self.first, "epochs": self.count}}


def averaged_by(trainer: Trainer) -> AveragedWeights | None:
    """What averaged the weights of a finished training, None where nothing did."""
    callbacks: list[Callback] = getattr(trainer, "callbacks")  # noqa: B009 - Lightning does not declare it
    return next((c for c in callbacks if isinstance(c, AveragedWeights) and c.count), None)


def _trained(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad)

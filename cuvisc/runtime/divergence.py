"""Training that has diverged: losses and weights that are not finite, to an error or a warning that says what helps."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping

from cuvisc.compiler.module import CompiledGraph
from cuvisc.runtime.progress import log
from cuvisc.schema.errors import SpecError

_HELP = "lower training.optimizer.lr, or set training.trainer.gradient_clip_val to 1.0"


def refuse_divergence(numbers: Mapping[str, float], when: str) -> None:
    """Raise :class:`SpecError` for the first of some named numbers that is not finite."""
    for name, number in _not_finite(numbers):
        raise SpecError(f"{name} is {number} ({when}): training has diverged; {_HELP}")


def refuse_diverged_weights(module: CompiledGraph, trained: Collection[str], when: str) -> None:
    """Raise :class:`SpecError` where a weight of a trained node is not finite."""
    weights = {
        f"`{name}.{state}`": float(values.detach().abs().max())
        for name in trained
        for state, values in module.node(name).named_parameters()
    }
    refuse_divergence(weights, when)


def warn_of_divergence(metrics: Mapping[str, float], when: str) -> None:
    """Say which validation loss of a finished training is not finite: the last step may have been one too far."""
    losses = {name: value for name, value in metrics.items() if name.startswith("val/loss/")}
    for name, number in _not_finite(losses):
        log.warning(
            "%s is %s (%s): training has diverged, or this data has no such loss; %s",
            name,
            number,
            when,
            _HELP,
        )
        return


def _not_finite(numbers: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    return ((name, number) for name, number in numbers.items() if not math.isfinite(number))

"""Streams of values to count, mean, spread, extremes and sums, in float64 and over all processes. Knows no leaf."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from .accumulator import Accumulator


@dataclass(frozen=True)
class Spread:
    """``count`` values: ``mean``, ``scatter`` (sum of squared deviations), ``minimum``, ``maximum``."""

    count: int
    mean: float
    scatter: float
    minimum: float
    maximum: float

    @property
    def std(self) -> float:
        """Unbiased standard deviation; zero of a single value."""
        return math.sqrt(self.scatter / max(self.count - 1, 1))


class StreamingMoments(Accumulator[Spread | None]):
    """Count, mean, scatter, minimum and maximum, merged pairwise (Chan, Golub & LeVeque 1983)."""

    parts: Tensor

    def __init__(self) -> None:
        super().__init__()
        nothing = torch.tensor([0.0, 0.0, 0.0, math.inf, -math.inf], dtype=torch.float64)
        self.add_state("parts", nothing, dist_reduce_fx=_merged_all)

    def update(self, values: Tensor) -> None:
        """Take in finite values of any shape."""
        if not values.numel():
            return
        values = values.detach().flatten().double()
        mean = values.mean()
        scatter = (values - mean).square().sum()
        seen = torch.stack([mean.new_tensor(float(len(values))), mean, scatter, values.min(), values.max()])
        self.parts = _merged(self.parts, seen)

    def result(self) -> Spread | None:
        """None when there were no values."""
        count, mean, scatter, minimum, maximum = self.parts.tolist()
        return Spread(int(count), mean, scatter, minimum, maximum) if count else None


def _merged(left: Tensor, right: Tensor) -> Tensor:
    (n, mean, scatter, low, high), (m, other_mean, other_scatter, other_low, other_high) = left, right
    total, delta = n + m, other_mean - mean
    share = m / total.clamp(min=1)
    return torch.stack(
        [
            total,
            mean + delta * share,
            scatter + other_scatter + delta * delta * n * share,
            torch.minimum(low, other_low),
            torch.maximum(high, other_high),
        ]
    )


def _merged_all(ranks: Tensor) -> Tensor:
    merged = ranks[0]
    for part in ranks[1:]:
        merged = _merged(merged, part)
    return merged


class Totals(Accumulator[dict[str, Tensor]]):
    """Named float64 sums of tensors; whole numbers stay exact up to 2^53. A sum takes the shape of what is added."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        for name in names:
            self.add_state(name, torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, **terms: Tensor) -> None:
        """Add a term to each named sum."""
        for name, term in terms.items():
            setattr(self, name, getattr(self, name) + term.detach().double())

    def gathered(self) -> dict[str, Tensor]:
        if distributed.is_available() and distributed.is_initialized():
            self._take_shapes()
        return super().gathered()

    def _take_shapes(self) -> None:
        """Give the sums of a process that has seen nothing the shapes that they have on the others."""
        own = {name: tuple(getattr(self, name).shape) for name in self._defaults}
        found = [own] * distributed.get_world_size()
        distributed.all_gather_object(found, own)
        for name, shape in own.items():
            wanted = max((shapes[name] for shapes in found), key=len)
            if shape != wanted:
                setattr(self, name, getattr(self, name).expand(wanted).clone())

    def result(self) -> dict[str, Tensor]:
        """The sums by name, on the CPU."""
        return {name: getattr(self, name).cpu() for name in self._defaults}

"""A stream of values to how often each occurred: exact while few are distinct, bounded in memory and error beyond.

What quantiles, areas under curves and late thresholds are computed from. The result depends on the values
alone, not on their order, their batches or the rank that saw them. Knows no leaf.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .accumulator import Accumulator

LIMIT = 2**20
"""Distinct values kept. float32 has 2^32, so at worst 12 of the 23 mantissa bits are dropped: relative error 2^-12."""

_MAGNITUDE = 0x7FFFFFFF


@dataclass(frozen=True)
class Counted:
    """Distinct values in rising order, float64 [N], and how many of each were negative and positive samples [N]."""

    values: NDArray[np.float64]
    negatives: NDArray[np.int64]
    positives: NDArray[np.int64]

    @property
    def counts(self) -> NDArray[np.int64]:
        """How often each value occurred [N]."""
        return self.negatives + self.positives

    def quantiles(self, fractions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Quantiles, linear between neighbouring samples as in NumPy."""
        ends = np.cumsum(self.counts)
        places = np.asarray(fractions) * (ends[-1] - 1)
        low, high = np.floor(places), np.ceil(places)
        below = self.values[np.searchsorted(ends, low, side="right")]
        above = self.values[np.searchsorted(ends, high, side="right")]
        return np.asarray(below + (above - below) * (places - low))


class ValueCounts(Accumulator[Counted | None]):
    """Counts of float32 values, each labelled negative or positive; at most ``LIMIT`` distinct ones are kept.

    A value becomes a whole number that sorts as the values do (its bits, with the order of negative numbers
    reversed). Beyond the limit the lowest bits are dropped, one after another until what was seen fits, and
    values that then coincide are counted together in the middle of their interval.
    """

    codes: list[Tensor]
    counts: list[Tensor]
    dropped: Tensor

    def __init__(self, limit: int = LIMIT) -> None:
        super().__init__()
        self.limit = limit
        self.pending = 0
        self.add_state("codes", [], dist_reduce_fx="cat")
        self.add_state("counts", [], dist_reduce_fx="cat")
        self.add_state("dropped", torch.tensor(0), dist_reduce_fx="max")

    def update(self, values: Tensor, positive: Tensor | None = None) -> None:
        """Take in finite values of any shape, and whether each is a positive sample; without that all are negative."""
        codes = _ordered(values.flatten()) * 2
        if positive is not None:
            codes = codes + positive.flatten()
        if len(codes):
            self.codes.append(codes)
            self.counts.append(torch.ones_like(codes))
            self.pending += len(codes)
        if self.pending > self.limit:
            self._compact()

    def reset(self) -> None:
        super().reset()
        self.pending = 0

    def result(self) -> Counted | None:
        """None when nothing was counted."""
        self._compact()
        codes, counts = (np.asarray(_joined(part).cpu().numpy()) for part in (self.codes, self.counts))
        if not len(codes):
            return None
        keys, where = np.unique(codes >> 1, return_inverse=True)
        sides = [
            np.bincount(where, np.where((codes & 1) == side, counts, 0), len(keys)).astype(np.int64)
            for side in (0, 1)
        ]
        return Counted(_middles(keys, int(self.dropped)), *sides)

    def gathered(self) -> Counted | None:
        self._compact()
        return super().gathered()

    def _compact(self) -> None:
        codes, counts = _joined(self.codes), _joined(self.counts)
        codes, counts = _merged(_coarse(codes, int(self.dropped)), counts)
        while len(codes) > self.limit:
            self.dropped = self.dropped + 1
            codes, counts = _merged(_coarse(codes, int(self.dropped)), counts)
        self.codes, self.counts, self.pending = [codes], [counts], 0


def _joined(parts: list[Tensor] | Tensor) -> Tensor:
    if isinstance(parts, Tensor):
        return parts
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.int64)


def _ordered(values: Tensor) -> Tensor:
    """int64 codes that sort as the float32 values do; both zeros become one."""
    bits = (values.detach().to(torch.float32) + 0.0).view(torch.int32)
    return (bits ^ ((bits >> 31) & _MAGNITUDE)).long()


def _coarse(codes: Tensor, dropped: int) -> Tensor:
    """Codes with the lowest bits of the value cleared and the label kept."""
    return ((codes >> (1 + dropped)) << (1 + dropped)) | (codes & 1)


def _merged(codes: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    ordered, order = torch.sort(codes)
    distinct, where = torch.unique_consecutive(ordered, return_inverse=True)
    return distinct, torch.zeros_like(distinct).index_add_(0, where, counts[order])


def _middles(keys: NDArray[Any], dropped: int) -> NDArray[np.float64]:
    """The float32 in the middle of the interval that each code stands for."""
    centered = (keys + (1 << dropped) // 2).astype(np.int32)
    bits = centered ^ ((centered >> 31) & np.int32(_MAGNITUDE))
    return bits.view(np.float32).astype(np.float64)

"""Regularisers of a band selector: its logits and temperature, not its output, to one weighted scalar."""

from __future__ import annotations

import torch
from torch import Tensor

from cuvisc.language.declare import In, Param
from cuvisc.language.leaf import Batch, LossNode
from cuvisc.language.node import Node

from .parent import state

SELECTOR_STATE = ("logits", "temperature")


class SelectorEntropyRegularizer(LossNode):
    """Steer how undecided a band selector is, by the entropy of its selection probabilities.

    L = −weight H, or weight (H − target_entropy)²; H = −Σ p log p, p = softmax(logits / T) over C bands

    H is in nats, between 0 (one band) and ln C (all alike). Without a target the loss rewards exploration and
    is negative.
    """

    aliases = ("cuvis_ai.training.losses.SelectorEntropyRegularizer",)
    required_parent_attributes = SELECTOR_STATE
    reads_output = False
    output = In("float32[B,H,W,K]", "selected bands, not read")
    weight: float = Param(0.01, "factor of this loss in the total", ge=0)
    target_entropy: float | None = Param(None, "entropy to hold, in nats; null: as large as possible", ge=0)

    def compute_loss(self, parent_output: Tensor, batch: Batch) -> Tensor:
        logarithms = log_probabilities(self.parent)
        entropy = -(logarithms.exp() * logarithms).sum()
        if self.target_entropy is None:
            return -self.weight * entropy
        return self.weight * (entropy - self.target_entropy).square()


class SelectorDiversityRegularizer(LossNode):
    """Reward differences between the band weights of a selector, which CONCENTRATES the selection.

    L = −weight Var(w), w = n_select softmax(logits / T), Var the mean squared deviation over the C bands

    The name promises the opposite. The formula is kept for compatibility: it is least where all weight sits on
    one band. To keep a selection from concentrating, use ``SelectorSpreadRegularizer``.
    """

    aliases = ("cuvis_ai.training.losses.SelectorDiversityRegularizer",)
    required_parent_attributes = SELECTOR_STATE
    reads_output = False
    output = In("float32[B,H,W,K]", "selected bands, not read")
    weight: float = Param(0.01, "factor of this loss in the total", ge=0)

    def compute_loss(self, parent_output: Tensor, batch: Batch) -> Tensor:
        weights = log_probabilities(self.parent).exp() * getattr(self.parent, "n_select", 1)
        return -self.weight * weights.var(correction=0)


class SelectorSpreadRegularizer(LossNode):
    """Keep a band selector from concentrating on few bands, by the relative variance of its weights.

    L = weight Var(w) / mean(w)² = weight (C Σ p² − 1), p = softmax(logits / T) over C bands

    Zero for equal weights and C − 1 for one band alone, whatever n_select is. The same quantity keeps all
    experts of a mixture in use: Shazeer et al. 2017, eq. 7.
    """

    required_parent_attributes = SELECTOR_STATE
    reads_output = False
    output = In("float32[B,H,W,K]", "selected bands, not read")
    weight: float = Param(0.01, "factor of this loss in the total", ge=0)

    def compute_loss(self, parent_output: Tensor, batch: Batch) -> Tensor:
        probabilities = log_probabilities(self.parent).exp()
        return self.weight * len(probabilities) ** 2 * probabilities.var(correction=0)


def log_probabilities(selector: Node) -> Tensor:
    """log softmax(logits / T) [C] with gradients, in the precision of the logits."""
    logits = state(selector, "logits")
    return torch.log_softmax(logits / state(selector, "temperature").to(logits), dim=-1)

"""Several losses of one parent as one loss, with fixed or learned weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cuvisc.language.declare import In, Param, ParameterError
from cuvisc.language.exports import scan
from cuvisc.language.leaf import Batch, LossNode
from cuvisc.language.node import Node

from .batch import widened
from .selector_losses import SelectorDiversityRegularizer, SelectorEntropyRegularizer

FARTHEST = 10.0


class WeightedMultiLoss(LossNode):
    """Sum several losses of one node with fixed weights, or with weights learned from their uncertainty.

    fixed:     L = weight Σ w_i L_i
    learnable: L = weight Σ (exp(−s_i) L_i + s_i),  s_i = log σ_i² learned, exp(−s_i) = w_i at the start

    Each L_i is what its child returns, with the child's own ``weight`` applied. All children read the node that
    this loss is attached to; losses of different nodes are separate loss leaves, which training sums anyway. In
    a spec a child is a mapping:

        child_losses: [{type: OrthogonalityLoss}, {type: MSEReconstructionLoss, reduction: sum}]

    Learned weights follow Kendall, Gal & Cipolla 2018: their objective for regression, times two. They need
    losses that are never negative; a child that can be is refused. s_i is held within ±10 by 10 tanh(s/10),
    because a loss that reaches zero would otherwise raise its own weight for ever.

    Raises ``ParameterError`` for a child that is no registered loss, and for weights that do not match the
    children.
    """

    aliases = ("cuvis_ai.training.losses.WeightedMultiLoss",)
    output = In("float32[B,H,W,K]", "whatever the children read")
    child_losses: list[LossNode | dict[str, Any]] = Param(
        doc="the losses: mappings with a type and parameters, or loss objects"
    )
    weights: list[float] | None = Param(None, "factor of every child, in order; null: 1 for all")
    learnable: bool = Param(False, "learn the weights from the uncertainty of every loss")
    entries = {"child_losses": "loss"}
    constraints = (
        ("weights", "as many as", "child_losses"),
        ("weights", ">=", 0),
        ("weights", ">", math.exp(-FARTHEST), "learnable", True),
        ("weights", "<", math.exp(FARTHEST), "learnable", True),
    )

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        children = [_as_loss(child) for child in self.child_losses]
        factors = self.weights if self.weights is not None else [1.0] * len(children)
        _check(children, factors, self.learnable)
        self.child_losses = [{"type": type(child).__name__, **child.params()} for child in children]
        self.losses = nn.ModuleList(children)
        self.reads_output = any(child.reads_output for child in children)
        self.log_variances: nn.Parameter | None = None
        if self.learnable:
            starts = [FARTHEST * math.atanh(-math.log(factor) / FARTHEST) for factor in factors]
            self.log_variances = nn.Parameter(torch.tensor(starts, dtype=torch.float32))
        self.register_buffer("factors", torch.tensor(factors, dtype=torch.float32), persistent=False)

    def attach(self, parent: Node) -> None:
        super().attach(parent)
        for child in self._children():
            child.attach(parent)

    def compute_loss(self, parent_output: Tensor, batch: Batch) -> Tensor:
        losses = torch.stack(
            [widened(child.compute_loss(parent_output, batch)) for child in self._children()]
        )
        if self.log_variances is None:
            return self.weight * (self.current_weights() * losses).sum()
        return self.weight * (self.current_weights() * losses + self._bounded(self.log_variances)).sum()

    def current_weights(self) -> Tensor:
        """The factor of every child as it stands now [number of children]."""
        if self.log_variances is None:
            assert isinstance(self.factors, Tensor)
            return self.factors
        return torch.exp(-self._bounded(self.log_variances))

    @staticmethod
    def _bounded(log_variances: Tensor) -> Tensor:
        return FARTHEST * torch.tanh(log_variances / FARTHEST)

    def _children(self) -> Iterator[LossNode]:
        for child in self.losses:
            assert isinstance(child, LossNode)
            yield child


def _as_loss(child: LossNode | Mapping[str, Any]) -> LossNode:
    if isinstance(child, LossNode):
        return child
    params = dict(child)
    name = params.pop("type", None) or params.pop("_target_", None)
    if "parent" in params:
        raise ParameterError(
            f"WeightedMultiLoss: `parent` of the child {name}: children read the node that the WeightedMultiLoss "
            "is attached to; write losses of other nodes as separate loss leaves"
        )
    return _registered_loss(name)(**params)


def _registered_loss(name: Any) -> type[LossNode]:
    """A loss class by its name or an old dotted name; a lookup among classes, never an import of what is named."""
    own = [loss for loss in scan("cuvisc.leaves", LossNode) if issubclass(loss, LossNode)]
    for loss in (*own, *_defined(LossNode)):
        if name == loss.__name__ or name in loss.aliases:
            return loss
    raise ParameterError(
        f"WeightedMultiLoss: each of `child_losses` names a loss with `type`, got {name!r}; there are: "
        + ", ".join(sorted(loss.__name__ for loss in own))
    )


def _defined(base: type[LossNode]) -> Iterator[type[LossNode]]:
    """Every loss that has been defined so far, those of plugins among them."""
    for loss in base.__subclasses__():
        yield loss
        yield from _defined(loss)


def _check(children: list[LossNode], factors: list[float], learnable: bool) -> None:
    if not children:
        raise ParameterError("WeightedMultiLoss: `child_losses` is empty")
    if len(factors) != len(children):
        raise ParameterError(
            f"WeightedMultiLoss: `weights` has {len(factors)} entries for {len(children)} child losses"
        )
    smallest = math.exp(-FARTHEST)
    for child, factor in zip(children, factors, strict=True):
        if not (math.isfinite(factor) and factor >= 0):
            raise ParameterError(f"WeightedMultiLoss: a weight must be >= 0, got {factor:g}")
        if learnable and not smallest < factor < 1 / smallest:
            raise ParameterError(
                f"WeightedMultiLoss: a learnable weight starts between {smallest:.1g} and {1 / smallest:.1g}, "
                f"got {factor:g}"
            )
        if learnable and _can_be_negative(child):
            raise ParameterError(
                f"WeightedMultiLoss: {type(child).__name__} can be negative, and a learned weight of such a loss grows "
                "without limit; use `learnable: false`"
            )


def _can_be_negative(loss: LossNode) -> bool:
    if isinstance(loss, SelectorEntropyRegularizer):
        return loss.target_entropy is None
    if isinstance(loss, WeightedMultiLoss):
        return loss.learnable or any(_can_be_negative(child) for child in loss._children())
    return isinstance(loss, SelectorDiversityRegularizer)

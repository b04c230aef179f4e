"""Losses on components, logits and reconstructions: a parent's output and a batch to one weighted scalar.

Pixels without data (a band of the graph's input is not finite) whose value is not finite take no part and
receive a zero gradient. A value that is not finite elsewhere makes the loss not finite, so that training that
diverges is noticed.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from cuvisc.language.choose import Choose
from cuvisc.language.declare import In, Param
from cuvisc.language.leaf import Batch, BatchError, LossNode

from .batch import find, input_cube, lacks_data, per_pixel, truth, widened
from .parent import state

REDUCTIONS = ("mean", "sum")


class OrthogonalityLoss(LossNode):
    """Keep the components of the parent orthonormal while they are trained.

    L = weight ‖W W^T − I‖²_F, rows of W [K,C] the components

    Zero exactly when the rows are orthonormal. Reads the parent's ``components``, not its output; computed in
    float32 under mixed precision too.
    """

    aliases = ("cuvis_ai.training.losses.OrthogonalityLoss",)
    required_parent_attributes = ("components",)
    reads_output = False
    output = In("float32[B,H,W,K]", "component scores, not read")

    def compute_loss(self, parent_output: Tensor, batch: Batch) -> Tensor:
        return self.weight * orthogonality_defect(state(self.parent, "components")).square().sum()


class AnomalyBCEWithLogits(LossNode):
    """Binary cross-entropy between logits and the anomaly mask.

    L = weight mean(−pos_weight t log σ(z) − (1 − t) log(1 − σ(z))), z logits [B,H,W,1], t = 1 where mask > 0

    In the stable form of log1p, so that no logit overflows. The mask is ``mask`` of the batch, else ``labels``,
    [B,H,W] or [B,H,W,1]. Pixels without data, whose spectrum and logit are not finite, take no part; the loss
    of a batch without any other pixel is zero. A logit that is not finite elsewhere makes the loss not finite.

    Raises ``BatchError`` for a batch without a mask, or with one of another height or width.
    """

    aliases = ("cuvis_ai.training.losses.AnomalyBCEWithLogits",)
    needs = ("mask",)
    output = In("float32[B,H,W,1]", "log odds of an anomaly", unit="logits")
    pos_weight: float | None = Param(
        None, "factor of the anomalous pixels, such as normal / anomalous; null: 1", gt=0
    )
    reduction: str = Param("mean", "over the pixels of the batch", choices=REDUCTIONS)

    def compute_loss(self, parent_output: Tensor, batch: Batch) -> Tensor:
        target = truth(batch, parent_output, type(self).__name__)
        logits = widened(parent_output)
        known = torch.isfinite(logits) | ~lacks_data(batch, logits)
        losses = functional.binary_cross_entropy_with_logits(
            torch.where(known, logits, 0.0),
            target.to(logits.dtype),
            reduction="none",
            pos_weight=None if self.pos_weight is None else logits.new_tensor(self.pos_weight),
        )
        return self.weight * _reduce(losses, known, self.reduction)


class MSEReconstructionLoss(LossNode):
    """Squared difference between the parent's output and what it should reconstruct.

    L = weight mean((x − x̂)²), x̂ the output [B,H,W,K], x the graph's input cube, or ``labels`` of the batch if
    asked

    The mean is over all values. A target that is not finite takes no part, nor does the output for a pixel
    without data; the loss is zero when nothing is left. An output that is not finite elsewhere makes the loss
    not finite.

    Raises ``BatchError`` for a batch without the target, or with one of another shape.
    """

    aliases = ("cuvis_ai.training.losses.MSEReconstructionLoss",)
    output = In(
        Choose("use_labels_as_target", {True: "float32[B,H,W,1]"}, otherwise="float32[B,H,W,K]"),
        "reconstruction, in the unit of the target",
    )
    reduction: str = Param("mean", "over the values of the batch", choices=REDUCTIONS)
    use_labels_as_target: bool = Param(False, "reconstruct `labels` of the batch instead of the input cube")
    rebuilds_input = Choose("use_labels_as_target", {True: False}, otherwise=True)

    @property
    def of_moments(self) -> bool:
        return self.reduction == "mean" and not self.use_labels_as_target

    def compute_loss(self, parent_output: Tensor, batch: Batch) -> Tensor:
        output = widened(parent_output)
        target = self._target(batch, output).to(output)
        known = torch.isfinite(target) & (torch.isfinite(output) | ~lacks_data(batch, output))
        errors = torch.where(known, output, 0.0) - torch.where(known, target, 0.0)
        return self.weight * _reduce(errors.square(), known, self.reduction)

    def _target(self, batch: Batch, output: Tensor) -> Tensor:
        reader = type(self).__name__
        if self.use_labels_as_target:
            name, target = find(batch, reader, "labels")
            if target.ndim == 3:
                target = per_pixel(target, name, output, reader)
        else:
            name, target = "cube", input_cube(batch, reader)
        if target.shape != output.shape:
            raise BatchError(
                f"{reader}: the target `{name}` is {list(target.shape)}, but the output is {list(output.shape)}"
            )
        return target


def orthogonality_defect(components: Tensor) -> Tensor:
    """W W^T − I [K,K], in the components' own precision: mixed precision would round it to nothing."""
    with torch.autocast(components.device.type, enabled=False):
        gram = components @ components.T
        return gram - torch.eye(len(components), dtype=gram.dtype, device=gram.device)


def _reduce(losses: Tensor, known: Tensor, reduction: str) -> Tensor:
    total = torch.where(known, losses, 0.0).sum()
    return total / known.sum().clamp(min=1) if reduction == "mean" else total

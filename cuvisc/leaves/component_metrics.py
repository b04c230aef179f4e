"""How good the components of a projection are today: what they explain, and how orthonormal they stayed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cuvisc.language.declare import In
from cuvisc.language.leaf import Batch, MetricNode

from .batch import find
from .losses import orthogonality_defect
from .moments import Totals
from .parent import state

BLOCK = 16384
ROUNDING = 1e-13


class ExplainedVarianceMetric(MetricNode):
    """Share of the validation data's variance that today's components carry.

    share_k = q_k^T S q_k / trace(S), q = the components made orthonormal in their order (Gram-Schmidt)

    S is the covariance of the parent's input [B,H,W,C] over the epoch. The shares, between 0 and 1, are
    ``explained_variance_pc1`` … ``explained_variance_pcK``, and their sum ``explained_variance_total``.

    Of orthonormal components share_k is the variance of score k over the total variance of all bands. Of others
    it is what component k adds to those before it, whatever their length: components that collapse into one
    share what that one explains, and the total is the variance within the space they span. Whitening and
    centring of the parent change nothing.

    The sums are float64. Pixels with a band that is not finite take no part; data that do not vary give no
    numbers.

    Raises ``BatchError`` for a batch without ``parent_input``, which training adds for this leaf.
    """

    aliases = ("cuvis_ai.training.metrics.ExplainedVarianceMetric",)
    logs = ("explained_variance_pc{k}", "explained_variance_total")
    required_parent_attributes = ("components",)
    reads_parent_input = True
    reads_output = False
    output = In("float32[B,H,W,K]", "component scores, not read: the shares come from the parent's input")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self.totals = Totals("count", "sums", "squares", "products")

    def update(self, parent_output: Tensor, batch: Batch) -> None:
        spectra = find(batch, type(self).__name__, "parent_input")[1].flatten(end_dim=-2)
        components = state(self.parent, "components")
        for start in range(0, len(spectra), BLOCK):
            self.totals.update(**spectra_sums(spectra[start : start + BLOCK], components))

    def compute(self) -> dict[str, float]:
        totals = self.totals.gathered()
        components = state(self.parent, "components").detach().double().cpu()
        shares = explained_shares(components, totals)
        if shares is None:
            return {}
        named = {f"explained_variance_pc{k}": float(share) for k, share in enumerate(shares, start=1)}
        return {**named, "explained_variance_total": float(shares.sum())}

    def reset(self) -> None:
        self.totals.reset()


class ComponentOrthogonalityMetric(MetricNode):
    """How far the components of the parent are from orthonormal.

    ``component_orthogonality_error`` = ‖W W^T − I‖_F, rows of W [K,C] the components; also as
    ``orthogonality_error``

    Of the components as they stand when the epoch ends; the data are not read.
    """

    aliases = ("cuvis_ai.training.metrics.ComponentOrthogonalityMetric",)
    logs = ("component_orthogonality_error", "orthogonality_error")
    required_parent_attributes = ("components",)
    reads_output = False
    output = In("float32[B,H,W,K]", "component scores, not read")

    def update(self, parent_output: Tensor, batch: Batch) -> None:
        """Nothing accumulates."""

    def compute(self) -> dict[str, float]:
        components = state(self.parent, "components").detach().double()
        error = float(orthogonality_defect(components).norm())
        return {"component_orthogonality_error": error, "orthogonality_error": error}


def explained_shares(components: Tensor, totals: dict[str, Tensor]) -> Tensor | None:
    """Shares [K] of the total variance, from the sums over the data; None where the data do not vary."""
    count = totals["count"]
    total = totals["squares"] - totals["sums"].square().sum() / count.clamp(min=1)
    if not total > ROUNDING * totals["squares"]:
        return None
    means = components @ (totals["sums"] / count)
    scatter = totals["products"] - count * torch.outer(means, means)
    basis = _orthonormal_combinations(components)
    return ((basis @ scatter @ basis.T).diagonal() / total).clamp(0, 1)


def spectra_sums(spectra: Tensor, components: Tensor) -> dict[str, Tensor]:
    """What :func:`explained_shares` needs of spectra [N,C], in float64."""
    spectra, components = spectra.detach().double(), components.detach().double()
    spectra = spectra[torch.isfinite(spectra).all(dim=-1)]
    scores = spectra @ components.T
    return {
        "count": scores.new_tensor(float(len(spectra))),
        "sums": spectra.sum(dim=0),
        "squares": spectra.square().sum(),
        "products": scores.T @ scores,
    }


def _orthonormal_combinations(components: Tensor) -> Tensor:
    """M [K,K] such that the rows of M W are orthonormal, or zero where a row lies in the span of those before it."""
    combinations = torch.zeros(len(components), len(components), dtype=components.dtype)
    for k, row in enumerate(components):
        combination = torch.zeros(len(components), dtype=components.dtype)
        combination[k] = 1
        for _ in range(2):
            basis = combinations[:k] @ components
            combination = combination - (basis @ (combination @ components)) @ combinations[:k]
        length = (combination @ components).norm()
        if length > 1e-6 * row.norm():
            combinations[k] = combination / length
    return combinations

"""Learned selection of bands."""

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from cuvisc.language import ops
from cuvisc.language.choose import Choose
from cuvisc.language.declare import In, Out, Param, State
from cuvisc.language.node import FitError, Fitted, Node
from cuvisc.language.statistics import BandMoments, Moments, Result


class SoftChannelSelector(Node):
    """Weigh the bands by a learned, annealed softmax, and keep the best of them when hard.

    y_c = x_c w_c,  w = n_select softmax((logits + g) / T),  T(epoch) = max(temperature_min, temperature_init
    decay^epoch)

    g is Gumbel noise while training (Jang, Gu & Poole 2017) and zero otherwise. With ``hard``, w is 1 for the
    n_select bands of largest logit and 0 for the others; gradients pass through the soft weights. With
    ``reduce`` the n_select bands of largest logit leave alone, in the order of the cube, and the exported
    model reads no others. Where phase 2 does not move the logits there is no noise and T stays that of epoch 0, for
    which phase 1 has fitted what follows.
    """

    aliases = ("cuvis_ai.node.selector.SoftChannelSelector",)
    cube = In("float32[B,H,W,C]", "spectra, any unit")
    selected = Out(
        Choose("reduce", {True: "float32[B,H,W,n_select]"}, otherwise="float32[B,H,W,C]"), "weighted bands"
    )
    n_select: int = Param(doc="number of bands selected", ge=1)
    init_method: Literal["uniform", "variance"] = Param(
        "uniform", "start from equal logits, or from log(variance + eps) of every band"
    )
    temperature_init: float = Param(5.0, "temperature of epoch 0", gt=0)
    temperature_min: float = Param(0.1, "smallest temperature", gt=0)
    temperature_decay: float = Param(0.9, "factor of the temperature from one epoch to the next", gt=0, le=1)
    hard: bool = Param(False, "keep exactly n_select bands, with weight 1")
    gumbel: bool = Param(True, "add Gumbel noise to the logits while training")
    reduce: bool = Param(False, "let only the selected bands leave")
    trainable: bool = Param(True, "let phase 2 move the logits")
    eps: float = Param(1e-6, "added to a variance before its logarithm", gt=0)
    logits = State("float32[C]", "preference for every band", trainable=True)
    temperature = State("float32[1]", "sharpness of the selection: small is sharp")
    statistics = Choose("init_method", {"variance": Moments(of="cube")}, otherwise=None)
    mapping = Choose("reduce", {True: "affine"}, otherwise="diagonal")
    trained_by = "trainable"
    reselects = True
    constraints = (("n_select", "<=", "C"),)

    def solve(self, measured: Result | None) -> Fitted:
        bands = self.dims["C"]
        if self.n_select > bands:
            raise FitError(f"n_select is {self.n_select}, but the cube has {bands} bands")
        logits = np.zeros(bands)
        if measured is not None:
            assert isinstance(measured, BandMoments)
            logits = np.log(measured.variance.clip(min=0) + self.eps)
        return {"logits": logits, "temperature": np.array([self.temperature_init])}

    @property
    def _is_moved(self) -> bool:
        """Whether phase 2 moves the logits; before it began, whether it may."""
        begun = isinstance(self.logits, nn.Parameter)
        return self.trainable and (self.logits.requires_grad or not begun)

    def start_epoch(self, epoch: int) -> None:
        if not self._is_moved:
            return
        annealed = self.temperature_init * self.temperature_decay**epoch
        self.temperature.fill_(max(self.temperature_min, annealed))

    def get_selection_probabilities(self) -> Tensor:
        """softmax(logits / T), [C], without noise."""
        return torch.softmax(self.logits / self.temperature, dim=0)

    def get_selected_channels(self) -> Tensor:
        """Indices of the n_select bands of largest logit, ascending; the first where logits are equal."""
        order = torch.sort(self.logits.detach(), descending=True, stable=True).indices
        return order[: self.n_select].sort().values

    def forward(self, cube: Any) -> Any:
        weights = self._weights()
        if not self.reduce:
            return ops.affine(cube, weights)
        chosen = self.get_selected_channels()
        return ops.affine(ops.gather_bands(cube, chosen.tolist()), weights[chosen])

    def _weights(self) -> Tensor:
        logits = self.logits
        if self.training and self.gumbel and self._is_moved:
            uniform = torch.rand_like(logits).clamp_min(torch.finfo(logits.dtype).tiny)
            logits = logits - torch.log(-torch.log(uniform))
        soft = self.n_select * torch.softmax(logits / self.temperature, dim=0)
        if not self.hard:
            return soft
        exact = torch.zeros_like(soft).index_fill_(0, self.get_selected_channels(), 1.0)
        return exact if not self.training else exact - soft.detach() + soft

"""Nodes for leaves to stand on, and batches, made without the compiler."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from cuvisc.language.declare import In, Out, Param, State
from cuvisc.language.node import Node
from cuvisc.nodes.pca import TrainablePCA


class Selector(Node):
    """What selector leaves read, and nothing else."""

    cube = In("float32[B,H,W,C]", "spectra")
    selected = Out("float32[B,H,W,C]", "weighted spectra")
    n_select: int = Param(2, "bands kept")
    temperature_min: float = Param(0.1, "last temperature")
    logits = State("float32[C]", "one a band", trainable=True)
    temperature = State("float32[]", "softness")

    def get_selection_probabilities(self) -> Tensor:
        return torch.softmax(self.logits / self.temperature, dim=-1)

    def get_selected_channels(self) -> Tensor:
        return torch.sort(torch.topk(self.logits, self.n_select).indices).values

    def forward(self, cube: Any) -> Any:
        return cube * self.get_selection_probabilities()


class Scorer(Node):
    """Gives scores; leaves read its declaration."""

    cube = In("float32[B,H,W,C]", "spectra")
    scores = Out("float32[B,H,W,1]", "distances", unit="scores")

    def forward(self, cube: Any) -> Any:
        return cube.square().sum(-1, keepdim=True)


def selector(logits: Any, temperature: float = 1.0, n_select: int = 2) -> Selector:
    """A selector with these logits."""
    made = Selector(n_select=n_select)
    made.load_fitted({"logits": np.asarray(logits), "temperature": np.asarray(temperature)})
    return made


def pca(components: Any, **params: Any) -> TrainablePCA:
    """A PCA with these components and no offset."""
    rows = np.asarray(components, dtype=np.float64)
    made = TrainablePCA(n_components=len(rows), **params)
    made.load_fitted(
        {
            "components": rows,
            "mean": np.zeros(rows.shape[1]),
            "explained_variance": np.ones(len(rows)),
            "explained_variance_ratio": np.full(len(rows), 0.25),
        }
    )
    return made

"""Two nodes: one written in ops, which fuses, and one fitted from moments."""

from typing import Any

import numpy as np
import torch

from cuvisc.language import ops
from cuvisc.language.declare import In, Out, Param, State
from cuvisc.language.node import Fitted, Node
from cuvisc.language.statistics import BandMoments, Moments, Result


class BandRatio(Node):
    """Normalized difference of two bands, such as the vegetation index NDVI.

    ratio = (a - b) / max(a + b, eps)
    """

    cube = In("float32[B,H,W,C]", "spectra, reflectance")
    ratio = Out("float32[B,H,W,1]", "normalized difference", unit="ratio")
    first: int = Param(doc="index of the band a", ge=0)
    second: int = Param(doc="index of the band b", ge=0)
    eps: float = Param(1e-6, "smallest sum of the two bands", gt=0)

    def forward(self, cube: Any) -> Any:
        a = ops.gather_bands(cube, [self.first])
        b = ops.gather_bands(cube, [self.second])
        return ops.divide(ops.subtract(a, b), ops.floor_at(ops.add(a, b), self.eps))


class MeanRemover(Node):
    """Subtract the mean spectrum of the training data."""

    cube = In("float32[B,H,W,C]", "spectra, any unit")
    centered = Out("float32[B,H,W,C]", "spectra without their mean")
    mean = State("float64[C]", "mean spectrum")
    statistics = Moments(of="cube")
    mapping = "diagonal"

    def solve(self, measured: Result | None) -> Fitted:
        assert isinstance(measured, BandMoments)
        return {"mean": np.asarray(measured.mean)}

    def forward(self, cube: Any) -> Any:
        return ops.affine(cube, torch.ones_like(self.mean), center=self.mean)

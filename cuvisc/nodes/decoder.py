"""Decoders: codes back to spectra."""

from typing import Any

import numpy as np

from cuvisc.language import ops
from cuvisc.language.declare import In, Out, Param, State
from cuvisc.language.node import FitError, Fitted, Node
from cuvisc.language.statistics import BandMoments, Moments, Result


class LinearDecoder(Node):
    """Reconstruct spectra from codes, such as principal component scores, by the best linear map.

    x' = z W + b, with W and b the least squares solution over the training pixels; for the scores of a PCA
    that is its inverse

    ``cube`` says what is to be reconstructed; only phase 1 and a reconstruction loss read it, never the exported model.
    """

    codes = In("float32[B,H,W,K]", "codes, such as principal component scores")
    cube = In("float32[B,H,W,C]", "the spectra the codes stand for")
    reconstruction = Out("float32[B,H,W,C]", "spectra in the unit of the cube")
    trainable: bool = Param(True, "let phase 2 move weight and bias")
    weight = State("float32[K,C]", "spectrum for every unit of each code", trainable=True)
    bias = State("float64[C]", "spectrum of the code zero", trainable=True)
    statistics = Moments(of=("codes", "cube"))
    mapping = "affine"
    trained_by = "trainable"

    def solve(self, measured: Result | None) -> Fitted:
        assert isinstance(measured, BandMoments)
        codes = self.dims["K"]
        inner, cross = measured.scatter[:codes, :codes], measured.scatter[:codes, codes:]
        if not np.trace(inner) > 0:
            raise FitError("the codes do not vary: nothing can be reconstructed from them")
        scale = np.sqrt(np.diagonal(inner))
        scale = np.where(scale > 0, scale, 1.0)
        weight = np.linalg.lstsq(inner / np.outer(scale, scale), cross / scale[:, None], rcond=1e-12)[0]
        # As the state will hold it, so that the bias makes up for the rounding.
        weight = (weight / scale[:, None]).astype(np.float32).astype(np.float64)
        return {"weight": weight, "bias": measured.mean[codes:] - measured.mean[:codes] @ weight}

    def forward(self, codes: Any, cube: Any) -> Any:
        return ops.affine(codes, self.weight, offset=self.bias)

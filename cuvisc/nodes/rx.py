"""Reed-Xiaoli anomaly detectors and the head that turns their scores into logits."""

from typing import Any

import numpy as np

from cuvisc.language import ops
from cuvisc.language.choose import Choose
from cuvisc.language.declare import In, Out, Param, State
from cuvisc.language.node import FitError, Fitted, Node
from cuvisc.language.statistics import BandMoments, Moments, Result


class RXGlobal(Node):
    """Reed-Xiaoli anomaly score: squared Mahalanobis distance to the background of the training data.

    score(x) = (x - mu)^T (S + r I)^-1 (x - mu),  r = eps^2 trace(S) / C        Reed & Yu 1990

    S is the unbiased covariance of the training pixels, factored in float64 (Cholesky); what is applied is
    the whitening matrix, so that a score is a sum of squares and never negative. ``eps`` is a relative
    standard deviation: differences between bands smaller than eps times the typical deviation count as
    rounding of float32 cubes, not as background structure. Where the covariance is well conditioned the ridge
    changes nothing; a constant or repeated band stays finite.
    """

    aliases = ("cuvis_ai.anomaly.rx_detector.RXGlobal", "cuvis_ai.anomaly.rx.RXGlobal")
    cube = In("float32[B,H,W,C]", "spectra, any unit")
    scores = Out("float32[B,H,W,1]", "squared Mahalanobis distance, unitless, >= 0", unit="scores")
    eps: float = Param(
        1e-5, "smallest deviation resolved, relative to the typical one; the ridge is its square", gt=0, lt=1
    )
    trainable_stats: bool = Param(False, "let phase 2 move mu and the whitening matrix")
    cache_inverse: bool = Param(True, "accepted for compatibility; the whitening matrix is always kept")
    mu = State("float64[C]", "background mean", trainable=True)
    whitening = State(
        "float64[C,C]", "A with A A^T = (S + r I)^-1, upper triangular when fitted", trainable=True
    )
    statistics = Moments(of="cube")
    opening = "affine"
    trained_by = "trainable_stats"

    def solve(self, measured: Result | None) -> Fitted:
        assert isinstance(measured, BandMoments)
        bands = len(measured.mean)
        if measured.count <= bands:
            raise FitError(
                f"a covariance of {bands} bands needs more than {bands} pixels, got {measured.count}; "
                "give more training data or put a TrainablePCA with fewer components before it"
            )
        covariance = measured.covariance
        ridge = self.eps**2 * np.trace(covariance) / bands
        if not ridge > 0:
            raise FitError("the background does not vary at all: every training pixel has the same spectrum")
        try:
            lower = np.linalg.cholesky(covariance + ridge * np.eye(bands))
        except np.linalg.LinAlgError:
            raise FitError(
                f"the covariance of {bands} bands is singular beyond eps={self.eps:g}; "
                "raise eps or remove repeated bands"
            ) from None
        return {"mu": measured.mean, "whitening": np.linalg.inv(lower).T}

    def forward(self, cube: Any) -> Any:
        return ops.squared_norm(ops.affine(cube, self.whitening, center=self.mu))


class RXPerBatch(Node):
    """Reed-Xiaoli anomaly score against the background of each image itself.

    score(x) = (x - mu)^T (S + r I)^-1 (x - mu),  r = eps^2 trace(S) / C        Reed & Yu 1990

    mu and the unbiased covariance S are those of the image's own pixels, in float64; nothing is fitted. A pixel
    with a band that is not finite takes no part in them and has no score. An image with fewer pixels than bands is
    scored in the directions in which it varies, and one that does not vary has scores of zero. Bands that depend on
    each other are told apart down to ``eps`` of the typical deviation.
    """

    aliases = ("cuvis_ai.anomaly.rx_detector.RXPerBatch", "cuvis_ai.anomaly.rx_per_batch.RXPerBatch")
    cube = In("float32[B,H,W,C]", "spectra, any unit")
    scores = Out("float32[B,H,W,1]", "squared Mahalanobis distance, unitless, >= 0", unit="scores")
    eps: float = Param(
        1e-5, "smallest deviation resolved, relative to the typical one; the ridge is its square", gt=0, lt=1
    )

    def forward(self, cube: Any) -> Any:
        return ops.image_mahalanobis(cube, self.eps)


class RXLogitHead(Node):
    """Turn anomaly scores into logits with a learned scale and bias.

    logit = scale (score - bias)

    In phase 1 the bias becomes mean + 2 std of the training scores, unless ``init_bias`` is given.
    """

    aliases = ("cuvis_ai.anomaly.rx_logit_head.RXLogitHead",)
    scores = In("float32[B,H,W,1]", "anomaly scores", unit="scores")
    logits = Out("float32[B,H,W,1]", "log odds of an anomaly", unit="logits")
    init_scale: float = Param(1.0, "scale before training, 1 / score")
    init_bias: float | None = Param(
        None, "bias before training, a score; null: mean + 2 std of the training scores"
    )
    trainable: bool = Param(True, "let phase 2 move scale and bias")
    scale = State("float64[1]", "logits for every unit of score", trainable=True)
    bias = State("float64[1]", "score at which an anomaly is as likely as not", trainable=True)
    statistics = Choose("init_bias", {None: Moments(of="scores")}, otherwise=None)
    mapping = "diagonal"
    trained_by = "trainable"

    def solve(self, measured: Result | None) -> Fitted:
        bias = self.init_bias
        if measured is not None:
            assert isinstance(measured, BandMoments)
            bias = float(measured.mean[0] + 2.0 * np.sqrt(measured.variance[0]))
        return {"scale": np.array([self.init_scale]), "bias": np.array([bias])}

    def forward(self, scores: Any) -> Any:
        return ops.affine(scores, self.scale, center=self.bias)

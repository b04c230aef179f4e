"""Principal components: fitted in float64, trainable by gradients."""

from typing import Any

import numpy as np

from cuvisc.language import ops
from cuvisc.language.declare import In, Out, Param, State
from cuvisc.language.node import FitError, Fitted, Node
from cuvisc.language.statistics import BandMoments, Moments, Result


class TrainablePCA(Node):
    """Project spectra on their principal components.

    z = (x - mean) W^T, rows of W the eigenvectors of the training covariance with the largest eigenvalues
    (Hotelling 1933); with ``whiten``, z is divided by sqrt(variance + eps).

    The sign of a component is fixed: its loading of largest magnitude is positive. Eigenvectors come from the float64
    covariance. The explained variance ratio is relative to the total variance of all bands.
    """

    aliases = ("cuvis_ai.node.pca.TrainablePCA",)
    cube = In("float32[B,H,W,C]", "spectra, any unit")
    scores = Out("float32[B,H,W,n_components]", "principal component scores")
    n_components: int = Param(doc="number of components kept", ge=1)
    trainable: bool = Param(False, "let phase 2 move the components")
    whiten: bool = Param(False, "divide every score by its standard deviation")
    center: bool = Param(True, "subtract the training mean")
    eps: float = Param(1e-6, "added to a variance before its root is divided by", gt=0)
    components = State(
        "float32[n_components,C]", "principal axes as rows, orthonormal when fitted", trainable=True
    )
    mean = State("float64[C]", "training mean, zero without center")
    explained_variance = State("float64[n_components]", "variance along every component, unbiased")
    explained_variance_ratio = State("float64[n_components]", "share of the total variance of all bands")
    statistics = Moments(of="cube")
    mapping = "affine"
    trained_by = "trainable"
    constraints = (("n_components", "<=", "C"),)

    def solve(self, measured: Result | None) -> Fitted:
        assert isinstance(measured, BandMoments)
        bands = len(measured.mean)
        if self.n_components > bands:
            raise FitError(f"n_components is {self.n_components}, but the cube has {bands} bands")
        covariance = measured.covariance
        if not self.center:
            covariance = covariance + np.outer(measured.mean, measured.mean) * measured.count / max(
                measured.count - 1, 1
            )
        variances, vectors = np.linalg.eigh(covariance)
        variances, vectors = variances[::-1].clip(min=0), vectors[:, ::-1].T
        rank = int((variances > variances[0] * bands * np.finfo(np.float64).eps * 8).sum())
        if rank < self.n_components:
            raise FitError(
                f"n_components is {self.n_components}, but the training data ({measured.count} pixels, {bands} bands) "
                f"varies in {rank} directions only; ask for at most {rank}"
                if rank
                else "the training data does not vary at all: every pixel has the same spectrum"
            )
        kept = vectors[: self.n_components]
        largest = np.abs(kept).argmax(axis=1)
        kept = kept * np.sign(kept[np.arange(len(kept)), largest])[:, None]
        return {
            "components": kept,
            "mean": measured.mean if self.center else np.zeros(bands),
            "explained_variance": variances[: self.n_components],
            "explained_variance_ratio": variances[: self.n_components] / variances.sum(),
        }

    def forward(self, cube: Any) -> Any:
        projection = self.components.T
        if self.whiten:
            projection = projection / (self.explained_variance + self.eps).sqrt()
        return ops.affine(cube, projection, center=self.mean)

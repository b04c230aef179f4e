"""Normalisers: spectra to comparable ranges."""

from typing import Any

import numpy as np

from cuvisc.language import ops
from cuvisc.language.choose import Choose
from cuvisc.language.declare import In, Out, Param, State
from cuvisc.language.node import FitError, Fitted, Node
from cuvisc.language.statistics import BandExtrema, BandMoments, Extrema, Moments, Result


class IdentityNormalizer(Node):
    """Pass the cube through unchanged.

    y = x
    """

    aliases = ("cuvis_ai.normalization.normalization.IdentityNormalizer",)
    cube = In("float32[B,H,W,C]", "spectra, any unit")
    normalized = Out("float32[B,H,W,C]", "the same spectra")
    mapping = "diagonal"

    def forward(self, cube: Any) -> Any:
        return cube


class MinMaxNormalizer(Node):
    """Scale the cube to about [0, 1] by its extremes.

    y = (x - min) / max(max - min, eps)

    Fitted over all training pixels and bands (scalars), or for every band with ``per_channel``. Nothing is
    clamped: values beyond the training range fall outside [0, 1]. Without ``use_running_stats`` the extremes
    are those of each image and band, over the pixels whose bands are all finite.
    """

    aliases = ("cuvis_ai.normalization.normalization.MinMaxNormalizer",)
    cube = In("float32[B,H,W,C]", "spectra, any unit")
    normalized = Out("float32[B,H,W,C]", "spectra scaled by their range, unitless")
    eps: float = Param(1e-6, "smallest range divided by, in the cube's unit", gt=0)
    use_running_stats: bool = Param(True, "extremes of the training data; false: of each image and band")
    per_channel: bool = Param(False, "one pair of extremes for every band instead of one for all")
    minimum = State("float64[C]", "smallest training value of the band, or of all bands")
    gain = State("float64[C]", "1 / max(max - min, eps)")
    statistics = Choose("use_running_stats", {True: Extrema(of="cube")}, otherwise=None)
    mapping = Choose("use_running_stats", {True: "diagonal"}, otherwise=None)

    @property
    def requires_initial_fit(self) -> bool:
        return self.use_running_stats

    def solve(self, measured: Result | None) -> Fitted:
        if measured is None:
            return {}
        assert isinstance(measured, BandExtrema)
        low, high = measured.minimum, measured.maximum
        if not self.per_channel:
            low, high = np.full_like(low, low.min()), np.full_like(high, high.max())
        return {"minimum": low, "gain": 1.0 / np.maximum(high - low, self.eps)}

    def forward(self, cube: Any) -> Any:
        if self.use_running_stats:
            return ops.affine(cube, self.gain, center=self.minimum)
        low = ops.image_minimum(cube)
        extent = ops.floor_at(ops.subtract(ops.image_maximum(cube), low), self.eps)
        return ops.divide(ops.subtract(cube, low), extent)


class StandardNormalizer(Node):
    """Centre the cube and divide by its standard deviation (z-score), from the training data.

    y = (x - mean) / max(std, eps)

    std is the unbiased standard deviation of every band, or of all values pooled when ``per_channel`` is false.
    """

    aliases = ("cuvis_ai.normalization.normalization.StandardNormalizer",)
    cube = In("float32[B,H,W,C]", "spectra, any unit")
    normalized = Out("float32[B,H,W,C]", "standard deviations from the mean")
    eps: float = Param(1e-6, "smallest standard deviation divided by, in the cube's unit", gt=0)
    per_channel: bool = Param(True, "one mean and deviation for every band; false: one for all bands")
    mean = State("float64[C]", "training mean of the band, or of all bands")
    gain = State("float64[C]", "1 / max(std, eps)")
    statistics = Moments(of="cube")
    mapping = "diagonal"

    def solve(self, measured: Result | None) -> Fitted:
        assert isinstance(measured, BandMoments)
        mean, variance = measured.mean, measured.variance
        if measured.count < 2:
            raise FitError("a standard deviation needs at least 2 pixels; give more training data")
        if not self.per_channel:
            variance = np.full_like(variance, _pooled_variance(measured))
            mean = np.full_like(mean, mean.mean())
        return {"mean": mean, "gain": 1.0 / np.maximum(np.sqrt(variance), self.eps)}

    def forward(self, cube: Any) -> Any:
        return ops.affine(cube, self.gain, center=self.mean)


class SigmoidNormalizer(Node):
    """Squash every band of every image to (0, 1) around its median.

    y = sigmoid((x - median) / max(std, std_floor)), with the lower median and the population standard
    deviation over the pixels of H, W whose bands are all finite
    """

    aliases = ("cuvis_ai.normalization.normalization.SigmoidNormalizer",)
    cube = In("float32[B,H,W,C]", "spectra, any unit")
    normalized = Out("float32[B,H,W,C]", "position within the image, 0.5 at the median")
    std_floor: float = Param(1e-6, "smallest standard deviation divided by, in the cube's unit", gt=0)

    def forward(self, cube: Any) -> Any:
        spread = ops.floor_at(ops.image_deviation(cube), self.std_floor)
        return ops.sigmoid(ops.divide(ops.subtract(cube, ops.image_median(cube)), spread))


def _pooled_variance(measured: BandMoments) -> float:
    """Unbiased variance of all values of all bands together."""
    within = np.trace(measured.scatter)
    between = measured.count * ((measured.mean - measured.mean.mean()) ** 2).sum()
    return float((within + between) / (measured.count * len(measured.mean) - 1))

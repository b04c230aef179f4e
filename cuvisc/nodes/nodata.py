"""Pixels without a measurement, told and marked."""

from typing import Any

from cuvisc.language import ops
from cuvisc.language.declare import In, Out, Param
from cuvisc.language.node import Node


class NoDataMask(Node):
    """Mark pixels that hold no measurement, so that nothing is learned from them and nothing decided for them.

    valid = all_c (x_c finite, x_c != nodata, x_c < saturation);  y = x where valid, NaN in every band elsewhere

    Phase 1 leaves pixels that are not a number out of all statistics, their scores are not a number, and no decision is
    made for them. Nor do they take part in losses, gradients and metrics of phase 2, wherever a leaf reads. A band
    that never holds data makes every pixel invalid: leave it out first, with BandSelector.
    """

    cube = In("float32[B,H,W,C]", "spectra, any unit")
    marked = Out("float32[B,H,W,C]", "the cube, not a number in every band of an invalid pixel")
    valid = Out("bool[B,H,W,1]", "whether the pixel holds a measurement")
    nodata: float | None = Param(None, "the number that stands for none, in the cube's unit")
    saturation: float | None = Param(None, "from this value on a band is saturated, in the cube's unit")
    marks = "valid"

    def forward(self, cube: Any) -> Any:
        valid = ops.valid_pixels(cube, self.nodata, self.saturation)
        return ops.keep_pixels(cube, valid), valid

"""Ops on pixels that hold no measurement: telling them, and marking them as not a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..types import TensorType
from .op import OnnxBuilder, Op, OpError, apply

_FLOAT = 1


class ValidPixels(Op):
    """Whether every band is finite, is not ``nodata`` and is below ``saturation``; the numbers as float32 has them."""

    name = "valid_pixels"

    def infer(
        self, types: Sequence[TensorType], constants: Mapping[str, Any], attributes: Mapping[str, Any]
    ) -> TensorType:
        return TensorType("bool", (*types[0].dims[:-1], 1))

    def torch(self, *values: Tensor, **constants: Any) -> Tensor:
        (x,) = values
        single = x.to(torch.float32)
        valid = torch.isfinite(single)
        if constants["nodata"] is not None:
            valid = valid & (single != _in_float32(constants["nodata"]))
        if constants["saturation"] is not None:
            valid = valid & (single < _in_float32(constants["saturation"]))
        return valid.all(dim=-1, keepdim=True)

    def onnx(self, b: OnnxBuilder, *values: str, **constants: Any) -> str:
        (x,) = values
        # x - x is 0 for finite numbers alone.
        broken = b.node("IsNaN", b.node("Sub", x, x))
        if constants["nodata"] is not None:
            missing = b.node("Equal", x, b.constant("nodata", _in_float32(constants["nodata"])))
            broken = b.node("Or", broken, missing)
        if constants["saturation"] is not None:
            full = b.node("GreaterOrEqual", x, b.constant("saturation", _in_float32(constants["saturation"])))
            broken = b.node("Or", broken, full)
        counted = b.node("Cast", broken, to=_FLOAT)
        any_band = b.node("ReduceMax", counted, b.constant("axes", [-1], "int64"), keepdims=1)
        return b.node("Less", any_band, b.constant("half", np.float64(0.5)))


class KeepPixels(Op):
    """The pixels of x where a mask of one band says so, not a number in every band elsewhere."""

    name = "keep_pixels"

    def infer(
        self, types: Sequence[TensorType], constants: Mapping[str, Any], attributes: Mapping[str, Any]
    ) -> TensorType:
        x, mask = types
        if mask != TensorType("bool", (*x.dims[:-1], 1)):
            raise OpError(f"{mask} is no mask of the pixels of {x}")
        return x

    def torch(self, *values: Tensor, **constants: Any) -> Tensor:
        x, mask = values
        return torch.where(mask, x, torch.full((), float("nan"), dtype=x.dtype, device=x.device))

    def onnx(self, b: OnnxBuilder, *values: str, **constants: Any) -> str:
        return b.node("Where", values[1], values[0], b.constant("none", np.float64("nan")))


def _in_float32(number: float) -> float:
    """The number as float32 has it; infinite beyond its range, like the values that are compared with it."""
    with np.errstate(over="ignore"):
        return float(np.float32(number))


VALID_PIXELS = ValidPixels()
KEEP_PIXELS = KeepPixels()


def valid_pixels(x: Any, nodata: float | None = None, saturation: float | None = None) -> Any:
    """all_c (x_c finite, x_c != nodata, x_c < saturation), bool [..., 1]."""
    return apply(VALID_PIXELS, (x,), attributes={"nodata": nodata, "saturation": saturation})


def keep_pixels(x: Any, mask: Any) -> Any:
    """x where the mask [..., 1] is true, NaN elsewhere."""
    return apply(KEEP_PIXELS, (x, mask))

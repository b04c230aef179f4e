"""Ops that reduce or join: squared norm over bands, extrema over one image, concatenation of bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..types import Dim, TensorType
from .op import OnnxBuilder, Op, OpError, apply


class SquaredNorm(Op):
    """Sum of squares over the bands, kept as one band."""

    name = "squared_norm"

    def infer(
        self, types: Sequence[TensorType], constants: Mapping[str, Any], attributes: Mapping[str, Any]
    ) -> TensorType:
        return TensorType(types[0].dtype, (*types[0].dims[:-1], 1))

    def torch(self, *values: Tensor, **constants: Any) -> Tensor:
        return values[0].square().sum(dim=-1, keepdim=True)

    def onnx(self, b: OnnxBuilder, *values: str, **constants: Any) -> str:
        return b.node("ReduceSumSquare", values[0], b.constant("axes", [-1], "int64"), keepdims=1)


class ImageExtremum(Op):
    """Smallest or largest value of every band over the pixels of one image: [B,H,W,C] to [B,1,1,C]."""

    pixelwise = False

    def __init__(self, name: str, operator: str) -> None:
        self.name = name  # type: ignore[misc]
        self._operator = operator

    def infer(
        self, types: Sequence[TensorType], constants: Mapping[str, Any], attributes: Mapping[str, Any]
    ) -> TensorType:
        (x,) = types
        return TensorType(x.dtype, (x.dims[0], 1, 1, x.dims[-1]))

    def torch(self, *values: Tensor, **constants: Any) -> Tensor:
        reduce = torch.amin if self._operator == "ReduceMin" else torch.amax
        return reduce(values[0], dim=(1, 2), keepdim=True)

    def onnx(self, b: OnnxBuilder, *values: str, **constants: Any) -> str:
        return b.node(self._operator, values[0], b.constant("axes", [1, 2], "int64"), keepdims=1)


class Concat(Op):
    """Several values side by side on the band axis."""

    name = "concat"

    def infer(
        self, types: Sequence[TensorType], constants: Mapping[str, Any], attributes: Mapping[str, Any]
    ) -> TensorType:
        if len({t.dims[:-1] for t in types}) > 1 or len({t.dtype for t in types}) > 1:
            raise OpError(f"{' and '.join(map(str, types))} differ in more than bands")
        widths = [t.dims[-1] for t in types]
        total: Dim = sum(w for w in widths if isinstance(w, int))
        if not all(isinstance(w, int) for w in widths):
            total = "+".join(map(str, widths))
        return TensorType(types[0].dtype, (*types[0].dims[:-1], total))

    def torch(self, *values: Tensor, **constants: Any) -> Tensor:
        return torch.cat(values, dim=-1)

    def onnx(self, b: OnnxBuilder, *values: str, **constants: Any) -> str:
        return b.node("Concat", *values, axis=-1)


SQUARED_NORM = SquaredNorm()
IMAGE_MINIMUM = ImageExtremum("image_minimum", "ReduceMin")
IMAGE_MAXIMUM = ImageExtremum("image_maximum", "ReduceMax")
CONCAT = Concat()


def squared_norm(x: Any) -> Any:
    """sum_c x_c^2, [..., C] to [..., 1]."""
    return apply(SQUARED_NORM, (x,))


def image_minimum(x: Any) -> Any:
    """min over H and W of every image and band, [B,1,1,C]."""
    return apply(IMAGE_MINIMUM, (x,))


def image_maximum(x: Any) -> Any:
    """max over H and W of every image and band, [B,1,1,C]."""
    return apply(IMAGE_MAXIMUM, (x,))


def concat(values: Sequence[Any]) -> Any:
    """Bands of several values, one after the other."""
    return values[0] if len(values) == 1 else apply(CONCAT, tuple(values))

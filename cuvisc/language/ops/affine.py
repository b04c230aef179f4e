"""``affine``: the op that normalisers, projections, selections and whitenings are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..affine import AffineMap
from ..types import Dim, TensorType
from .op import OnnxBuilder, Op, OpError, apply

_DOUBLE, _FLOAT = 11, 1


class Affine(Op):
    """y = (x - center) A + offset over the last axis.

    The center is rounded to the dtype of x and what rounding lost returns through the offset, so that float32
    data around a large offset keeps its small differences. With the attribute ``double`` everything is computed in
    float64 and rounded once, to the dtype of x.
    """

    name = "affine"

    def infer(
        self, types: Sequence[TensorType], constants: Mapping[str, Any], attributes: Mapping[str, Any]
    ) -> TensorType:
        (x,) = types
        bands = x.dims[-1]
        shapes = [tuple(constants[key].shape) for key in ("matrix", "center", "offset")]
        matrix, center, offset = shapes
        width: Dim = bands
        if len(matrix) == 2:
            _agree(bands, matrix[0], "the matrix")
            width = matrix[1]
        elif len(matrix) == 1:
            _agree(bands, matrix[0], "the gains")
        if center and center[0] != 1:
            _agree(bands, center[0], "the center")
        if offset and offset[0] != 1:
            _agree(width, offset[0], "the offset")
        return TensorType(x.dtype, (*x.dims[:-1], width))

    def torch(self, *values: Tensor, **constants: Any) -> Tensor:
        (x,) = values
        matrix, center, offset = constants["matrix"], constants["center"], constants["offset"]
        if constants.get("double", False) and x.dtype != torch.float64:
            wide = self.torch(
                x.double(), matrix=matrix.double(), center=center.double(), offset=offset.double()
            )
            return wide.to(x.dtype)
        near: Tensor = center.to(x.dtype)
        if center.dtype != x.dtype:
            lost = near.to(center.dtype) - center
            lost = lost.expand(matrix.shape[:1]) if matrix.ndim == 2 else lost
            offset = offset + _linear(lost, matrix.to(center.dtype))
        gain, moved = matrix.to(x.dtype), x - near
        # In place: memory that is new costs more than to multiply.
        mapped = torch.matmul(moved, gain) if gain.ndim == 2 else moved.mul_(gain)
        return mapped.add_(offset.to(x.dtype))

    def onnx(self, b: OnnxBuilder, *values: str, **constants: Any) -> str:
        (x,) = values
        exact = AffineMap.make(constants["matrix"], constants["center"], constants["offset"])
        if constants.get("double", False):
            return self._double(b, x, exact.recentered(np.zeros(())))
        near = exact.recentered(exact.center.astype(np.float32).astype(np.float64))
        y = x
        if near.center.any():
            y = b.node("Sub", y, b.constant("center", near.center))
        if not near.elementwise:
            return b.project(y, near.matrix, near.offset if near.offset.any() else None)
        if (near.matrix != 1).any():
            y = b.node("Mul", y, b.constant("gain", near.matrix))
        if near.offset.any():
            y = b.node("Add", y, b.constant("offset", near.offset))
        return b.node("Identity", y) if y == x else y

    def _double(self, b: OnnxBuilder, x: str, folded: AffineMap) -> str:
        y = b.node("MatMul", b.node("Cast", x, to=_DOUBLE), b.constant("matrix", folded.matrix, "float64"))
        return b.node("Cast", b.node("Add", y, b.constant("offset", folded.offset, "float64")), to=_FLOAT)


def _linear(x: Tensor, matrix: Tensor) -> Tensor:
    return torch.matmul(x, matrix) if matrix.ndim == 2 else torch.mul(x, matrix)


def _agree(bands: Dim, size: int, what: str) -> None:
    if isinstance(bands, int) and bands != size:
        raise OpError(f"{what} holds {size} bands where the cube has {bands}")


AFFINE = Affine()


def affine(x: Any, matrix: Any, *, center: Any = 0.0, offset: Any = 0.0) -> Any:
    """(x - center) A + offset; ``matrix`` is a scalar, a diagonal [C] or full [C,K]."""
    constants = {
        key: value if isinstance(value, Tensor) else torch.as_tensor(value, dtype=torch.float64)
        for key, value in (("matrix", matrix), ("center", center), ("offset", offset))
    }
    if isinstance(x, Tensor):
        constants = {key: value.to(x.device) for key, value in constants.items()}
    return apply(AFFINE, (x,), constants)

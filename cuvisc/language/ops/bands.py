"""Ops over the bands of a pixel: squared norm, largest band, selection and concatenation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
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
        return b.squared_norm(values[0])


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


class ArgExtremum(Op):
    """Index of the largest or smallest band as int32; bands that are not a number never win."""

    def __init__(self, name: str, operator: str, loser: float) -> None:
        self.name = name  # type: ignore[misc]
        self._operator = operator
        self._loser = loser

    def infer(
        self, types: Sequence[TensorType], constants: Mapping[str, Any], attributes: Mapping[str, Any]
    ) -> TensorType:
        return TensorType("int32", (*types[0].dims[:-1], 1))

    def torch(self, *values: Tensor, **constants: Any) -> Tensor:
        (x,) = values
        index = torch.argmax if self._operator == "ArgMax" else torch.argmin
        return index(self._ranked(x), dim=-1, keepdim=True).to(torch.int32)

    def lead(self, x: Tensor) -> Tensor:
        """How far the band that wins is ahead of the next, [..., C] to [...]; infinite for one band."""
        if x.shape[-1] == 1:
            return torch.full(x.shape[:-1], torch.inf, dtype=x.dtype)
        best = torch.topk(self._ranked(x), 2, dim=-1, largest=self._operator == "ArgMax").values
        return (best[..., 0] - best[..., 1]).abs()

    def _ranked(self, x: Tensor) -> Tensor:
        return torch.where(torch.isnan(x), torch.full_like(x, self._loser), x)

    def onnx(self, b: OnnxBuilder, *values: str, **constants: Any) -> str:
        (x,) = values
        ranked = b.node("Where", b.node("IsNaN", x), b.constant("loser", np.float64(self._loser)), x)
        return b.node("Cast", b.node(self._operator, ranked, axis=-1, keepdims=1), to=_INT32)


class GatherBands(Op):
    """Some of the bands, in the order given by ``indices``."""

    name = "gather_bands"

    def infer(
        self, types: Sequence[TensorType], constants: Mapping[str, Any], attributes: Mapping[str, Any]
    ) -> TensorType:
        return TensorType(types[0].dtype, (*types[0].dims[:-1], len(attributes["indices"])))

    def torch(self, *values: Tensor, **constants: Any) -> Tensor:
        (x,) = values
        chosen = torch.as_tensor(constants["indices"], dtype=torch.int64, device=x.device)
        # Pixel by pixel: index_select copies band by band, several times slower.
        return torch.gather(x, -1, chosen.expand(*x.shape[:-1], -1))

    def onnx(self, b: OnnxBuilder, *values: str, **constants: Any) -> str:
        return b.node("Gather", values[0], b.constant("indices", constants["indices"], "int64"), axis=-1)


_INT32 = 6
SQUARED_NORM = SquaredNorm()
ARG_MAXIMUM = ArgExtremum("arg_maximum", "ArgMax", -np.inf)
ARG_MINIMUM = ArgExtremum("arg_minimum", "ArgMin", np.inf)
GATHER_BANDS = GatherBands()
CONCAT = Concat()


def squared_norm(x: Any) -> Any:
    """sum_c x_c^2, [..., C] to [..., 1]."""
    return apply(SQUARED_NORM, (x,))


def concat(values: Sequence[Any]) -> Any:
    """Bands of several values, one after the other."""
    return values[0] if len(values) == 1 else apply(CONCAT, tuple(values))


def gather_bands(x: Any, indices: Sequence[int]) -> Any:
    """x[..., indices]."""
    return apply(GATHER_BANDS, (x,), attributes={"indices": tuple(int(index) for index in indices)})


def arg_maximum(x: Any) -> Any:
    """Index of the largest band, int32, the first where several are equal; NaN counts as -inf."""
    return apply(ARG_MAXIMUM, (x,))


def arg_minimum(x: Any) -> Any:
    """Index of the smallest band, int32, the first where several are equal; NaN counts as +inf."""
    return apply(ARG_MINIMUM, (x,))

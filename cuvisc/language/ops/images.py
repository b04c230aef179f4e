"""Ops over the pixels of one image: extrema, deviation and median of every band, and distance to the image's
own background.

None of them can be computed in strips of an image. A value that is not a number makes its band's statistic, and the
distances of its whole image, not a number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..types import TensorType
from .op import OnnxBuilder, Op, OpError, apply

_DOUBLE, _FLOAT, _BOOL = 11, 1, 9
_TINY = 1e-30
"""Added to the diagonal of a covariance, so that an image without any variation has scores of zero."""


class _PerBand(Op):
    """[B,H,W,C] to [B,1,1,C]."""

    pixelwise = False

    def infer(
        self, types: Sequence[TensorType], constants: Mapping[str, Any], attributes: Mapping[str, Any]
    ) -> TensorType:
        (x,) = types
        return TensorType(x.dtype, (x.dims[0], 1, 1, x.dims[-1]))


def _keep_nan(b: OnnxBuilder, x: str, axes: str, statistic: str) -> str:
    """The statistic, NaN where the image has one: ONNX Runtime's comparisons pass over NaN, or not, by its position."""
    flags = b.node("Cast", b.node("IsNaN", x), to=_FLOAT)
    found = b.node("Cast", b.node("ReduceMax", flags, axes, keepdims=1), to=_BOOL)
    return b.node("Where", found, b.constant("nan", np.nan), statistic)


class ImageExtremum(_PerBand):
    """Smallest or largest value."""

    def __init__(self, name: str, operator: str) -> None:
        self.name = name  # type: ignore[misc]
        self._operator = operator

    def torch(self, *values: Tensor, **constants: Any) -> Tensor:
        reduce = torch.amin if self._operator == "ReduceMin" else torch.amax
        return reduce(values[0], dim=(1, 2), keepdim=True)

    def onnx(self, b: OnnxBuilder, *values: str, **constants: Any) -> str:
        (x,) = values
        axes = b.constant("axes", [1, 2], "int64")
        return _keep_nan(b, x, axes, b.node(self._operator, x, axes, keepdims=1))


class ImageDeviation(_PerBand):
    """Population standard deviation."""

    name = "image_deviation"

    def torch(self, *values: Tensor, **constants: Any) -> Tensor:
        return values[0].std(dim=(1, 2), correction=0, keepdim=True)

    def onnx(self, b: OnnxBuilder, *values: str, **constants: Any) -> str:
        (x,) = values
        axes = b.constant("axes", [1, 2], "int64")
        centered = b.node("Sub", x, b.node("ReduceMean", x, axes, keepdims=1))
        variance = b.node("ReduceMean", b.node("Mul", centered, centered), axes, keepdims=1)
        return b.node("Sqrt", variance)


class ImageMedian(_PerBand):
    """Lower median: element (N - 1) // 2 of the N sorted values."""

    name = "image_median"

    def torch(self, *values: Tensor, **constants: Any) -> Tensor:
        ranked = values[0].flatten(1, 2).sort(dim=1).values
        last = ranked[:, -1, None, None, :]
        return torch.where(torch.isnan(last), last, ranked[:, (ranked.shape[1] - 1) // 2, None, None, :])

    def onnx(self, b: OnnxBuilder, *values: str, **constants: Any) -> str:
        (x,) = values
        pixels = b.node("Reshape", x, b.constant("pixels", [0, -1, constants["bands"]], "int64"))
        count = b.node("Shape", pixels, start=1, end=2)
        one, two = b.constant("one", [1], "int64"), b.constant("two", [2], "int64")
        rank = b.node("Div", b.node("Sub", count, one), two)
        smallest = b.node("TopK", pixels, b.node("Add", rank, one), axis=1, largest=0, sorted=1)
        median = b.node("Gather", smallest, rank, axis=1)
        axes = b.constant("axes", [1, 2], "int64")
        return _keep_nan(b, x, axes, b.node("Unsqueeze", median, b.constant("row", [1], "int64")))


class ImageMahalanobis(Op):
    """Squared Mahalanobis distance of every pixel to the mean and covariance of its own image, computed in float64.

    S is the unbiased covariance plus eps^2 trace(S)/C on the diagonal, S = L L^T, and the distance |L^-1 (x - mu)|^2,
    which bands that depend on each other do not disturb: an explicit S^-1 would square the condition of L. ONNX has no
    factorisation: there C steps of Cholesky's elimination turn [S, I] into [L^T, L^-1]. An image whose S is not
    positive definite in float64, with an eps below 1e-7 or so, has scores that are not a number.
    """

    name = "image_mahalanobis"
    pixelwise = False

    def infer(
        self, types: Sequence[TensorType], constants: Mapping[str, Any], attributes: Mapping[str, Any]
    ) -> TensorType:
        (x,) = types
        if not isinstance(x.dims[-1], int):
            raise OpError("the number of bands must be known")
        return TensorType(x.dtype, (*x.dims[:-1], 1))

    def torch(self, *values: Tensor, **constants: Any) -> Tensor:
        (x,) = values
        pixels = x.flatten(1, 2).double()
        bands = pixels.shape[-1]
        freedom = (torch.ones_like(pixels[0, :, 0]).sum() - 1).clamp_min(1)
        centered = pixels - pixels.mean(dim=1, keepdim=True)
        covariance = centered.mT @ centered / freedom
        ridge = constants["eps"] ** 2 * covariance.diagonal(dim1=1, dim2=2).mean(dim=1) + _TINY
        identity = torch.eye(bands, dtype=pixels.dtype, device=x.device)
        lower, failed = torch.linalg.cholesky_ex(covariance + ridge[:, None, None] * identity)
        white = torch.linalg.solve_triangular(lower, centered.mT, upper=False)
        distances = white.square().sum(dim=1).masked_fill(failed[:, None] > 0, np.nan)
        scores: Tensor = distances.reshape(x.shape[:-1])[..., None]
        return scores.to(x.dtype)

    def onnx(self, b: OnnxBuilder, *values: str, **constants: Any) -> str:
        (x,) = values
        bands, eps = constants["bands"], constants["eps"]
        last = b.constant("last", [-1], "int64")
        flat = b.constant("flat", [0, -1, bands], "int64")
        pixels = b.node("Cast", b.node("Reshape", x, flat), to=_DOUBLE)
        rows = b.constant("rows", [1], "int64")
        centered = b.node("Sub", pixels, b.node("ReduceMean", pixels, rows, keepdims=1))
        count = b.node("Cast", b.node("Shape", pixels, start=1, end=2), to=_DOUBLE)
        one = b.constant("one", [1.0], "float64")
        freedom = b.node("Max", b.node("Sub", count, one), one)
        scatter = b.node("MatMul", b.node("Transpose", centered, perm=[0, 2, 1]), centered)
        covariance = b.node("Div", scatter, freedom)
        identity = b.constant("identity", np.eye(bands), "float64")
        both = b.constant("both", [1, 2], "int64")
        trace = b.node("ReduceSum", b.node("Mul", covariance, identity), both, keepdims=1)
        scaled = b.node("Mul", trace, b.constant("ridge", [eps**2 / bands], "float64"))
        ridge = b.node("Mul", b.node("Add", scaled, b.constant("tiny", [_TINY], "float64")), identity)
        root = self._inverse_root(b, b.node("Add", covariance, ridge), bands)
        white = b.node("MatMul", centered, b.node("Transpose", root, perm=[0, 2, 1]))
        scores = b.node("ReduceSum", b.node("Mul", white, white), last, keepdims=1)
        shape = b.node(
            "Concat", b.node("Shape", x, start=0, end=3), b.constant("single", [1], "int64"), axis=0
        )
        return b.node("Reshape", b.node("Cast", scores, to=_FLOAT), shape)

    def _inverse_root(self, b: OnnxBuilder, matrix: str, bands: int) -> str:
        """L^-1 [B,C,C] of a positive definite matrix L L^T."""
        positions = np.arange(bands)

        def body(inner: OnnxBuilder, index: str, state: str) -> str:
            at = inner.node("Unsqueeze", index, inner.constant("front", [0], "int64"))
            row, column = inner.node("Gather", state, at, axis=1), inner.node("Gather", state, at, axis=2)
            root = inner.node("Sqrt", inner.node("Gather", row, at, axis=2))
            row, column = inner.node("Div", row, root), inner.node("Div", column, root)
            down = inner.constant("down", positions[None, :, None], "int64")
            below = inner.node("Greater", down, index)
            left = inner.node("Where", below, column, inner.constant("zero", 0.0, "float64"))
            eliminated = inner.node("Sub", state, inner.node("Mul", left, row))
            return inner.node("Where", inner.node("Equal", down, index), row, eliminated)

        covariances = b.node("Shape", matrix)
        identity = b.node("Expand", b.constant("unit", np.eye(bands)[None], "float64"), covariances)
        both = b.node("Concat", matrix, identity, axis=2)
        final = b.loop(bands, both, ("B", bands, 2 * bands), body)
        right = b.constant("right", positions + bands, "int64")
        return b.node("Gather", final, right, axis=2)


IMAGE_MINIMUM = ImageExtremum("image_minimum", "ReduceMin")
IMAGE_MAXIMUM = ImageExtremum("image_maximum", "ReduceMax")
IMAGE_DEVIATION = ImageDeviation()
IMAGE_MEDIAN = ImageMedian()
IMAGE_MAHALANOBIS = ImageMahalanobis()


def image_minimum(x: Any) -> Any:
    """min over H and W of every image and band, [B,1,1,C]."""
    return apply(IMAGE_MINIMUM, (x,))


def image_maximum(x: Any) -> Any:
    """max over H and W of every image and band, [B,1,1,C]."""
    return apply(IMAGE_MAXIMUM, (x,))


def image_deviation(x: Any) -> Any:
    """Population standard deviation over H and W of every image and band, [B,1,1,C]."""
    return apply(IMAGE_DEVIATION, (x,))


def image_median(x: Any) -> Any:
    """Lower median over H and W of every image and band, [B,1,1,C]."""
    return apply(IMAGE_MEDIAN, (x,), attributes={"bands": _bands(x)})


def image_mahalanobis(x: Any, eps: float) -> Any:
    """(x - mu)^T (S + r I)^-1 (x - mu) with mu and S of the image, [B,H,W,1]."""
    return apply(IMAGE_MAHALANOBIS, (x,), attributes={"eps": float(eps), "bands": _bands(x)})


def _bands(x: Any) -> Any:
    return x.shape[-1] if isinstance(x, Tensor) else x.type.dims[-1]

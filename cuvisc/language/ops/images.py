"""Ops over the pixels of one image: extrema, deviation and median of every band, and distance to the image's
own background.

None of them can be computed in strips of an image. They are of the pixels that `taking_part` tells: one with a band
that is not finite is left out, and has no distance. Of an image without any other pixel they are not a number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..types import TensorType
from .op import OnnxBuilder, Op, OpError, apply
from .taking_part import OnnxTakingPart, TakingPart, taking_part

_DOUBLE, _FLOAT, _INT64 = 11, 1, 7
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


def _known(statistic: Tensor, part: TakingPart) -> Tensor:
    """The statistic, NaN for an image without a finite pixel."""
    return statistic.masked_fill(part.empty, np.nan)


def _known_onnx(b: OnnxBuilder, statistic: str, part: OnnxTakingPart) -> str:
    return b.node("Where", part.empty, b.constant("none", np.float64("nan")), statistic)


class ImageExtremum(_PerBand):
    """Smallest or largest value."""

    def __init__(self, name: str, operator: str) -> None:
        self.name = name  # type: ignore[misc]
        self._operator = operator
        self._neutral = np.inf if operator == "ReduceMin" else -np.inf

    def torch(self, *values: Tensor, **constants: Any) -> Tensor:
        (x,) = values
        reduce = torch.amin if self._operator == "ReduceMin" else torch.amax
        part = taking_part(x)
        if part is None:
            return reduce(x, dim=(1, 2), keepdim=True)
        others = torch.where(part.pixels, x, torch.full_like(x, self._neutral))
        return _known(reduce(others, dim=(1, 2), keepdim=True), part)

    def onnx(self, b: OnnxBuilder, *values: str, **constants: Any) -> str:
        (x,) = values
        part = OnnxTakingPart(b, x)

        def extremum(inner: OnnxBuilder, values: str) -> str:
            return inner.node(self._operator, values, inner.constant("axes", [1, 2], "int64"), keepdims=1)

        def of_others(inner: OnnxBuilder) -> str:
            neutral = inner.constant("neutral", np.float64(self._neutral))
            return _known_onnx(inner, extremum(inner, inner.node("Where", part.pixels, x, neutral)), part)

        return b.either(part.all, lambda inner: extremum(inner, x), of_others)


class ImageDeviation(_PerBand):
    """Population standard deviation.

    In ONNX its sums are in float64: ONNX Runtime adds up one pixel after another, and what float32 loses of that in an
    image of some hundred thousand pixels is more than a deviation that is small beside the mean.

    Pixels that take no part stand at the mean, where they add nothing to the sum of squares; the number of pixels that
    it is divided by is put right after.
    """

    name = "image_deviation"

    def torch(self, *values: Tensor, **constants: Any) -> Tensor:
        (x,) = values
        part = taking_part(x)
        if part is None:
            return x.std(dim=(1, 2), correction=0, keepdim=True)
        share = part.share
        known = torch.where(part.pixels, x, torch.zeros_like(x))
        mean = known.mean(dim=(1, 2), keepdim=True) / share.to(x.dtype)
        centred = torch.where(part.pixels, x, mean)
        deviation = centred.std(dim=(1, 2), correction=0, keepdim=True) * share.rsqrt().to(x.dtype)
        return _known(deviation, part)

    def onnx(self, b: OnnxBuilder, *values: str, **constants: Any) -> str:
        (x,) = values
        part = OnnxTakingPart(b, x)
        axes = b.constant("axes", [1, 2], "int64")

        def mean_of(inner: OnnxBuilder, values: str) -> str:
            return inner.node("ReduceMean", values, axes, keepdims=1)

        def variance(inner: OnnxBuilder, values: str, mean: str) -> str:
            centered = inner.node("Sub", values, mean)
            return mean_of(inner, inner.node("Mul", centered, centered))

        def of_all(inner: OnnxBuilder) -> str:
            exact = inner.node("Cast", x, to=_DOUBLE)
            return inner.node("Cast", variance(inner, exact, mean_of(inner, exact)), to=_FLOAT)

        def of_others(inner: OnnxBuilder) -> str:
            exact, share = inner.node("Cast", x, to=_DOUBLE), part.share(inner)
            known = inner.node("Where", part.pixels, exact, inner.constant("zero", 0.0, "float64"))
            mean = inner.node("Div", mean_of(inner, known), share)
            found = variance(inner, inner.node("Where", part.pixels, exact, mean), mean)
            return _known_onnx(inner, inner.node("Cast", inner.node("Div", found, share), to=_FLOAT), part)

        return b.node("Sqrt", b.either(part.all, of_all, of_others))


class ImageMedian(_PerBand):
    """Lower median: element (N - 1) // 2 of the N sorted values."""

    name = "image_median"

    def torch(self, *values: Tensor, **constants: Any) -> Tensor:
        (x,) = values
        part = taking_part(x)
        if part is None:
            ranked = x.flatten(1, 2).sort(dim=1).values
            return ranked[:, (ranked.shape[1] - 1) // 2, None, None, :]
        last = torch.where(part.pixels, x, torch.full_like(x, np.inf))
        ranked = last.flatten(1, 2).sort(dim=1).values
        rank = (part.pixels.flatten(1).sum(dim=1) - 1) // 2
        median = ranked.gather(1, rank[:, None, None].expand(-1, 1, x.shape[-1]))
        return _known(median[:, :, None, :], part)

    def onnx(self, b: OnnxBuilder, *values: str, **constants: Any) -> str:
        (x,) = values
        part = OnnxTakingPart(b, x)
        last = b.node("Where", part.pixels, x, b.constant("last", np.float64("inf")))
        pixels = b.node("Reshape", last, b.constant("pixels", [0, -1, constants["bands"]], "int64"))
        row, one, two = (
            b.constant(name, [value], "int64") for name, value in (("row", 1), ("one", 1), ("two", 2))
        )
        total = b.node("Div", b.node("Sub", b.node("Shape", pixels, start=1, end=2), one), two)
        smallest = b.node("TopK", pixels, b.node("Add", total, one), axis=1, largest=0, sorted=1)
        taken = b.node("Cast", part.pixels, to=_INT64)
        count = b.node("ReduceSum", taken, b.constant("all", [1, 2, 3], "int64"), keepdims=0)
        rank = b.node("Div", b.node("Sub", count, one), two)
        first = b.node("Gather", smallest, b.constant("first", [0], "int64"), axis=1)
        places = b.node(
            "Expand", b.node("Unsqueeze", rank, b.constant("each", [1, 2], "int64")), b.node("Shape", first)
        )
        median = b.node("GatherElements", smallest, places, axis=1)
        return _known_onnx(b, b.node("Unsqueeze", median, row), part)


class ImageMahalanobis(Op):
    """Squared Mahalanobis distance of every pixel to the mean and covariance of its own image, computed in float64.

    S is the unbiased covariance plus eps^2 trace(S)/C on the diagonal, S = L L^T, and the distance |L^-1 (x - mu)|^2,
    which bands that depend on each other do not disturb: an explicit S^-1 would square the condition of L. ONNX has no
    factorisation: there C steps of Cholesky's elimination turn [S, I] into [L^T, L^-1]. An image whose S is not
    positive definite in float64, with an eps below 1e-7 or so, has scores that are not a number.

    Pixels that take no part stand at the mean, where they add nothing to the covariance.
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
        part = taking_part(x)
        if part is None:
            freedom = (torch.ones_like(pixels[0, :, 0]).sum() - 1).clamp_min(1)
            centered = pixels - pixels.mean(dim=1, keepdim=True)
        else:
            taken = part.pixels.flatten(1, 2)
            count = taken.sum(dim=1, keepdim=True)
            freedom = (count - 1).clamp_min(1)
            nothing = torch.zeros_like(pixels)
            mean = torch.where(taken, pixels, nothing).sum(dim=1, keepdim=True) / count
            centered = torch.where(taken, pixels - mean, nothing)
        covariance = centered.mT @ centered / freedom
        ridge = constants["eps"] ** 2 * covariance.diagonal(dim1=1, dim2=2).mean(dim=1) + _TINY
        identity = torch.eye(bands, dtype=pixels.dtype, device=x.device)
        lower, failed = torch.linalg.cholesky_ex(covariance + ridge[:, None, None] * identity)
        white = torch.linalg.solve_triangular(lower, centered.mT, upper=False)
        distances = white.square().sum(dim=1).masked_fill(failed[:, None] > 0, np.nan)
        scores: Tensor = distances.reshape(x.shape[:-1])[..., None]
        return (scores if part is None else scores.masked_fill(~part.finite, np.nan)).to(x.dtype)

    def onnx(self, b: OnnxBuilder, *values: str, **constants: Any) -> str:
        (x,) = values
        bands, eps = constants["bands"], constants["eps"]
        last = b.constant("last", [-1], "int64")
        flat = b.constant("flat", [0, -1, bands], "int64")
        part = OnnxTakingPart(b, x)
        taken = b.node("Reshape", part.pixels, b.constant("mask", [0, -1, 1], "int64"))
        pixels = b.node("Cast", b.node("Reshape", x, flat), to=_DOUBLE)
        rows = b.constant("rows", [1], "int64")
        count = b.node("ReduceSum", b.node("Cast", taken, to=_DOUBLE), rows, keepdims=1)

        def of_all(inner: OnnxBuilder) -> str:
            return inner.node("Sub", pixels, inner.node("ReduceMean", pixels, rows, keepdims=1))

        def of_others(inner: OnnxBuilder) -> str:
            nothing = inner.constant("nothing", 0.0, "float64")
            total = inner.node("ReduceSum", inner.node("Where", taken, pixels, nothing), rows, keepdims=1)
            deviation = inner.node("Sub", pixels, inner.node("Div", total, count))
            return inner.node("Where", taken, deviation, nothing)

        centered = b.either(part.all, of_all, of_others, "float64")
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
        return b.node("Add", b.node("Reshape", b.node("Cast", scores, to=_FLOAT), shape), part.mark)

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

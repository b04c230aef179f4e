"""Batches for losses that depend on nothing but mean and covariance: a few pixels that have the same of both.

A mean over pixels of a function of second degree in values that are affine in the pixel (the squared error of a linear
reconstruction) is one of mean and covariance alone, and so is its gradient. An image [H,W,C] of mean m and covariance
V diag(l) V^T, over N, gives way to the 2C pixels m +- sqrt(C l_i) v_i, which have the same: every step of a training
then reads 2C pixels of it instead of N. It pays where images come again, so that their covariance is taken once.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from cuvisc.compiler.graph import INPUT, ValueRef
from cuvisc.compiler.module import CompiledGraph
from cuvisc.compiler.tracing import NotAffine, affine_image
from cuvisc.language.leaf import LossNode
from cuvisc.runtime.attached import Attached
from cuvisc.runtime.data.contract import check_batch
from cuvisc.runtime.image_memory import ImageMemory
from cuvisc.runtime.missing import marks_of, missing_pixels

_WORTH = 8
_PIXELS = "pixels"


def of_moments(module: CompiledGraph, losses: Collection[tuple[Attached, LossNode]]) -> bool:
    """Whether all losses that read pixels depend on mean and covariance of the cube alone, and there is one."""
    reading = [(attached, loss) for attached, loss in losses if attached.needed]
    values = dict.fromkeys(itertools.chain.from_iterable(attached.needed for attached, _ in reading))
    if not values or marks_of(module) or not all(loss.of_moments for _, loss in reading):
        return False
    return _are_affine(module, list(values))


def _are_affine(module: CompiledGraph, values: list[ValueRef]) -> bool:
    training = module.training
    try:
        for value in values:
            affine_image(module, [value], [INPUT])
    except NotAffine:
        return False
    finally:
        module.train(training)
    return True


class CondensedBatches:
    """Batches with few pixels in the place of all; those that cannot be condensed stay as they are."""

    def __init__(self, limit: int | None) -> None:
        self.memory: ImageMemory[str] = ImageMemory(limit)

    def __call__(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        """The cube alone, as [B,1,2C,C]; the batch where it has no more pixels, or some of them lack data."""
        cube = check_batch(batch, "the data")
        few = cube.shape[1] * cube.shape[2] < _WORTH * cube.shape[3]
        if self.memory.limit == 0 or few or missing_pixels(cube) is not None:
            return batch
        with torch.no_grad():
            parts = [self.memory.values(image, (_PIXELS,), _condense) for image in torch.split(cube, 1)]
        return {"cube": torch.cat([part[_PIXELS] for part in parts])}


def _condense(image: Tensor) -> dict[str, Tensor]:
    """2C pixels [1,1,2C,C] with the mean and the covariance of an image [1,H,W,C]."""
    pixels = image.reshape(-1, image.shape[-1]).double()
    mean = pixels.mean(dim=0)
    centered = pixels - mean
    values, vectors = torch.linalg.eigh(centered.T @ centered / len(pixels))
    arms = (vectors * (values.clamp_min(0) * len(mean)).sqrt()).T
    found = torch.cat([mean + arms, mean - arms])[None, None]
    return {_PIXELS: found.to(image.dtype if image.dtype == torch.float64 else torch.float32)}

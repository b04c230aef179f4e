"""Pixels without data (a band that is not finite) in training: the graph never sees them, leaves see they are missing.

A gradient through a value that is not finite is not finite, whatever a loss leaves out; so such a pixel is replaced
before the graph, and what the graph makes of it is marked after.
"""

from __future__ import annotations

import torch
from torch import Tensor


def missing_pixels(cube: Tensor) -> Tensor | None:
    """Where a cube [B,H,W,C] lacks data, as [B,H,W,1]; None where it lacks none.

    One sum says so on a CPU; a GPU is not waited for.
    """
    if not cube.is_floating_point():
        return None
    if cube.device.type == "cpu" and bool(torch.isfinite(cube.sum())):
        return None
    missing = ~torch.isfinite(cube).all(dim=-1, keepdim=True)
    return missing if cube.device.type != "cpu" or bool(missing.any()) else None


def fill(cube: Tensor, missing: Tensor) -> Tensor:
    """The cube with every missing pixel replaced by the first one of its image that is not, or by zeros.

    A spectrum of the image itself moves statistics of the image least.
    """
    images, flat = len(cube), missing.reshape(len(cube), -1)
    first = torch.argmin(flat.to(torch.int8), dim=1)
    spectra = cube.reshape(images, -1, cube.shape[-1])[torch.arange(images, device=cube.device), first]
    spectra = torch.where(flat.all(dim=1, keepdim=True), torch.zeros_like(spectra), spectra)
    return torch.where(missing, spectra[:, None, None, :], cube)


def mark(value: Tensor, missing: Tensor) -> Tensor:
    """A value [B,H,W,K] with NaN at missing pixels (zero or false where it is no float), without a gradient there."""
    if value.shape[:-1] != missing.shape[:-1]:
        return value
    return value.masked_fill(missing, float("nan") if value.is_floating_point() else 0)

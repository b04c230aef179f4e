"""Pixels without data: they take part in nothing, and what is computed of them is not a number.

They are those with a band that is not finite in the float32 that exported models compute in, and those that a node of
the graph marks. Where no gradients are, the graph is given the former as :func:`blank` makes them and does the rest
itself: its ops compute NaN of NaN, and take statistics of an image over its other pixels.

A gradient through a value that is not finite is not finite, whatever a loss leaves out; so what is trained is given
another spectrum in the place of such a pixel, and what the graph makes of it is marked after.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from cuvisc.compiler.graph import ValueRef
from cuvisc.compiler.module import CompiledGraph

_EXACT = 2


def missing_pixels(cube: Tensor) -> Tensor | None:
    """Where a cube [B,H,W,C] lacks data, as [B,H,W,1]; None where it lacks none.

    One sum says so on a CPU; a GPU is not waited for.
    """
    if not cube.is_floating_point():
        return None
    cube = cube.float() if cube.dtype == torch.float64 else cube
    if cube.device.type == "cpu" and bool(torch.isfinite(cube.sum())):
        return None
    missing = ~torch.isfinite(cube).all(dim=-1, keepdim=True)
    return missing if cube.device.type != "cpu" or bool(missing.any()) else None


def blank(cube: Tensor) -> Tensor:
    """The cube [B,H,W,C], NaN in every band of a pixel that has one which is not finite."""
    missing = missing_pixels(cube)
    return cube if missing is None else mark(cube, missing)


def marked_pixels(module: CompiledGraph, cube: Tensor) -> Tensor | None:
    """Where a cube [B,H,W,C] lacks data, or a node of the graph says so, as [B,H,W,1]; None where that is nowhere."""
    missing, marks = missing_pixels(cube), marks_of(module)
    if marks:
        with torch.no_grad():
            values = module.evaluate(cube if missing is None else mark(cube, missing), marks)
        invalid = ~torch.stack([values[ref] for ref in marks]).all(dim=0)
        missing = invalid if missing is None else missing | invalid
        if cube.device.type == "cpu" and not bool(missing.any()):
            return None
    return missing


def marks_of(module: CompiledGraph) -> tuple[ValueRef, ...]:
    """The values of a graph that say which pixels hold a measurement."""
    named = ((node.id, module.node(node.id).marks) for node in module.graph.nodes)
    return tuple(ValueRef(name, port) for name, port in named if port is not None)


def fill(cube: Tensor, missing: Tensor) -> Tensor:
    """The cube with every missing pixel replaced by the first one of its image that is not, or by zeros.

    What is computed of it is as likely to be finite as what is computed of the others.
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


def emptied(batch: Mapping[str, Any], missing: Tensor) -> dict[str, Any]:
    """The batch, its cube NaN at missing pixels: as float32, or as float64 where that has not enough digits."""
    seen = dict(batch)
    for name in {"cube", "x"} & {key for key, value in batch.items() if value is not None}:
        cube = torch.as_tensor(batch[name])
        if not cube.is_floating_point():
            cube = cube.to(torch.float32 if cube.element_size() <= _EXACT else torch.float64)
        seen[name] = mark(cube, missing)
    return seen

"""Measured statistics to those of a value further down the graph, through the fitted nodes between; exact, float64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import torch

from cuvisc.compiler.graph import ValueRef
from cuvisc.compiler.module import CompiledGraph
from cuvisc.compiler.plan import EXTREMA, Source, Tap
from cuvisc.compiler.tracing import NotAffine, affine_image
from cuvisc.language.affine import AffineMap, Array
from cuvisc.language.statistics import BandExtrema, BandMoments, Result
from cuvisc.runtime.gradients import upstream_of

Measured: TypeAlias = Mapping[tuple[int, Tap, str], Result]


def statistic_for(module: CompiledGraph, sources: Sequence[Source], measured: Measured) -> Result:
    """The statistic a node asked for: of what it reads, from what the passes measured."""
    results = [measured[source.index, source.tap, source.kind] for source in sources]
    of = sources[0].of
    parts = tuple(part for source in sources for part in source.tap.parts)
    joined = _joined(results) if sources[0].kind == EXTREMA else results[0]
    if of == parts:
        return joined
    try:
        affine = affine_image(module, of, parts)
    except NotAffine:
        affine = _probe(module, of, parts, joined)
    if isinstance(joined, BandExtrema) and not affine.elementwise:
        return _extrema_through(affine, joined)
    return joined.through(affine)


def _joined(results: Sequence[Result]) -> BandExtrema:
    """Extrema of several values side by side."""
    extrema = [result for result in results if isinstance(result, BandExtrema)]
    return BandExtrema(
        min(part.count for part in extrema),
        np.concatenate([part.minimum for part in extrema]),
        np.concatenate([part.maximum for part in extrema]),
    )


def _extrema_through(affine: AffineMap, extrema: BandExtrema) -> BandExtrema:
    """Extrema of an image whose every band reads one band: exact, whichever sign the gain has."""
    low, high = extrema.minimum - affine.center, extrema.maximum - affine.center
    rising, falling = affine.matrix.clip(min=0), affine.matrix.clip(max=0)
    return BandExtrema(
        extrema.count,
        low @ rising + high @ falling + affine.offset,
        high @ rising + low @ falling + affine.offset,
    )


@torch.no_grad()
def _probe(
    module: CompiledGraph, of: Sequence[ValueRef], parts: Sequence[ValueRef], measured: Result
) -> AffineMap:
    """The map from `parts` to `of`, read off values in the middle of the data and one step beside it.

    A node of plain torch may declare that it is affine; its map cannot be composed from ops.
    """
    middle, step = _middle(measured)
    points = np.vstack([middle, middle + np.diag(step)])
    values: dict[ValueRef, torch.Tensor] = {}
    start = 0
    for part in parts:
        width = module.widths[part]
        values[part] = torch.from_numpy(points[:, start : start + width].copy())[:, None, None, :]
        start += width
    between = upstream_of(module.graph, of)
    for node in module.graph.nodes:
        if node.id in between and node.output not in values and all(ref in values for ref in node.reads()):
            values |= module.step(node, values)
    images = np.concatenate([values[ref].double().numpy()[:, 0, 0, :] for ref in of], axis=1)
    return AffineMap.make((images[1:] - images[0]) / step[:, None], middle, images[0])


def _middle(measured: Result) -> tuple[Array, Array]:
    """A typical spectrum and a typical distance from it, band by band."""
    if isinstance(measured, BandMoments):
        middle, step = measured.mean, np.sqrt(measured.variance)
    else:
        middle, step = measured.minimum, measured.maximum - measured.minimum
    return middle, np.where(step > 0, step, 1.0)

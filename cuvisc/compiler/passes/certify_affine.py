"""Choose how an affine map is computed, by a bound on its rounding error known at compile time.

folded    x A + b in float32: one multiplication. Where the cube lies far from zero compared with its spread, x A and
          b are large and cancel.
centered  (x - m32) A + (m32 - m) A in float32: a float32 mean is subtracted first, and what rounding the mean lost is
          given back exactly.
float64   x A + b in float64, rounded to float32 at the end: where bands are so alike that whitening them amplifies
          float32 rounding beyond what an export may differ by.

The bound is the expected rounding error of an output relative to the output's own size:

    bound = 2 sqrt(mean_k (e_k / s_k)^2),  e = 2^-24 (E|x - center| |A| + |offset|),  s_k = sqrt(E y_k^2)

a relative error of squared outputs; it bounds the median over pixels, not the worst one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import asdict, dataclass, replace
from typing import TypeAlias

import numpy as np

from cuvisc.compiler.ir import Operation, Program
from cuvisc.language.affine import AffineMap, Array
from cuvisc.language.statistics import BandMoments

UNIT_ROUNDOFF = 2.0**-24
LIMIT = 1e-5
"""Largest bound of the folded form that is not worth a subtraction."""
LARGEST = 1e-4
"""Largest bound that float32 is trusted with; the tolerance of an export."""

Measure: TypeAlias = Callable[[Program, Set[str]], Mapping[str, BandMoments]]
"""Moments of values of a program, as far as there are any."""


@dataclass(frozen=True)
class Certificate:
    """Why an affine map was written as it is."""

    operation: str
    form: str
    folded_bound: float
    centered_bound: float

    def to_dict(self) -> dict[str, object]:
        """Plain data, for ``parity.json``."""
        return asdict(self)


def certify_affine(
    program: Program, profile: BandMoments | None, measure: Measure | None = None
) -> tuple[Program, tuple[Certificate, ...]]:
    """Write every band-mixing map whose input's moments are known in the cheapest form whose bound holds.

    ``profile`` are the moments of the training cubes; without them nothing changes. They follow exactly through
    selections and affine maps; behind anything else, such as the marking of pixels without data, ``measure`` is asked.
    """
    if profile is None:
        return program, ()
    mixing = [op for op in program.operations if op.affine is not None and not op.affine.elementwise]
    known = _follow(program, {program.input.name: profile})
    unknown = {op.inputs[0] for op in mixing if op.inputs[0] not in known}
    if unknown and measure is not None:
        known |= measure(program, unknown)
    chosen: dict[str, Operation] = {}
    certificates: list[Certificate] = []
    for operation in mixing:
        moments = known.get(operation.inputs[0])
        if moments is not None and operation.affine is not None:
            chosen[operation.name], certificate = _choose(operation, operation.affine, moments)
            certificates.append(certificate)
    return program.with_operations([chosen.get(op.name, op) for op in program.operations]), tuple(
        certificates
    )


def _follow(program: Program, known: Mapping[str, BandMoments]) -> dict[str, BandMoments]:
    """The moments of every value that selections and affine maps make of those that are known; exact."""
    found = dict(known)
    for operation in program.operations:
        moments = found.get(operation.inputs[0]) if operation.inputs else None
        if moments is not None and operation.op.name == "gather_bands":
            found[operation.output.name] = _selected(moments, list(operation.attributes["indices"]))
        if moments is not None and operation.affine is not None:
            found[operation.output.name] = moments.through(operation.affine)
    return found


def _selected(moments: BandMoments, indices: list[int]) -> BandMoments:
    return BandMoments(moments.count, moments.mean[indices], moments.scatter[np.ix_(indices, indices)])


def _choose(operation: Operation, affine: AffineMap, moments: BandMoments) -> tuple[Operation, Certificate]:
    folded = affine.recentered(np.zeros(len(moments.mean)))
    centered = affine.recentered(moments.mean)
    bounds = rounding_bound(folded, moments), rounding_bound(centered, moments)
    if min(bounds) > LARGEST:
        form, chosen = "float64", replace(operation, constants=vars(folded), attributes={"double": True})
    elif bounds[0] <= LIMIT or bounds[0] <= bounds[1]:
        form, chosen = "folded", replace(operation, constants=vars(folded))
    else:
        form, chosen = "centered", replace(operation, constants=vars(centered))
    return chosen, Certificate(operation.name, form, *bounds)


def rounding_bound(affine: AffineMap, profile: BandMoments) -> float:
    """Expected relative rounding error of the squared outputs in float32; the formula stands in the module's header."""
    distance = np.sqrt((profile.mean - affine.center) ** 2 + profile.variance)
    error = UNIT_ROUNDOFF * (distance @ np.abs(affine.matrix) + np.abs(affine.offset))
    output = profile.through(affine)
    size: Array = np.sqrt(output.mean**2 + output.variance.clip(min=0))
    ratios = np.divide(error, size, out=np.zeros_like(error), where=size > 0)
    return float(2.0 * np.sqrt(np.mean(ratios**2)))

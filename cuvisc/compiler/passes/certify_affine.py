"""Choose how an affine map of the cube is written for float32, by a bound on its rounding error known at compile time.

The folded form x A + b is one multiplication, but where the cube lies far from zero compared with its spread,
x A and b are large and cancel. The centred form (x - m32) A + (m32 - m) A subtracts a float32 mean first and
gives back, exactly, what rounding the mean lost. The bound is the expected rounding error of an output
relative to the output's own size:

    bound = 2 sqrt(mean_k (e_k / s_k)^2),  e = 2^-24 (E|x - center| |A| + |offset|),  s_k = sqrt(E y_k^2)

a relative error of squared outputs; it bounds the median over pixels, not the worst one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np

from cuvisc.compiler.ir import Operation, Program
from cuvisc.language.affine import AffineMap, Array
from cuvisc.language.statistics import BandMoments

UNIT_ROUNDOFF = 2.0**-24
LIMIT = 1e-5


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


def center_affine(program: Program, profile: BandMoments | None) -> tuple[Program, tuple[Certificate, ...]]:
    """Write every band-mixing map of the cube in the cheapest form whose bound holds.

    ``profile`` are the moments of the training cubes; without them nothing changes.
    """
    if profile is None:
        return program, ()
    certificates: list[Certificate] = []
    operations: list[Operation] = []
    known = {program.input.name: profile}
    for operation in program.operations:
        affine = operation.affine
        moments = known.get(operation.inputs[0])
        if moments is not None and operation.op.name == "gather_bands":
            known[operation.output.name] = _selected(moments, list(operation.attributes["indices"]))
        if moments is not None and affine is not None and not affine.elementwise:
            chosen, certificate = _choose(operation.name, affine, moments)
            operation = replace(operation, constants=vars(chosen))
            certificates.append(certificate)
        operations.append(operation)
    return program.with_operations(operations), tuple(certificates)


def _selected(moments: BandMoments, indices: list[int]) -> BandMoments:
    return BandMoments(moments.count, moments.mean[indices], moments.scatter[np.ix_(indices, indices)])


def _choose(name: str, affine: AffineMap, profile: BandMoments) -> tuple[AffineMap, Certificate]:
    folded = affine.recentered(np.zeros(len(profile.mean)))
    centered = affine.recentered(profile.mean)
    bounds = rounding_bound(folded, profile), rounding_bound(centered, profile)
    keep = bounds[0] <= LIMIT or bounds[0] <= bounds[1]
    return (folded if keep else centered), Certificate(name, "folded" if keep else "centered", *bounds)


def rounding_bound(affine: AffineMap, profile: BandMoments) -> float:
    """Expected relative rounding error of the squared outputs in float32; the formula stands in the module's header."""
    distance = np.sqrt((profile.mean - affine.center) ** 2 + profile.variance)
    error = UNIT_ROUNDOFF * (distance @ np.abs(affine.matrix) + np.abs(affine.offset))
    output = profile.through(affine)
    size: Array = np.sqrt(output.mean**2 + output.variance.clip(min=0))
    ratios = np.divide(error, size, out=np.zeros_like(error), where=size > 0)
    return float(2.0 * np.sqrt(np.mean(ratios**2)))
